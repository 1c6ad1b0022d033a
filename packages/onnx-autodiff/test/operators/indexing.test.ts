import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, encodeModel, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted, int64 } from '../checkShapes.ts';
import type { HostTensor } from '../runtime.ts';

const square = (g: GraphBuilder, x: Value): Value => g.mul(x, x);
const bools = (...values: number[]): HostTensor => ({
  dtype: 'bool',
  shape: [values.length],
  data: Uint8Array.from(values),
});
const gather = (g: GraphBuilder, x: Value | undefined, indices: Value | undefined, axis = 0): Value =>
  g.op('Gather', [x, indices], { axis });
/** Operators of a gradient. */
const operatorsOf = (g: GraphBuilder, dx: Value | undefined): string[] =>
  buildModel(g, { outputs: new Map([['dx', dx as Value]]) }).nodes.map(({ op }) => op);

/** Axes, and indices of several ranks with duplicates and negative ones. */
const places: [number, number[], number[]][] = [
  [0, [3], [1, 1, 2]],
  [0, [2, 2], [0, -1, 3, -1]],
  [1, [4], [2, -3, 2, 0]],
  [1, [2, 1], [1, 1]],
  [-1, [3], [1, 0, 1]],
  [-1, [], [1]],
  [0, [], [-1]],
  [2, [1], [-2]],
];

describe('Gather adds up what came from one entry', () => {
  test.each(places)('along axis %i, indices of shape %j: %j', async (axis, shape, indices) => {
    for (const dims of [
      [4, 3, 2],
      ['a', 3, 'c'],
      ['a', 'b', 'c'],
    ]) {
      await checkGradients({
        inputs: { x: [4, 3, 2] },
        fixed: { indices: int64(indices, shape) },
        dims: { x: dims },
        build: (g, { x, indices }) => square(g, gather(g, x, indices, axis)),
      });
    }
  });

  test.each(places)(
    'the same, with constant indices: axis %i, shape %j: %j',
    async (axis, shape, indices) => {
      for (const dims of [
        [4, 3, 2],
        ['a', 'b', 'c'],
      ]) {
        await checkGradients({
          inputs: { x: [4, 3, 2] },
          dims: { x: dims },
          build: (g, { x }) => square(g, gather(g, x, g.reshape(g.ints(indices), shape), axis)),
        });
      }
    },
  );

  test.each([
    [130, 1],
    [130, 2],
    [2, 70],
  ])('of a table of %i x %i', async (rows, columns) => {
    await checkGradients({
      inputs: { x: [rows, columns] },
      fixed: { indices: int64([1, 0, 1, -1, -rows]) },
      twice: rows < 100 || columns === 1,
      build: (g, { x, indices }) => square(g, gather(g, x, indices)),
    });
  });

  test('with indices of 32 bits', async () => {
    await checkGradients({
      inputs: { x: [3, 2] },
      fixed: { indices: { dtype: 'int32', shape: [4], data: Int32Array.of(0, 2, -1, 0) } },
      build: (g, { x, indices }) => square(g, gather(g, x, indices)),
    });
  });
});

