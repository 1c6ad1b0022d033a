import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted, int64 } from '../checkShapes.ts';

const square = (g: GraphBuilder, x: Value): Value => g.mul(x, x);
const far = Number.MAX_SAFE_INTEGER;

/** Starts, ends, axes, steps. */
type Cuts = readonly [readonly number[], readonly number[], (readonly number[])?, (readonly number[])?];
const cut = (g: GraphBuilder, x: Value | undefined, cuts: Cuts): Value =>
  g.op('Slice', [x, ...cuts.map((list) => list && g.ints(list))]);

const cases: [string, Cuts][] = [
  ['from the start', [[0], [2]]],
  [
    'up to the end',
    [
      [1, 2],
      [far, far],
    ],
  ],
  ['up to the end, as 32 bits say it', [[1], [2 ** 31 - 1]]],
  ['between negative positions', [[-3], [-1], [1]]],
  ['of a negative axis', [[1], [3], [-1]]],
  ['beyond the end', [[2], [100], [0]]],
  ['from before the start', [[-100], [2], [0]]],
  [
    'everything',
    [
      [0, 0],
      [far, 5],
    ],
  ],
  ['nothing', [[3], [1], [0]]],
  ['every second', [[0], [far], [1], [2]]],
  ['every third, from the second on', [[1], [far], [1], [3]]],
  [
    'every second up to a position',
    [
      [1, 0],
      [4, 3],
      [1, 0],
      [2, 2],
    ],
  ],
  ['backwards', [[-1], [-far], [0], [-1]]],
  ['backwards from a position to another', [[3], [0], [1], [-1]]],
  ['backwards in steps', [[far], [-far], [1], [-2]]],
  ['backwards in steps from inside', [[3], [-far], [1], [-3]]],
];

describe('Slice gives zeros where nothing was cut out', () => {
  test.each(cases)('%s', async (_, cuts) => {
    await checkGradients({ inputs: { x: [4, 5] }, build: (g, { x }) => square(g, cut(g, x, cuts)) });
  });

  test.each(cases)('%s, with names for sizes', async (_, cuts) => {
    await checkGradients({
      inputs: { x: [4, 5] },
      dims: { x: ['n', 'm'] },
      build: (g, { x }) => square(g, cut(g, x, cuts)),
    });
  });
});

describe('positions that only the running graph knows', () => {
  test.each([
    [1, 3],
    [-3, -1],
    [-100, 2],
    [2, 100],
  ])('from %i to %i', async (start, end) => {
    await checkGradients({
      inputs: { x: [4, 5] },
      fixed: { start: int64([start]), end: int64([end]) },
      dims: { x: ['n', 5] },
      build: (g, { x, start, end }) => square(g, g.op('Slice', [x, start, end, g.ints([0])])),
    });
  });

  test('in steps', async () => {
    for (const [start, end, step] of [
      [1, 100, 2],
      [-1, -100, -1],
      [-2, 0, -2],
    ] as const) {
      await checkGradients({
        inputs: { x: [4, 5] },
        fixed: { start: int64([start]), end: int64([end]) },
        build: (g, { x, start, end }) =>
          square(g, g.op('Slice', [x, start, end, g.ints([1]), g.ints([step])])),
      });
    }
  });

  test('but axes and steps must be known to differentiate', () => {
    for (const name of ['axes', 'steps']) {
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', [4, 5]);
      const [axes, steps] = ['axes', 'steps'].map((input) =>
        input === name ? g.input(input, 'int64', [1]) : g.ints([1]),
      );
      const y = g.op('Slice', [x, g.ints([0]), g.ints([1]), axes, steps]);
      expect(() => backward(g, g.reduceSum(y), [x])).toThrowError(
        expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED', message: expect.stringContaining(name) }),
      );
    }
  });
});

