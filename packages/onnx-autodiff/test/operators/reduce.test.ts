import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AttributeValues,
  backward,
  buildModel,
  GraphBuilder,
  gradients,
  type Model,
  tensor,
  type Value,
} from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { expectShapes } from '../expectShapes.ts';
import { runModel } from '../runtime.ts';

const reductions = [
  'ReduceSum',
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSum',
  'ReduceLogSumExp',
  'ReduceSumSquare',
];

/** A reduction with axes as a constant; undefined leaves them out. */
const reduce = (
  g: GraphBuilder,
  op: string,
  x: Value | undefined,
  axes: readonly number[] | undefined,
  attributes: AttributeValues = {},
): Value => g.op(op, axes ? [x, g.ints(axes)] : [x], attributes);

/** Numbers that are all apart, so that no step of a difference changes which is the largest. */
const apart = Array.from({ length: 24 }, (_, i) => 0.4 + ((i * 7) % 24) / 16);

describe.each(reductions)('%s', (op) => {
  test.each([[[1]], [[-1]], [[0, -2]], [[2, 0, 1]], [[]], [undefined]])(
    'over axes %j, kept or not',
    async (axes) => {
      for (const keepdims of [0, 1]) {
        await checkGradients({
          inputs: { x: [2, 3, 2] },
          at: { x: apart },
          build: (g, { x }) => reduce(g, op, x, axes, { keepdims }),
        });
      }
    },
  );

  test('over no axes, if that is asked for', async () => {
    for (const axes of [[], undefined]) {
      await checkGradients({
        inputs: { x: [2, 3] },
        at: { x: apart },
        build: (g, { x }) => reduce(g, op, x, axes, { noop_with_empty_axes: 1 }),
      });
    }
  });

  test('over axes of which the sizes have only names', async () => {
    for (const axes of [[0], [1], undefined]) {
      for (const keepdims of [0, 1]) {
        await checkGradients({
          inputs: { x: [2, 3] },
          dims: { x: ['n', 'm'] },
          at: { x: apart },
          build: (g, { x }) => reduce(g, op, x, axes, { keepdims }),
        });
      }
    }
  });

  test('of a scalar, and over axes of one', async () => {
    await checkGradients({
      inputs: { x: [] },
      at: { x: [0.7] },
      build: (g, { x }) => reduce(g, op, x, undefined),
    });
    await checkGradients({
      inputs: { x: [3, 1] },
      at: { x: apart },
      build: (g, { x }) => reduce(g, op, x, [1], { keepdims: 0 }),
    });
  });

  test('of any shape, over any axes', async () => {
    const cases = fc
      .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 })
      .chain((shape) =>
        fc.tuple(
          fc.constant(shape),
          fc.uniqueArray(fc.nat(shape.length - 1)),
          fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
          fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
          fc.nat(1),
        ),
      );
    await fc.assert(
      fc.asyncProperty(cases, async ([shape, axes, negative, named, keepdims]) => {
        await checkGradients({
          inputs: { x: shape },
          dims: { x: shape.map((size, i) => (named[i] ? `n${i}` : size)) },
          at: { x: apart },
          build: (g, { x }) =>
            reduce(
              g,
              op,
              x,
              axes.map((axis, i) => (negative[i] ? axis - shape.length : axis)),
              { keepdims },
            ),
        });
      }),
      { numRuns: 5 },
    );
  });

  test('types and shapes', async () => {
    await expectShapes({
      inputs: { x: [2, 3, 4] },
      build: (g, { x }) =>
        [[0], [-1], [0, 2], [], undefined].flatMap((axes) =>
          [{ keepdims: 0 }, { keepdims: 1 }, ...(axes?.length ? [] : [{ noop_with_empty_axes: 1 }])].map(
            (attributes) => reduce(g, op, x, axes, attributes),
          ),
        ),
    });
  });

  test('refuses axes that are not there', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    for (const axis of [2, -3]) {
      expect(() => reduce(g, op, x, [axis])).toThrowError(
        expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
      );
    }
    expect(() => g.op(op, [])).toThrowError(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
  });

  test('has axes as an attribute in older operator sets', async () => {
    const model: Model = {
      ...buildModel(new GraphBuilder()),
      opset: 13,
      inputs: [{ name: 'x', dtype: 'float32', shape: [2, 3] }],
      outputs: [{ name: 'loss', dtype: 'float32', shape: [] }],
      nodes: [
        {
          op,
          domain: '',
          name: '',
          inputs: op === 'ReduceSum' ? ['x', 'axes'] : ['x'],
          outputs: ['y'],
          attributes: {
            keepdims: { type: 'int', value: 0 },
            ...(op === 'ReduceSum' ? {} : { axes: { type: 'ints', value: [-1] } }),
          },
        },
        {
          op: 'ReduceSum',
          domain: '',
          name: '',
          inputs: ['y'],
          outputs: ['loss'],
          attributes: { keepdims: { type: 'int', value: 0 } },
        },
      ],
      initializers: new Map([['axes', tensor('int64', [1], [-1])]]),
    };
    const made = gradients(model, { loss: 'loss', wrt: ['x'] });
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    const loss = g.reduceSum(reduce(g, op, x, [1], { keepdims: 0 }));
    g.output('dx', backward(g, loss, [x])[0] as Value);
    const feeds = {
      x: { dtype: 'float32', shape: [2, 3], data: Float32Array.from(apart.slice(0, 6)) },
    } as const;
    const [{ 'x.gradient': old }, { dx }] = await Promise.all([
      runModel(made.model, feeds),
      runModel(buildModel(g), feeds),
    ]);
    expect(old).toEqual(dx);
  });
});