describe('Gather needs no sums', () => {
  /** The gradient of y^2 for constant indices into axis 1 of [n, 4, 2]. */
  const gradientOf = (indices: readonly number[] | number) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['n', 4, 2]);
    const at = typeof indices === 'number' ? g.scalar(indices, 'int64') : g.ints(indices);
    const dy = g.input('dy', 'float32', gather(g, x, at, 1).shape);
    const [dx] = backward(g, gather(g, x, at, 1), [x], dy);
    expect(dx?.shape).toEqual(['n', 4, 2]);
    return operatorsOf(g, dx);
  };

  test('for one entry', () => expect(gradientOf(2)).toEqual(['Unsqueeze', 'Pad']));
  test('for entries side by side', () => expect(gradientOf([1, 2, 3])).toEqual(['Pad']));
  test('for entries in another order', () => expect(gradientOf([3, 1, 0, 2])).toEqual(['Gather']));
  test('for entries that do not repeat', () => expect(gradientOf([3, 0])).toEqual(['Pad', 'Gather']));

  test('for the last entries of a size with a name', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 'n']);
    const [dx] = backward(g, g.reduceSum(square(g, gather(g, x, g.ints([-2, -1]), 1))), [x]);
    expect(dx?.node?.op).toBe('Pad');
    expect(dx?.shape).toEqual([2, 'n']);
  });

  test('for query, key and value of one tensor', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [3, 'batch', 5]);
    const [q, k, v] = [0, 1, 2].map((i) => gather(g, x, g.scalar(i, 'int64'))) as [Value, Value, Value];
    const [dx] = backward(g, g.reduceSum(g.mul(g.mul(q, k), v)), [x]);
    const found = operatorsOf(g, dx);
    expect(found).toContain('Concat');
    expect(found).not.toContain('Pad');
    expect(dx?.shape).toEqual([3, 'batch', 5]);
  });
});

describe('the way of adding up', () => {
  const waysOf = (rows: number | string, columns: number): string[] => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [rows, columns]);
    const indices = g.input('indices', 'int64', ['n']);
    const dy = g.input('dy', 'float32', ['n', columns]);
    return operatorsOf(g, backward(g, gather(g, x, indices), [x], dy)[0]);
  };

  test('is a matrix product for small tables', () => {
    expect(waysOf(100, 64)).toContain('MatMul');
    expect(waysOf(129, 64)).not.toContain('MatMul');
    // the one-hot matrix would be much larger than what it multiplies
    expect(waysOf(100, 8)).not.toContain('MatMul');
    expect(waysOf('v', 64)).not.toContain('MatMul');
  });

  test.each([
    [100, 64],
    [2000, 64],
    [3, 1000],
  ])('is right and the same each time, of a table %i x %i, on several threads', async (rows, columns) => {
    const count = 4000;
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [rows, columns]);
    const indices = g.input('indices', 'int64', ['n']);
    const dy = g.input('dy', 'float32', ['n', columns]);
    g.output('dx', backward(g, gather(g, x, indices), [x], dy)[0] as Value);
    const session = await ort.InferenceSession.create(encodeModel(buildModel(g)), { intraOpNumThreads: 4 });
    const at = Array.from({ length: count }, (_, i) => (i * i) % Math.min(rows, 7));
    const updates = Float32Array.from({ length: count * columns }, (_, i) => i % 5);
    const expected = new Float32Array(rows * columns);
    for (let i = 0; i < updates.length; i++) {
      const place = (at[Math.floor(i / columns)] as number) * columns + (i % columns);
      expected[place] = (expected[place] as number) + (updates[i] as number);
    }
    const fed = {
      x: new ort.Tensor('float32', expected, [rows, columns]),
      indices: new ort.Tensor('int64', BigInt64Array.from(at, BigInt), [count]),
      dy: new ort.Tensor('float32', updates, [count, columns]),
    };
    const used = Object.fromEntries(session.inputNames.map((name) => [name, fed[name as 'x']]));
    for (let run = 0; run < 5; run++) {
      const dx = (await session.run(used))['dx']?.data as Float32Array;
      expect(dx.every((value, i) => value === expected[i])).toBe(true);
    }
    await session.release();
  });
});

test.each([0, 1, -1])('GatherElements adds up what came from one place, along axis %i', async (axis) => {
  for (const dims of [
    [3, 4],
    ['n', 'm'],
  ]) {
    await checkGradients({
      inputs: { x: [3, 4] },
      dims: { x: dims },
      fixed: { indices: int64([0, 1, 1, -1, 2, 1], [2, 3]) },
      build: (g, { x, indices }) => square(g, g.op('GatherElements', [x, indices], { axis })),
    });
  }
});

