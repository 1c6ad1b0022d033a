import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildModel, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted, int64 } from '../checkShapes.ts';
import { runModel } from '../runtime.ts';

type Values = Readonly<Record<string, Value>>;
const square = (g: GraphBuilder, x: Value): Value => g.mul(x, x);

/** The gradient of a function that only moves elements, made harder by a square. */
const checkMove = (
  shape: readonly number[],
  move: (g: GraphBuilder, x: Value) => Value,
  dims?: readonly (string | number)[],
) =>
  checkGradients({
    inputs: { x: shape },
    ...(dims ? { dims: { x: dims } } : {}),
    build: (g, { x }) => square(g, move(g, x as Value)),
  });

describe('the gradient returns to the shape it came from', () => {
  const moves: [string, (g: GraphBuilder, x: Value) => Value][] = [
    ['Reshape', (g, x) => g.reshape(x, [3, 4])],
    ['Reshape with -1', (g, x) => g.reshape(x, [-1, 2])],
    ['Reshape with a copied size', (g, x) => g.reshape(x, [0, -1])],
    ['Flatten', (g, x) => g.op('Flatten', [x])],
    ['Flatten before a negative axis', (g, x) => g.op('Flatten', [x], { axis: -1 })],
    ['Flatten before axis 0', (g, x) => g.op('Flatten', [x], { axis: 0 })],
    ['Transpose', (g, x) => g.transpose(x, [2, 0, 1])],
    ['Transpose without perm', (g, x) => g.op('Transpose', [x])],
    ['Squeeze', (g, x) => g.squeeze(x, [1])],
    ['Squeeze by a negative axis', (g, x) => g.squeeze(x, [-2])],
    ['Squeeze without axes', (g, x) => g.op('Squeeze', [x])],
    ['Unsqueeze', (g, x) => g.unsqueeze(x, [0, -1])],
    ['Expand', (g, x) => g.expand(x, [2, 2, 5, 6])],
    ['Expand to less than there is', (g, x) => g.expand(x, [5, 1])],
    ['Tile', (g, x) => g.op('Tile', [x, g.ints([2, 3, 1])])],
    ['Tile by ones', (g, x) => g.op('Tile', [x, g.ints([1, 1, 1])])],
  ];
  test.each(moves)('%s', (_, move) => checkMove([2, 1, 6], move));
  test.each(moves)('%s, with names for sizes', (_, move) => checkMove([2, 1, 6], move, ['batch', 1, 6]));
});

test('sizes that only the running graph knows', async () => {
  await checkGradients({
    inputs: { x: [2, 3] },
    fixed: { target: int64([3, 2]), wide: int64([2, 2, 3]), times: int64([2, 1]) },
    dims: { x: ['n', 'm'] },
    build: (g, { x, target, wide, times }) => {
      const parts = [
        g.reshape(x as Value, target as Value),
        g.expand(x as Value, wide as Value),
        g.op('Tile', [x, times]),
      ];
      return g.sum(parts.map((part) => g.reduceSum(square(g, part))));
    },
  });
});

describe('shapes are inferred', () => {
  const shapeOf = async (
    build: (g: GraphBuilder, values: Values) => Value,
    dims?: readonly (string | number)[],
  ) => {
    const given = dims ? { dims: { x: dims } } : {};
    return (await checkShapes({ inputs: { x: counted(4, 1, 6) }, ...given, build }))[0];
  };

  test('as numbers', async () => {
    expect(await shapeOf((g, { x }) => g.reshape(x as Value, [0, -1, 2]))).toEqual([4, 3, 2]);
    expect(await shapeOf((g, { x }) => g.op('Squeeze', [x]))).toEqual([4, 6]);
    expect(await shapeOf((g, { x }) => g.op('Flatten', [x], { axis: -2 }))).toEqual([4, 6]);
    expect(await shapeOf((g, { x }) => g.op('Tile', [x, g.ints([1, 2, 3])]))).toEqual([4, 2, 18]);
    expect(await shapeOf((g, { x }) => g.expand(x as Value, [2, 1, 5, 1]))).toEqual([2, 4, 5, 6]);
  });

  test('with names', async () => {
    const dims = ['n', 1, 'm'];
    expect(await shapeOf((g, { x }) => g.reshape(x as Value, [0, -1]), dims)).toEqual(['n', 'm']);
    expect(await shapeOf((g, { x }) => g.reshape(x as Value, [-1]), dims)).toEqual(['m*n']);
    expect(await shapeOf((g, { x }) => g.reshape(x as Value, [-1, 2]), dims)).toEqual(['{(m*n) / (2)}', 2]);
    expect(await shapeOf((g, { x }) => g.op('Flatten', [x], { axis: 2 }), dims)).toEqual(['n', 'm']);
    expect(await shapeOf((g, { x }) => g.op('Tile', [x, g.ints([2, 1, 3])]), dims)).toEqual([
      '2*n',
      1,
      '3*m',
    ]);
    expect(await shapeOf((g, { x }) => g.op('Transpose', [x]), dims)).toEqual(['m', 1, 'n']);
    // a name may stand for 1, which would go, too
    expect(await shapeOf((g, { x }) => g.op('Squeeze', [x]), dims)).toBeUndefined();
  });

  test('allowzero makes a 0 a size', async () => {
    const [shape] = await checkShapes({
      inputs: { x: counted(0, 3) },
      build: (g, { x }) => g.op('Reshape', [x, g.ints([3, 0])], { allowzero: 1 }),
    });
    expect(shape).toEqual([3, 0]);
  });

  test('not at all where nothing is known', async () => {
    const [reshaped, squeezed, unsqueezed, tiled] = await checkShapes({
      inputs: { x: counted(1, 6), target: int64([2, 3]), axes: int64([0]) },
      dims: { x: undefined, target: [2] },
      build: (g, { x, target, axes }) => [
        g.reshape(x as Value, target as Value),
        g.op('Squeeze', [x, axes]),
        g.op('Unsqueeze', [x, axes]),
        g.op('Tile', [x, target]),
      ],
    });
    expect(reshaped).toHaveLength(2);
    expect([squeezed, unsqueezed, tiled]).toEqual([undefined, undefined, undefined]);
  });
});

