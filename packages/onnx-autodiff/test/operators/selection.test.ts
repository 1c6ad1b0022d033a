import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  backward,
  buildModel,
  GraphBuilder,
  loadGraph,
  type Model,
  tensor,
  type Value,
} from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted, int64 } from '../checkShapes.ts';
import { type HostTensor, runModel } from '../runtime.ts';

const square = (g: GraphBuilder, x: Value): Value => g.mul(x, x);
/** A value whose gradient differs from place to place. */
const total = (g: GraphBuilder, parts: readonly Value[]): Value =>
  g.sum(parts.map((part) => g.reduceSum(square(g, part))));
const bools = (...values: number[]): HostTensor => ({
  dtype: 'bool',
  shape: [values.length],
  data: Uint8Array.from(values),
});

describe('Concat', () => {
  test.each([0, 1, -1, -2])('gives each part its piece of the gradient, along axis %i', async (axis) => {
    const shape = axis === 0 || axis === -2 ? [1, 3] : [2, 1];
    await checkGradients({
      inputs: { a: [2, 3], b: shape, c: [2, 3] },
      build: (g, { a, b, c }) => square(g, g.op('Concat', [a, b, c], { axis })),
    });
  });

  test('along an axis of which only names are known', async () => {
    await checkGradients({
      inputs: { a: [2, 3], b: [1, 3] },
      dims: { a: ['n', 3], b: ['m', 3] },
      build: (g, { a, b }) => square(g, g.concat([a as Value, b as Value, a as Value], 0)),
    });
  });

  test('cuts out a single piece where only one part needs it', () => {
    const g = new GraphBuilder();
    const [x, ones] = [g.input('x', 'float32', ['n', 2]), g.constant([1, 1], [1, 2])];
    const y = g.concat([ones, x, ones], 0);
    const [dx] = backward(g, g.reduceSum(square(g, y)), [x]);
    expect(dx?.node?.op).toBe('Slice');
    expect(dx?.shape).toEqual(['n', 2]);
  });

  test('has a shape of sums', async () => {
    const [shape] = await checkShapes({
      inputs: { a: counted(2, 3), b: counted(4, 3) },
      dims: { a: ['n', 'k'], b: ['m', 3] },
      build: (g, { a, b }) => g.concat([a as Value, b as Value], 0),
    });
    expect(shape).toEqual(['m + n', 3]);
  });
});

describe('Split', () => {
  test.each([
    [0, [1, 3]],
    [-1, [2, 2, 1]],
  ])('joins the gradients of parts along axis %i of sizes %j', async (axis, sizes) => {
    await checkGradients({
      inputs: { x: [4, 5] },
      build: (g, { x }) => total(g, g.split(x as Value, sizes, axis)),
    });
  });

  test.each([[[0]], [[1]], [[2]], [[0, 2]], [[1, 2]]])('of which only %j are used', async (used) => {
    await checkGradients({
      inputs: { x: [4, 5] },
      dims: { x: ['n', 5] },
      build: (g, { x }) => {
        const parts = g.split(x as Value, [2, 1, 2], 1);
        return total(
          g,
          used.map((i) => parts[i] as Value),
        );
      },
    });
  });

  test('of an axis with a name, in sizes that only the running graph knows', async () => {
    await checkGradients({
      inputs: { x: [5, 2] },
      fixed: { sizes: int64([2, 3]) },
      dims: { x: ['n', 2] },
      build: (g, { x, sizes }) => {
        const [a, b] = g.ops('Split', [x, sizes], { axis: 0 }, 2) as [Value, Value];
        return g.sum([g.reduceSum(square(g, a)), g.reduceSum(g.mul(b, 3))]);
      },
    });
  });

  test('into equal parts, and a smaller last one', async () => {
    const x = counted(7, 2);
    const parts = (g: GraphBuilder, x: Value | undefined) => g.ops('Split', [x], { num_outputs: 3 }, 3);
    const shapes = await checkShapes({ inputs: { x }, build: (g, { x }) => parts(g, x) });
    expect(shapes).toEqual([
      [3, 2],
      [3, 2],
      [1, 2],
    ]);
    const named = await checkShapes({
      inputs: { x },
      dims: { x: ['n', 2] },
      build: (g, { x }) => parts(g, x),
    });
    expect(named[0]).toEqual(['{floor((n + 2) / (3))}', 2]);
    await checkGradients({ inputs: { x: [7, 2] }, build: (g, { x }) => total(g, parts(g, x)) });
    const even = await checkShapes({
      inputs: { x: counted(4, 6) },
      dims: { x: ['n', '3*m'] },
      build: (g, { x }) => g.ops('Split', [x], { num_outputs: 3, axis: 1 }, 3),
    });
    expect(even[2]).toEqual(['n', 'm']);
  });

  test('without sizes in an older operator set', async () => {
    const node = {
      op: 'Split',
      domain: '',
      name: 'split',
      inputs: ['x'],
      outputs: ['a', 'b'],
      attributes: { axis: { type: 'int', value: 1 } },
    } as const;
    const model: Model = {
      name: 'old',
      irVersion: 7,
      opset: 13,
      otherOpsets: {},
      producer: '',
      doc: '',
      metadata: {},
      inputs: [{ name: 'x', dtype: 'float32', shape: [2, 6] }],
      outputs: [{ name: 'b', dtype: 'float32', shape: [2, 3] }],
      initializers: new Map(),
      nodes: [node],
      values: [],
      functions: [],
    };
    const { b } = await runModel(buildModel(loadGraph(model).g), { x: counted(2, 6) });
    expect(Array.from(b?.data as Float32Array)).toEqual([3, 4, 5, 9, 10, 11]);
  });

  test('of a shape stays known', () => {
    const g = new GraphBuilder();
    const shape = g.op('Shape', [g.input('x', 'float32', ['n', 3, 4])]);
    const [n, rest] = g.split(shape, [1, 2], 0) as [Value, Value];
    expect(n.ints).toEqual(['n']);
    expect(rest.ints).toEqual([3, 4]);
  });
});