describe('GatherND adds up what came from one place', () => {
  const cases: [string, number, number[], number[]][] = [
    ['single elements', 0, [4, 3], [0, 1, 1, 1, -1, 0, 0, 1, 1, 0, 1, -1]],
    ['vectors', 0, [2, 2], [1, 2, 1, 2]],
    ['matrices', 0, [3, 1], [0, 1, -2]],
    ['single elements of each batch', 1, [2, 3, 2], [0, 1, 2, 0, 0, 1, 1, 1, 1, 1, -1, 0]],
    ['vectors of each batch', 1, [2, 1], [2, -1]],
    ['elements of a batch of two axes', 2, [2, 3, 2, 1], [0, 1, 1, 1, 0, 0, -1, 0, 1, 0, 1, 1]],
  ];
  test.each(cases)('%s', async (_, batch, shape, indices) => {
    for (const dims of [
      [2, 3, 2],
      ['a', 'b', 'c'],
    ]) {
      await checkGradients({
        inputs: { x: [2, 3, 2] },
        dims: { x: dims },
        fixed: { indices: int64(indices, shape) },
        build: (g, { x, indices }) => square(g, g.op('GatherND', [x, indices], { batch_dims: batch })),
      });
    }
  });
});

describe('TopK gives the gradient to the elements that were chosen', () => {
  test.each([
    [0, 1],
    [1, 1],
    [-1, 0],
  ])('along axis %i (largest: %i)', async (axis, largest) => {
    for (const count of [1, 2]) {
      await checkGradients({
        inputs: { x: [3, 4] },
        at: { x: [3, 1, 4, 1.5, 9, 2, 6, 5, 3.5, 5.5, 8, 7] },
        dims: { x: ['n', 4] },
        build: (g, { x }) => {
          const [values] = g.ops('TopK', [x, g.ints([2])], { axis, largest }, count);
          return square(g, values as Value);
        },
      });
    }
  });
});

describe('Compress gives the gradient to the entries that were kept', () => {
  test.each([0, 1, -1, undefined])('along axis %s', async (axis) => {
    await checkGradients({
      inputs: { x: [3, 4] },
      dims: { x: ['n', 4] },
      fixed: { condition: bools(1, 0, 1) },
      build: (g, { x, condition }) => square(g, g.op('Compress', [x, condition], { axis })),
    });
  });
});

test.each([-1, 0, 1])('OneHot has a gradient by its two values, along axis %i', async (axis) => {
  await checkGradients({
    inputs: { values: [2] },
    fixed: { indices: int64([0, 2, -1, 1, 5, 0], [3, 2]) },
    build: (g, { values, indices }) =>
      square(g, g.op('OneHot', [indices, g.scalar(3, 'int64'), values], { axis })),
  });
});