test('small integers are moved while building', () => {
  const g = new GraphBuilder();
  const table = g.reshape(g.ints([1, 2, 3, 4, 5, 6]), [2, 3]);
  const columns = g.transpose(table, [1, 0]);
  expect(columns.constant?.shape).toEqual([3, 2]);
  expect(columns.ints).toEqual([1, 4, 2, 5, 3, 6]);
  expect(g.op('Tile', [g.ints([7, 8]), g.ints([2])]).ints).toEqual([7, 8, 7, 8]);
  expect(g.expand(g.unsqueeze(g.ints([7, 8]), [1]), [2, 2]).ints).toEqual([7, 7, 8, 8]);
  expect(g.nodes).toHaveLength(0);
});

describe('calls that make no sense are refused', () => {
  const calls: [string, (g: GraphBuilder, x: Value) => Value][] = [
    ['two open sizes', (g, x) => g.reshape(x, [-1, -1])],
    ['a size below -1', (g, x) => g.reshape(x, [-2, 3])],
    ['another number of elements', (g, x) => g.reshape(x, [7])],
    ['sizes that do not divide', (g, x) => g.reshape(x, [-1, 4])],
    ['a copied size without an axis', (g, x) => g.reshape(x, [2, 3, 0])],
    ['an axis outside', (g, x) => g.op('Flatten', [x], { axis: 3 })],
    ['an axis twice', (g, x) => g.transpose(x, [0, 0])],
    ['a permutation of fewer axes', (g, x) => g.transpose(x, [0])],
    ['a squeezed axis of size 3', (g, x) => g.squeeze(x, [1])],
    ['an axis put in twice', (g, x) => g.unsqueeze(x, [0, 0])],
    ['shapes that do not broadcast', (g, x) => g.expand(x, [2, 5])],
    ['a negative size', (g, x) => g.expand(x, [2, -1])],
    ['too few repeats', (g, x) => g.op('Tile', [x, g.ints([2])])],
  ];
  test.each(calls)('%s', (_, call) => {
    const g = new GraphBuilder();
    expect(() => call(g, g.input('x', 'float32', [2, 3]))).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  });

  test('sizes from a file allocate nothing', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1]);
    const target = g.input('target', 'int64', [1e9]);
    expect(g.reshape(x, target).shape).toBeUndefined();
    expect(g.expand(g.scalar(1, 'int64'), [1e9]).ints).toBeUndefined();
    expect(g.op('Tile', [g.ints([1, 2]), g.ints([1e9])]).shape).toEqual([2e9]);
  });
});

test('a sequence of moves gives back the gradient in its shape', async () => {
  const sizes = fc.integer({ min: 1, max: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(sizes, { minLength: 3, maxLength: 3 }),
      fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
      fc.array(sizes, { minLength: 3, maxLength: 3 }),
      fc.boolean(),
      async (shape, perm, repeats, isNamed) => {
        await checkGradients({
          inputs: { x: shape },
          ...(isNamed ? { dims: { x: ['a', 'b', 'c'] } } : {}),
          build: (g, { x }) => {
            const tiled = g.op('Tile', [g.transpose(x as Value, perm), g.ints(repeats)]);
            const wide = g.expand(g.unsqueeze(g.reshape(tiled, [0, -1]), [1]), [1, 2, 1]);
            return square(g, g.op('Flatten', [wide], { axis: 2 }));
          },
        });
      },
    ),
    { numRuns: 15 },
  );
});

test('transposing back costs nothing', async () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  expect(g.transpose(g.transpose(x, [1, 0]), [1, 0])).toBe(x);
  g.output('y', g.reshape(g.transpose(x, [1, 0]), [6]));
  const { y } = await runModel(buildModel(g), { x: counted(2, 3) });
  expect(Array.from(y?.data as Float32Array)).toEqual([0, 3, 1, 4, 2, 5]);
});