describe('Where', () => {
  test.each([
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], []],
    [
      [1, 3],
      [2, 1],
    ],
    [[], [2, 3]],
  ])('sends the gradient to where elements came from, of shapes %j and %j', async (a, b) => {
    await checkGradients({
      inputs: { a, b },
      fixed: { condition: bools(1, 0, 1) },
      build: (g, { a, b, condition }) => square(g, g.op('Where', [condition, a, b])),
    });
  });

  test('with sizes that only the running graph knows', async () => {
    await checkGradients({
      inputs: { a: [2, 3], b: [1, 3] },
      dims: { a: ['n', 'm'], b: ['k', 'm'] },
      fixed: { condition: bools(1, 0, 1) },
      build: (g, { a, b, condition }) => square(g, g.op('Where', [condition, a, b])),
    });
  });

  test.each([0, 1])('as the mask of an attention, filled on side %i', async (side) => {
    await checkGradients({
      inputs: { x: [2, 3] },
      fixed: { condition: bools(1, 0, 1) },
      build: (g, { x, condition }) => {
        const [a, b] = side === 0 ? [-1e9, x as Value] : [x as Value, -1e9];
        return g.softmax(g.where(condition as Value, a, b));
      },
    });
  });

  test('lets no infinite slope through to the side that was not chosen', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const guarded = g.where(g.greater(x, 0), x, 0);
    const [dx] = backward(g, g.reduceSum(g.sqrt(guarded)), [x]);
    g.output('dx', dx as Value);
    const fed = { x: { dtype: 'float32', shape: [2], data: Float32Array.of(-1, 4) } } as const;
    const result = await runModel(buildModel(g), fed);
    expect(Array.from(result['dx']?.data as Float32Array)).toEqual([0, 0.25]);
  });
});

describe('Trilu', () => {
  test.each([
    [1, undefined],
    [0, undefined],
    [1, 1],
    [0, -1],
  ])('keeps the triangle (upper %i, beside the diagonal by %s)', async (upper, k) => {
    await checkGradients({
      inputs: { x: [2, 3, 4] },
      dims: { x: ['batch', 3, 4] },
      build: (g, { x }) =>
        square(g, g.op('Trilu', [x, k === undefined ? undefined : g.scalar(k, 'int64')], { upper })),
    });
  });
});

test('ReverseSequence turns the gradient back', async () => {
  await checkGradients({
    inputs: { x: [4, 3, 2] },
    fixed: { lengths: int64([4, 2, 1]), weights: counted(4, 3, 2) },
    build: (g, { x, lengths, weights }) => {
      const reversed = g.op('ReverseSequence', [x, lengths], { time_axis: 0, batch_axis: 1 });
      return g.mul(square(g, reversed), g.cast(weights as Value, (x as Value).dtype ?? 'float32'));
    },
  });
});

