import { expect, test } from 'vitest';
import { backward, buildModel, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { runModel } from '../runtime.ts';

const productOf = (g: GraphBuilder, x: Value | undefined, axis = 0): Value =>
  g.op('ReduceProd', [x, g.ints([axis])], { keepdims: 0 });

test.each([
  ['no', [2, 3, 4]],
  ['one', [2, 0, 4]],
  ['two', [0, 3, 0]],
  ['three', [0, 0, 0]],
])('at %s zeros, the gradient is the product of the others', async (_, factors) => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [3]);
  g.output('dx', backward(g, productOf(g, x), [x])[0] as Value);
  const feeds = { x: { dtype: 'float32', shape: [3], data: Float32Array.from(factors) } } as const;
  const { dx } = await runModel(buildModel(g), feeds);
  const [a, b, c] = factors as [number, number, number];
  expect(Array.from(dx?.data as Float32Array)).toEqual([b * c, a * c, a * b]);
});

test.each([[[0, 2, -3, 1]], [[0, 0, 2, 1.5]], [[0, 0, 0, 2]]])(
  'at %j it is right twice, however much is known of the size',
  async (at) => {
    for (const size of [4, 'n']) {
      await checkGradients({
        inputs: { x: [4] },
        dims: { x: [size] },
        at: { x: at },
        build: (g, { x }) => productOf(g, x),
      });
    }
  },
);

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 13])('of %d factors', async (n) => {
  await checkGradients({
    inputs: { x: [2, n] },
    range: [0.7, 1.3],
    build: (g, { x }) => productOf(g, x, 1),
  });
});

test('multiplications grow with the number of factors, not with its square', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [1000]);
  backward(g, productOf(g, x), [x]);
  const products = g.nodes
    .filter(({ op }) => op === 'Mul')
    .map(({ outputs: [y] }) => Number(y?.shape?.at(-1)));
  expect(products.reduce((total, size) => total + size, 0)).toBeLessThan(4 * 1000);
});

test('of no factors there is no gradient', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 0]);
  const [dx] = backward(g, g.reduceSum(productOf(g, x, 1)), [x]);
  expect(dx?.shape).toEqual([2, 0]);
});

test('axes that only the running graph knows are refused', () => {
  const g = new GraphBuilder();
  const [x, axes] = [g.input('x', 'float32', [2, 3]), g.input('axes', 'int64', [1])];
  const y = g.reduceSum(g.op('ReduceProd', [x, axes]));
  expect(() => backward(g, y, [x])).toThrowError(
    expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED' }),
  );
});
