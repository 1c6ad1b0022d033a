import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted, int64 } from '../checkShapes.ts';

const square = (g: GraphBuilder, x: Value): Value => g.mul(x, x);
const modes = ['reflect', 'edge', 'wrap'];
const opsetOf = (mode: string): number => (mode === 'wrap' ? 19 : 18);

describe('Pad with a constant', () => {
  test.each([[[1, 0, 2, 3]], [[0, 0, 0, 1]], [[-1, 0, 0, -2]], [[-1, 2, 1, -1]], [[0, 0, 0, 0]]])(
    'by %j cuts the margin off',
    async (pads) => {
      for (const dims of [
        [3, 4],
        ['n', 'm'],
      ]) {
        await checkGradients({
          inputs: { x: [3, 4] },
          dims: { x: dims },
          build: (g, { x }) => square(g, g.pad(x as Value, pads)),
        });
      }
    },
  );

  test('along some axes', async () => {
    await checkGradients({
      inputs: { x: [3, 4] },
      build: (g, { x }) => square(g, g.op('Pad', [x, g.ints([1, 2]), undefined, g.ints([-1])])),
    });
  });

  test.each([[[1, 0, 2, 3]], [[-1, 2, 0, -1]]])('by %j that only the running graph knows', async (pads) => {
    await checkGradients({
      inputs: { x: [3, 4] },
      fixed: { pads: int64(pads) },
      dims: { x: ['n', 4] },
      build: (g, { x, pads }) => square(g, g.pad(x as Value, pads as Value)),
    });
  });

  test.each([[[1, 0, 2, 3]], [[-1, 2, 0, -1]]])(
    'gives the constant the sum of the margin, of %j',
    async (pads) => {
      await checkGradients({
        inputs: { x: [3, 4], value: [] },
        dims: { x: ['n', 4] },
        build: (g, { x, value }) => square(g, g.op('Pad', [x, g.ints(pads), value])),
      });
    },
  );
});

describe.each(modes)('Pad in the mode %s', (mode) => {
  const check = (
    shape: readonly number[],
    pads: readonly number[],
    dims = shape as readonly (string | number)[],
  ) =>
    checkGradients({
      inputs: { x: shape },
      dims: { x: dims },
      opset: opsetOf(mode),
      build: (g, { x }) => square(g, g.pad(x as Value, pads, mode)),
    });

  test.each([[[1, 2, 2, 1]], [[0, 2, 0, 0]], [[0, 0, 1, 3]], [[2, 3, 2, 3]], [[-1, 2, 0, 1]]])(
    'by %j adds the margin to what it was copied from',
    async (pads) => {
      await check([3, 4], pads);
      await check([3, 4], pads, ['n', 'm']);
    },
  );

  test('of images in a batch of any size', () =>
    check([2, 1, 3, 3], [0, 0, 1, 1, 0, 0, 1, 1], ['n', 1, 3, 3]));

  test('needs to know the amounts to differentiate', () => {
    const g = new GraphBuilder({ opset: opsetOf(mode) });
    const x = g.input('x', 'float32', [4]);
    const y = g.pad(x, g.input('pads', 'int64', [2]), mode);
    expect(() => backward(g, g.reduceSum(y), [x])).toThrowError(
      expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED', message: expect.stringContaining(mode) }),
    );
  });
});

test('the border of a single element is that element', async () => {
  await checkGradients({
    inputs: { x: [1] },
    build: (g, { x }) => square(g, g.pad(x as Value, [2, 1], 'edge')),
  });
});

describe('shapes', () => {
  test('are sums', async () => {
    const pads = [1, -1, 0, 2];
    const build = (g: GraphBuilder, { x }: Readonly<Record<string, Value>>) => g.pad(x as Value, pads);
    expect(await checkShapes({ inputs: { x: counted(3, 4) }, build })).toEqual([[4, 5]]);
    const named = await checkShapes({ inputs: { x: counted(3, 4) }, dims: { x: ['n', 'm'] }, build });
    expect(named).toEqual([['n + 1', 'm + 1']]);
  });

  test('have as many axes as the input where amounts are computed', async () => {
    const [shape] = await checkShapes({
      inputs: { x: counted(3, 4), pads: int64([1, 0, 0, 1]) },
      build: (g, { x, pads }) => g.pad(x as Value, pads as Value),
    });
    expect(shape).toHaveLength(2);
  });

  test.each([
    ['too few amounts', [1, 1]],
    ['more cut off than there is', [-2, 0, -2, 0]],
  ])('do not come from %s', (_, pads) => {
    const g = new GraphBuilder();
    expect(() => g.pad(g.input('x', 'float32', [3, 4]), pads)).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  });
});

test('any amounts in any mode', async () => {
  const amount = fc.integer({ min: 0, max: 2 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('constant', ...modes),
      fc.integer({ min: 3, max: 4 }),
      fc.tuple(amount, amount, amount, amount),
      fc.boolean(),
      async (mode, size, pads, isNamed) => {
        await checkGradients({
          inputs: { x: [3, size] },
          dims: { x: isNamed ? ['n', 'm'] : [3, size] },
          opset: opsetOf(mode),
          build: (g, { x }) => square(g, g.pad(x as Value, pads, mode)),
        });
      },
    ),
    { numRuns: 15 },
  );
});
