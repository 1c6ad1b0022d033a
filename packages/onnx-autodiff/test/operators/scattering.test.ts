import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted, int64 } from '../checkShapes.ts';
import { runModel } from '../runtime.ts';

const square = (g: GraphBuilder, x: Value): Value => g.mul(x, x);
type Values = Readonly<Record<string, Value>>;

describe('ScatterElements', () => {
  const scatter =
    (axis: number, reduction: string | undefined) =>
    (g: GraphBuilder, { x, at, u }: Values): Value =>
      square(g, g.op('ScatterElements', [x, at, u], { axis, reduction }));
  // for none, places must differ
  const apart = int64([0, 2, 1, -1, 1, 0], [2, 3]);
  const together = int64([0, 1, 0, 1, 1, 1], [2, 3]);

  test.each([
    [0, undefined, int64([0, 2, 1, 1, 1, 0], [2, 3])],
    [1, 'none', apart],
    [0, 'add', together],
    [-1, 'add', together],
  ] as const)('along axis %i, reduction %s', async (axis, reduction, at) => {
    for (const dims of [
      [3, 4],
      ['n', 'm'],
    ]) {
      await checkGradients({
        inputs: { x: [3, 4], u: [2, 3] },
        fixed: { at },
        dims: { x: dims },
        build: scatter(axis, reduction),
      });
    }
  });

  test.each(['min', 'max'])('with %s gives the gradient to what was chosen', async (reduction) => {
    await checkGradients({
      inputs: { x: [2, 3], u: [2, 3] },
      at: { x: [1, 5, 3, 4, 2, 6], u: [2.5, 1.5, 0.5, 4.5, 3.5, 5.5] },
      fixed: { at: int64([0, 0, 1, 1, 1, 0], [2, 3]) },
      build: scatter(0, reduction),
    });
  });

  test('with max shares the gradient of a tie', async () => {
    const g = new GraphBuilder();
    const [x, u] = ['x', 'u'].map((name) => g.input(name, 'float32', [2])) as [Value, Value];
    const y = g.op('ScatterElements', [x, g.ints([0, 0]), u], { reduction: 'max' });
    const [dx, du] = backward(g, g.reduceSum(y), [x, u]);
    g.output('dx', dx as Value);
    g.output('du', du as Value);
    const ones = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 1) } as const;
    const results = await runModel(buildModel(g), { x: ones, u: ones });
    const third = Math.fround(1 / 3);
    expect(Array.from(results['dx']?.data as Float32Array)).toEqual([third, 1]);
    expect(Array.from(results['du']?.data as Float32Array)).toEqual([third, third]);
  });

  test('with mul has a gradient by what is multiplied, not by the factors', async () => {
    await checkGradients({
      inputs: { x: [2, 3] },
      fixed: { at: int64([0, 0, 1, 1, 0, 1], [2, 3]), factors: counted(2, 3) },
      build: (g, { x, at, factors }) => {
        const u = g.cast(factors as Value, (x as Value).dtype ?? 'float32');
        return scatter(0, 'mul')(g, { x: x as Value, at: at as Value, u });
      },
    });
    const g = new GraphBuilder();
    const [x, u] = ['x', 'u'].map((name) => g.input(name, 'float32', [2, 3])) as [Value, Value];
    const y = scatter(0, 'mul')(g, { x, u, at: g.input('at', 'int64', [2, 3]) });
    expect(() => backward(g, g.reduceSum(y), [u])).toThrowError(
      expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED', message: expect.stringContaining('mul') }),
    );
  });
});

describe('ScatterND', () => {
  const scatter =
    (reduction: string | undefined) =>
    (g: GraphBuilder, { x, at, u }: Values): Value =>
      square(g, g.op('ScatterND', [x, at, u], { reduction }));

  test.each([
    ['single elements', undefined, [3, 2], [3], [0, 1, 2, 2, 1, -1]],
    ['rows', 'none', [2, 1], [2, 3], [2, 0]],
    ['rows added together', 'add', [4, 1], [4, 3], [2, 0, 2, -1]],
    ['elements added together', 'add', [2, 2, 2], [2, 2], [0, 1, 0, 1, 2, 2, 0, 1]],
  ] as const)('writes %s (reduction %s)', async (_, reduction, shape, updates, at) => {
    for (const dims of [
      [3, 3],
      ['n', 'm'],
    ]) {
      await checkGradients({
        inputs: { x: [3, 3], u: updates },
        fixed: { at: int64(at, shape) },
        dims: { x: dims },
        build: scatter(reduction),
      });
    }
  });

  test.each(['mul', 'min', 'max'])('with %s is refused', (reduction) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [3]);
    const y = scatter(reduction)(g, {
      x,
      at: g.input('at', 'int64', [2, 1]),
      u: g.input('u', 'float32', [2]),
    });
    expect(() => backward(g, g.reduceSum(y), [x])).toThrowError(
      expect.objectContaining({
        code: 'ERR_OPERATOR_UNSUPPORTED',
        message: expect.stringContaining(reduction),
      }),
    );
  });
});

test('the result is like what is written into', async () => {
  const shapes = await checkShapes({
    inputs: { x: counted(3, 2), at: int64([0, 2], [2, 1]), rows: counted(2, 2), columns: counted(2, 1) },
    dims: { x: ['n', 2] },
    build: (g, { x, at, rows, columns }) => [
      g.op('ScatterND', [x, at, rows]),
      g.op('ScatterElements', [x, at, columns]),
    ],
  });
  expect(shapes).toEqual([
    ['n', 2],
    ['n', 2],
  ]);
});

test('calls that make no sense are refused', () => {
  const calls: ((g: GraphBuilder, x: Value) => unknown)[] = [
    (g, x) => g.op('ScatterElements', [x, g.ints([0]), g.constant([1])]),
    (g, x) => g.op('ScatterND', [x, g.reshape(g.ints([0, 0, 0]), [1, 3]), g.constant([1])]),
    (g, x) => g.op('ScatterND', [x, g.reshape(g.ints([0]), [1, 1]), g.constant([1])]),
  ];
  for (const call of calls) {
    const g = new GraphBuilder();
    expect(() => call(g, g.input('x', 'float32', [2, 3]))).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  }
});

test('any places, added up', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.nat(100), { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      async (size, picks, isTuple) => {
        const at = picks.map((pick) => (pick % (2 * size)) - size);
        await checkGradients({
          inputs: { x: [size], u: [at.length] },
          fixed: { at: int64(at, isTuple ? [at.length, 1] : [at.length]) },
          build: (g, { x, at: places, u }) =>
            square(g, g.op(isTuple ? 'ScatterND' : 'ScatterElements', [x, places, u], { reduction: 'add' })),
        });
      },
    ),
    { numRuns: 15 },
  );
});