describe('shapes are inferred', () => {
  const x = counted(4, 3, 2);
  const named = { x: ['a', 'b', 'c'] };

  test('of what is gathered', async () => {
    const [all, one, elements, tuples, top, places] = await checkShapes({
      inputs: { x, at: int64([0, 1, 1, 0, 1, 1], [3, 2]), wide: int64([0, 1], [1, 2, 1]) },
      dims: { ...named, at: ['n', 2] },
      build: (g, { x, at, wide }) => [
        gather(g, x, at, 1),
        gather(g, x, g.scalar(1, 'int64'), -1),
        g.op('GatherElements', [x, wide], { axis: 1 }),
        g.op('GatherND', [x, at]),
        ...g.ops('TopK', [x, g.ints([2])], { axis: 1 }, 2),
      ],
    });
    expect(all).toEqual(['a', 'n', 2, 'c']);
    expect(one).toEqual(['a', 'b']);
    expect(elements).toEqual([1, 2, 1]);
    expect(tuples).toEqual(['n', 'c']);
    expect([top, places]).toEqual([
      ['a', 2, 'c'],
      ['a', 2, 'c'],
    ]);
  });

  test('of what is kept, and of one-hot vectors', async () => {
    const [kept, flat, hot, open] = await checkShapes({
      inputs: { x, depth: int64([4], []) },
      dims: named,
      build: (g, { x, depth }) => [
        g.op('Compress', [x, g.constant([1, 0], [2], 'bool')], { axis: 1 }),
        g.op('Compress', [x, g.constant([1, 0], [2], 'bool')]),
        g.op('OneHot', [g.ints([1, 2]), g.scalar(3, 'int64'), g.constant([0, 1])], { axis: 0 }),
        g.op('OneHot', [g.ints([1, 2]), depth, g.constant([0, 1])]),
      ],
    });
    expect([kept?.length, flat?.length]).toEqual([3, 1]);
    expect(hot).toEqual([3, 2]);
    expect(open?.[0]).toBe(2);
  });

  test('with elements of vectors of sizes', () => {
    const g = new GraphBuilder();
    const shape = g.op('Shape', [g.input('x', 'float32', ['n', 3, 'm'])]);
    expect(gather(g, shape, g.scalar(-1, 'int64')).ints).toEqual(['m']);
    expect(gather(g, shape, g.ints([1, 0])).ints).toEqual([3, 'n']);
    const table = g.reshape(g.ints([1, 2, 3, 4, 5, 6]), [2, 3]);
    expect(gather(g, table, g.reshape(g.ints([2, 0]), [2, 1]), 1).ints).toEqual([3, 1, 6, 4]);
  });
});

describe('calls that make no sense are refused', () => {
  const calls: [string, (g: GraphBuilder, x: Value) => unknown][] = [
    ['an index outside', (g, x) => gather(g, x, g.ints([2]))],
    ['a negative index outside', (g, x) => gather(g, x, g.ints([-3]))],
    ['an axis outside', (g, x) => gather(g, x, g.ints([0]), 2)],
    ['indices of another rank', (g, x) => g.op('GatherElements', [x, g.ints([0])])],
    ['an index of too many entries', (g, x) => g.op('GatherND', [x, g.reshape(g.ints([0, 0, 0]), [1, 3])])],
    ['more than there is', (g, x) => g.ops('TopK', [x, g.ints([4])], {}, 2)],
    ['an axis that is not there', (g, x) => g.op('Compress', [x, g.constant([1], [1], 'bool')], { axis: 2 })],
    [
      'no place for an axis',
      (g) => g.op('OneHot', [g.ints([1]), g.ints([3]), g.constant([0, 1])], { axis: 3 }),
    ],
  ];
  test.each(calls)('%s', (_, call) => {
    const g = new GraphBuilder();
    expect(() => call(g, g.input('x', 'float32', [2, 3]))).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  });
});

test('any indices into any axis', async () => {
  const sizes = fc.integer({ min: 1, max: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(sizes, sizes, sizes),
      fc.integer({ min: -3, max: 2 }),
      fc.array(fc.nat(100), { minLength: 1, maxLength: 5 }),
      fc.constantFrom('constant', 'fed', 'named'),
      async (shape, axis, picks, kind) => {
        const size = shape.at(axis) as number;
        const indices = picks.map((pick) => (pick % (2 * size)) - size);
        await checkGradients({
          inputs: { x: shape },
          dims: { x: kind === 'named' ? ['a', 'b', 'c'] : shape },
          ...(kind === 'constant' ? {} : { fixed: { indices: int64(indices) } }),
          build: (g, { x, indices: fed }) => square(g, gather(g, x, fed ?? g.ints(indices), axis)),
        });
      },
    ),
    { numRuns: 25 },
  );
});

test('OneHot has no gradient by indices', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2]);
  const y = g.op('OneHot', [x, g.scalar(3, 'int64'), g.constant([0, 1])]);
  expect(backward(g, g.reduceSum(y), [x])[0]).toBeUndefined();
});