const int64 = (...values: number[]) =>
  ({ dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) }) as const;

describe.each(reductions.filter((op) => op !== 'ReduceProd'))(
  '%s over axes that only the running graph knows',
  (op) => {
    test.each([
      [[1], 0, 0],
      [[0, -1], 1, 0],
      [[], 0, 0],
      [[], 1, 1],
    ] as const)('%j, keepdims %d, noop_with_empty_axes %d', async (axes, keepdims, noop_with_empty_axes) => {
      for (const dims of [['n', 3, 2], undefined]) {
        await checkGradients({
          inputs: { x: [2, 3, 2] },
          dims: { x: dims },
          fixed: { axes: int64(...axes) },
          at: { x: apart },
          build: (g, { x, axes }) => g.op(op, [x, axes], { keepdims, noop_with_empty_axes }),
        });
      }
    });
  },
);

/** Gradient of the sum of a reduction over the last axis of a matrix. */
async function slopes(op: string, rows: readonly (readonly number[])[]): Promise<number[]> {
  const g = new GraphBuilder();
  const shape = [rows.length, rows[0]?.length ?? 0];
  const x = g.input('x', 'float32', shape);
  g.output('dx', backward(g, g.reduceSum(reduce(g, op, x, [1])), [x])[0] as Value);
  const { dx } = await runModel(buildModel(g), {
    x: { dtype: 'float32', shape, data: Float32Array.from(rows.flat()) },
  });
  return Array.from(dx?.data as Float32Array);
}

test('a tie of maxima or minima shares equally', async () => {
  expect(
    await slopes('ReduceMax', [
      [1, 3, 3, 2],
      [5, 5, 5, 5],
    ]),
  ).toEqual([0, 0.5, 0.5, 0, 0.25, 0.25, 0.25, 0.25]);
  expect(await slopes('ReduceMin', [[1, 3, 1, 1]])).toEqual([1 / 3, 0, 1 / 3, 1 / 3].map(Math.fround));
});

test('norms have slope 0 at 0', async () => {
  expect(await slopes('ReduceL1', [[0, -2, 3]])).toEqual([0, -1, 1]);
  expect(
    await slopes('ReduceL2', [
      [0, 0],
      [3, 4],
    ]),
  ).toEqual([0, 0, 0.6, 0.8].map(Math.fround));
});

test('log-sum-exp of large numbers does not overflow', async () => {
  const found = await slopes('ReduceLogSumExp', [
    [1000, 1000],
    [-1000, -1000],
  ]);
  for (const slope of found) expect(slope).toBeCloseTo(0.5, 3);
});

describe('CumSum', () => {
  test.each([
    [0, {}],
    [1, { exclusive: 1 }],
    [-1, { reverse: 1 }],
    [-2, { exclusive: 1, reverse: 1 }],
  ])('along axis %d with %j', async (axis, attributes) => {
    for (const dims of [[3, 4], ['n', 4], undefined]) {
      await checkGradients({
        inputs: { x: [3, 4] },
        dims: { x: dims },
        build: (g, { x }) =>
          g.op('CumSum', [g.mul(x as Value, x as Value), g.scalar(axis, 'int64')], attributes),
      });
    }
  });

  test('along an axis that only the running graph knows', async () => {
    await checkGradients({
      inputs: { x: [3, 4] },
      fixed: { axis: { ...int64(1), shape: [] } },
      build: (g, { x, axis }) => g.op('CumSum', [g.mul(x as Value, x as Value), axis]),
    });
  });

  test('keeps type and shape, and refuses an axis that is not there', async () => {
    await expectShapes({
      inputs: { x: [2, 3] },
      build: (g, { x }) => [g.op('CumSum', [x, g.scalar(-1, 'int64')])],
    });
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    expect(() => g.op('CumSum', [x, g.scalar(2, 'int64')])).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  });
});

test('small integers are reduced while building', () => {
  const g = new GraphBuilder();
  const numbers = g.ints([4, 2, 7]);
  const reduced = ['ReduceProd', 'ReduceSum', 'ReduceMax', 'ReduceMin'].map(
    (op) => g.op(op, [numbers], { keepdims: 0 }).ints,
  );
  expect(reduced).toEqual([[56], [13], [7], [2]]);
  const named = g.op('Shape', [g.input('x', 'float32', [3, 'batch'])]);
  expect(g.op('ReduceProd', [named], { keepdims: 0 }).ints).toEqual(['3*batch']);
  expect(g.op('ReduceMax', [named], { keepdims: 0 }).ints).toBeUndefined();
});

test('a mean over axes of known size divides by a constant, whatever the batch', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 3, 4, 4]);
  const y = g.reduceMean(x, [2, 3]);
  backward(g, y, [x], g.input('dy', 'float32', y.shape));
  expect(g.nodes.map(({ op }) => op)).toEqual(['ReduceMean', 'Unsqueeze', 'Div', 'Shape', 'Expand']);
});