describe('shapes are inferred', () => {
  test.each(cases)('%s', async (_, cuts) => {
    const build = (g: GraphBuilder, { x }: Readonly<Record<string, Value>>) => cut(g, x, cuts);
    const x = counted(4, 5);
    const [shape] = await checkShapes({ inputs: { x }, build });
    expect(shape?.every((dim) => typeof dim === 'number')).toBe(true);
    await checkShapes({ inputs: { x }, dims: { x: ['n', 'm'] }, build });
  });

  test('with names', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['n', 10]);
    const rows = (start: number, end: number, step = 1) =>
      cut(g, x, [[start], [end], [0], [step]]).shape?.[0];
    expect(rows(0, far)).toBe('n');
    expect(rows(1, far)).toBe('n + -1');
    expect(rows(0, -1)).toBe('n + -1');
    expect(rows(-1, far)).toBe(1);
    expect(rows(0, 1)).toBe(1);
    // fewer, if n is smaller
    expect(rows(0, 8)).toBe('{min(8, n)}');
    expect(rows(-8, far)).toBe('{min(8, n)}');
    expect(rows(-1, -far, -1)).toBe('n');
    expect(rows(0, far, 2)).toBe('{floor((n + 1) / (2))}');
    const n = g.op('Shape', [x], { start: 0, end: 1 });
    expect(g.op('Slice', [x, g.ints([0]), n, g.ints([1])]).shape).toEqual(['n', 'n']);
    expect(g.op('Slice', [x, g.neg(n), g.ints([far]), g.ints([1])]).shape).toEqual(['n', 'n']);
  });

  test('of vectors of sizes, with their elements', () => {
    const g = new GraphBuilder();
    const shape = g.op('Shape', [g.input('x', 'float32', ['n', 3, 'm', 5])]);
    expect(cut(g, shape, [[1], [far]]).ints).toEqual([3, 'm', 5]);
    expect(cut(g, shape, [[-1], [-far], [0], [-2]]).ints).toEqual([5, 3]);
    // how torch exports the amounts of a padding
    const amounts = g.reshape(g.ints([1, 2, 3, 4]), [-1, 2]);
    const turned = g.transpose(cut(g, amounts, [[-1], [-far], [0], [-1]]), [1, 0]);
    expect(g.reshape(turned, [-1]).constant?.data).toEqual(BigInt64Array.from([3n, 1n, 4n, 2n]));
  });

  test('not where the graph must run', async () => {
    const [shape] = await checkShapes({
      inputs: { x: counted(4, 5), at: int64([1]) },
      build: (g, { x, at }) => g.op('Slice', [x, at, g.ints([3])]),
    });
    expect(shape?.[1]).toBe(5);
    expect(shape?.[0]).toMatch(/unknown/);
  });
});

test('a cut in steps of 1 is a padding on the way back, two that share a tensor are joined', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['n', 6]);
  const [a, b, c] = [0, 2, 4].map((at) => cut(g, x, [[at], [at + 2], [1]])) as [Value, Value, Value];
  const [one] = backward(g, g.reduceSum(square(g, b)), [x]);
  expect(one?.node?.op).toBe('Pad');
  const [all] = backward(g, g.reduceSum(g.mul(g.mul(a, b), c)), [x]);
  expect(all?.node?.op).toBe('Concat');
  expect(all?.shape).toEqual(['n', 6]);
});

test('calls that make no sense are refused', () => {
  const calls: Cuts[] = [
    [
      [0, 0, 0],
      [1, 1, 1],
    ],
    [[0], [1], [2]],
    [[0], [1], [0, 1]],
    [[0], [1], [0], [0]],
  ];
  for (const cuts of calls) {
    const g = new GraphBuilder();
    expect(() => cut(g, g.input('x', 'float32', [2, 3]), cuts)).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  }
});

test('any cut of any axis', async () => {
  const position = fc.integer({ min: -7, max: 7 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      position,
      position,
      fc.integer({ min: -3, max: 3 }).filter((step) => step !== 0),
      fc.boolean(),
      async (size, start, end, step, isNamed) => {
        const cuts: Cuts = [[start], [end], [1], [step]];
        const build = (g: GraphBuilder, { x }: Readonly<Record<string, Value>>) => cut(g, x, cuts);
        const [shape] = await checkShapes({ inputs: { x: counted(2, size) }, build });
        // of nothing, there is no gradient to take
        if (shape?.[1] === 0) return;
        await checkGradients({
          inputs: { x: [2, size] },
          dims: { x: isNamed ? ['n', 'm'] : [2, size] },
          build: (g, values) => square(g, build(g, values)),
        });
      },
    ),
    { numRuns: 25 },
  );
});