describe('Dropout', () => {
  test.each([
    ['without training_mode', (g: GraphBuilder) => [g.scalar(0.5)]],
    ['with training_mode false', (g: GraphBuilder) => [g.scalar(0.5), g.scalar(0, 'bool')]],
    ['with ratio 0', (g: GraphBuilder) => [g.scalar(0), g.scalar(1, 'bool')]],
  ])('passes the gradient %s', async (_, rest) => {
    await checkGradients({
      inputs: { x: [2, 3] },
      build: (g, { x }) => square(g, g.op('Dropout', [x, ...rest(g)])),
    });
  });

  /** Runs y = dropout(x) and dx for dy = 1. */
  async function train(ratio: number, training: number | 'fed') {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['n']);
    const mode = training === 'fed' ? g.input('mode', 'bool', []) : g.scalar(training, 'bool');
    const y = g.op('Dropout', [x, g.scalar(ratio), mode]);
    const [dx] = backward(g, g.reduceSum(y), [x]);
    g.output('y', y);
    g.output('dx', dx as Value);
    const ones = { dtype: 'float32', shape: [1000], data: new Float32Array(1000).fill(1) } as const;
    const fed =
      training === 'fed' ? { mode: { dtype: 'bool', shape: [], data: Uint8Array.of(1) } as const } : {};
    return runModel(buildModel(g), { x: ones, ...fed });
  }

  test.each([1, 'fed'] as const)(
    'uses the mask of the forward pass while training (training_mode %s)',
    async (mode) => {
      const { y, dx } = await train(0.25, mode);
      // of ones, y is mask / (1 - ratio), which is dx
      expect(dx?.data).toEqual(y?.data);
      const kept = Array.from(y?.data as Float32Array).filter((value) => value !== 0);
      expect(kept.length).toBeGreaterThan(650);
      expect(kept.length).toBeLessThan(850);
      expect(kept[0]).toBeCloseTo(4 / 3, 6);
    },
  );

  test('is drawn anew for each use', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [4]);
    const draw = () => g.op('Dropout', [x, g.scalar(0.5), g.scalar(1, 'bool')]);
    expect(draw()).not.toBe(draw());
  });

  test('is no node at all where it passes everything', () => {
    const model: Model = {
      name: 'm',
      irVersion: 8,
      opset: 17,
      otherOpsets: {},
      producer: '',
      doc: '',
      metadata: {},
      inputs: [{ name: 'x', dtype: 'float32', shape: [2] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [2] }],
      initializers: new Map([['ratio', tensor('float32', [], [0.5])]]),
      nodes: [
        { op: 'Dropout', domain: '', name: 'd', inputs: ['x', 'ratio'], outputs: ['h'], attributes: {} },
        { op: 'Relu', domain: '', name: 'r', inputs: ['h'], outputs: ['y'], attributes: {} },
      ],
      values: [],
      functions: [],
    };
    expect(buildModel(loadGraph(model).g).nodes.map(({ op }) => op)).toEqual(['Relu']);
  });
});

describe('calls that make no sense are refused', () => {
  const calls: [string, (g: GraphBuilder, x: Value) => unknown][] = [
    ['parts with different sizes beside the axis', (g, x) => g.concat([x, g.constant([1, 2], [1, 2])], 0)],
    ['parts with different numbers of axes', (g, x) => g.concat([x, g.constant([1, 2])], 0)],
    ['an axis outside', (g, x) => g.concat([x, x], 2)],
    ['sizes that do not add up', (g, x) => g.split(x, [1, 3], 1)],
    ['a negative size', (g, x) => g.split(x, [4, -1], 1)],
    ['more sizes than outputs', (g, x) => g.ops('Split', [x, g.ints([1, 1, 1])], { axis: 1 }, 2)],
    ['choices that do not broadcast', (g, x) => g.where(g.greater(x, 0), x, g.constant([1, 2]))],
  ];
  test.each(calls)('%s', (_, call) => {
    const g = new GraphBuilder();
    expect(() => call(g, g.input('x', 'float32', [2, 3]))).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  });
});

test('joining what was split, in any shape, is the identity', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
      fc.nat({ max: 2 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 3 }),
      async (shape, at, sizes) => {
        const axis = at % shape.length;
        const size = sizes.reduce((a, b) => a + b, 0);
        const full = shape.map((dim, i) => (i === axis ? size : dim));
        await checkGradients({
          inputs: { x: full },
          dims: { x: full.map((dim, i) => (i === axis ? dim : `d${i}`)) },
          build: (g, { x }) => {
            const parts = g.split(x as Value, sizes, axis - shape.length);
            return g.mul(square(g, g.concat(parts, axis)), g.concat([...parts].reverse(), axis));
          },
        });
      },
    ),
    { numRuns: 12 },
  );
});
