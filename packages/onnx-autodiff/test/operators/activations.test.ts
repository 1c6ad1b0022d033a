import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AttributeValues, backward, buildModel, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { expectShapes } from '../expectShapes.ts';
import { runModel } from '../runtime.ts';

/** Away from every kink of every activation below, on both sides. */
const smooth = [-4.1, -2.3, -1.2, -0.7, -0.3, 0.2, 0.45, 0.8, 1.3, 2.4, 3.7, 5.2];

interface Case {
  readonly op: string;
  readonly attributes?: AttributeValues;
  readonly opset?: number;
}

const cases: readonly Case[] = [
  { op: 'Relu' },
  { op: 'LeakyRelu' },
  { op: 'LeakyRelu', attributes: { alpha: 0.3 } },
  { op: 'LeakyRelu', attributes: { alpha: 1.7 } },
  { op: 'LeakyRelu', attributes: { alpha: -0.4 } },
  { op: 'ThresholdedRelu' },
  { op: 'ThresholdedRelu', attributes: { alpha: 0.5 } },
  { op: 'Shrink' },
  { op: 'Shrink', attributes: { lambd: 1.5, bias: 0.7 } },
  { op: 'Elu' },
  { op: 'Elu', attributes: { alpha: 0.6 } },
  { op: 'Elu', attributes: { alpha: -0.6 } },
  { op: 'Selu' },
  { op: 'Selu', attributes: { alpha: 1.2, gamma: 0.9 } },
  { op: 'Celu' },
  { op: 'Celu', attributes: { alpha: 0.7 } },
  { op: 'Celu', attributes: { alpha: 2.5 } },
  { op: 'Gelu', opset: 20 },
  { op: 'Gelu', attributes: { approximate: 'tanh' }, opset: 20 },
  { op: 'Sigmoid' },
  { op: 'HardSigmoid' },
  { op: 'HardSigmoid', attributes: { alpha: 0.37, beta: 0.4 } },
  { op: 'HardSwish' },
  { op: 'Mish' },
  { op: 'Swish', opset: 24 },
  { op: 'Swish', attributes: { alpha: 1.6 }, opset: 24 },
  { op: 'Softplus' },
  { op: 'Softsign' },
  { op: 'Tanh' },
];

test.each(cases)(
  '$op $attributes has the gradient of its formula on all its pieces',
  async ({ op, attributes = {}, opset = 18 }) => {
    await checkGradients({
      inputs: { x: [12] },
      at: { x: smooth },
      build: (g, { x }) => g.op(op, [x], attributes),
      opset,
      // onnxruntime's Shrink rounds doubles to float32
      ...(op === 'Shrink' ? { dtype: 'float32' } : {}),
    });
  },
);

test.each(cases)('$op $attributes keeps type and shape', async ({ op, attributes = {}, opset = 18 }) => {
  await expectShapes({
    inputs: { x: [2, 3] },
    build: (g, { x }) => [g.op(op, [x], attributes)],
    opset,
  });
});

/** Gradient of the sum of a function at given numbers. */
async function slopes(
  at: readonly number[],
  build: (g: GraphBuilder, x: Value) => Value,
  opset = 18,
): Promise<number[]> {
  const g = new GraphBuilder({ opset });
  const x = g.input('x', 'float32', [at.length]);
  g.output('dx', backward(g, g.reduceSum(build(g, x)), [x])[0] as Value);
  const feeds = { x: { dtype: 'float32', shape: [at.length], data: Float32Array.from(at) } } as const;
  const { dx } = await runModel(buildModel(g), feeds);
  return Array.from(dx?.data as Float32Array, (value) => Math.round(value * 1e5) / 1e5 + 0);
}

describe('at a kink, the gradient is the one that PyTorch has', () => {
  test.each([
    ['Relu', {}, [0], [0]],
    ['LeakyRelu', { alpha: 0.25 }, [0], [0.25]],
    ['Elu', { alpha: 0.5 }, [0], [0.5]],
    ['Selu', {}, [0], [1.0507 * 1.67326]],
    ['ThresholdedRelu', { alpha: 0.5 }, [0.5], [0]],
    ['Shrink', {}, [-0.5, 0.5], [0, 0]],
    ['HardSigmoid', { alpha: 0.25, beta: 0.5 }, [-2, 2], [0, 0]],
    ['HardSwish', {}, [-3, 3], [0, 1]],
  ] as const)('%s %j', async (op, attributes, at, expected) => {
    const found = await slopes(at, (g, x) => g.op(op, [x], attributes));
    found.forEach((slope, i) => {
      expect(slope).toBeCloseTo(expected[i] as number, 4);
    });
  });

  test('PRelu', async () => {
    expect(await slopes([0], (g, x) => g.op('PRelu', [x, g.constant([0.25])]))).toEqual([0.25]);
  });

  test('Clip is open at its bounds', async () => {
    const both = (g: GraphBuilder, x: Value) => g.op('Clip', [x, g.scalar(-1), g.scalar(1)]);
    expect(await slopes([-2, -1, 0, 1, 2], both)).toEqual([0, 1, 1, 1, 0]);
    const below = (g: GraphBuilder, x: Value) => g.op('Clip', [x, g.scalar(-1)]);
    expect(await slopes([-2, -1, 0], below)).toEqual([0, 1, 1]);
    const above = (g: GraphBuilder, x: Value) => g.op('Clip', [x, undefined, g.scalar(1)]);
    expect(await slopes([0, 1, 2], above)).toEqual([1, 1, 0]);
  });
});

test('far out, nothing overflows', async () => {
  const far = [-1e4, -200, 200, 1e4];
  for (const [op, opset] of [
    ['Gelu', 20],
    ['Mish', 18],
    ['Swish', 24],
    ['Softplus', 18],
    ['Elu', 18],
    ['Celu', 18],
    ['HardSwish', 18],
  ] as const) {
    expect(await slopes(far, (g, x) => g.op(op, [x]), opset), op).toEqual(
      [0, 0, 1, 1].map((slope) => slope + 0),
    );
  }
});

describe('PRelu', () => {
  test.each([[[3]], [[1]], [[]], [[2, 1]], [[2, 3]]])('with slopes of shape %j', async (slope) => {
    await checkGradients({
      inputs: { x: [2, 3], slope },
      build: (g, { x, slope }) => g.op('PRelu', [x, slope]),
    });
    await expectShapes({
      inputs: { x: [2, 3], slope },
      build: (g, { x, slope }) => [g.op('PRelu', [x, slope])],
    });
  });

  test('with a batch that has only a name', async () => {
    await checkGradients({
      inputs: { x: [2, 3], slope: [3] },
      dims: { x: ['batch', 3] },
      build: (g, { x, slope }) => g.op('PRelu', [x, slope]),
    });
  });

  test('refuses slopes that would widen the input', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 1]);
    for (const shape of [[3], [2, 2, 1], [5, 1]]) {
      const slope = g.input(`slope ${shape}`, 'float32', shape);
      expect(() => g.op('PRelu', [x, slope]), `${shape}`).toThrowError(
        expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
      );
    }
  });
});

describe('Clip', () => {
  const at = { x: [-1.7, -0.6, 0.1, 0.7, 1.9], low: [-1], high: [1] };

  test('moves with its input and its bounds', async () => {
    await checkGradients({
      inputs: { x: [5], low: [], high: [] },
      at,
      build: (g, { x, low, high }) => g.mul(g.op('Clip', [x, low, high]), x as Value),
    });
  });

  test('needs neither bound', async () => {
    const { x: here, low, high } = at;
    const check = (bounds: Record<string, readonly number[]>, names: readonly (string | undefined)[]) =>
      checkGradients({
        inputs: { x: [5], ...Object.fromEntries(Object.keys(bounds).map((name) => [name, []])) },
        at: { x: here, ...bounds },
        build: (g, values) => {
          const clipped = g.op('Clip', [
            values['x'],
            ...names.map((name) => (name ? values[name] : undefined)),
          ]);
          return g.mul(clipped, values['x'] as Value);
        },
      });
    await check({}, []);
    await check({ low }, ['low']);
    await check({ high }, [undefined, 'high']);
  });

  test('with bounds that cross, all of it follows the upper one', async () => {
    await checkGradients({
      inputs: { x: [5], low: [], high: [] },
      at: { x: [-1.7, -0.6, 0.1, 0.7, 1.9], low: [0.5], high: [-0.25] },
      build: (g, { x, low, high }) => g.op('Clip', [x, low, high]),
    });
  });

  test('refuses bounds that are no single number', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [4]);
    expect(() => g.op('Clip', [x, g.constant([1, 2])])).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  });
});

test('any activation, of any shape, with a batch that has only a name', async () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...cases),
      shapes,
      fc.nat(1000),
      async ({ op, attributes = {}, opset = 18 }, shape, seed) => {
        await checkGradients({
          inputs: { x: shape },
          dims: { x: ['batch', ...shape.slice(1)] },
          // between the kinks
          range: [0.05, 0.45],
          build: (g, { x }) => g.op(op, [x], attributes),
          opset,
          seed,
        });
      },
    ),
    { numRuns: 15 },
  );
});

test('the gradient of Relu is two passes over what is there anyway', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 8]);
  const y = g.relu(x);
  backward(g, y, [x], g.input('dy', 'float32', y.shape));
  expect(g.nodes.map(({ op }) => op)).toEqual(['Relu', 'HardSigmoid', 'Mul']);
  expect(g.nodes[1]?.inputs[0]).toBe(y);
});

test('an input of which nothing is known', async () => {
  await checkGradients({
    inputs: { x: [2, 3] },
    dims: { x: undefined },
    build: (g, { x }) => g.op('Sigmoid', [g.op('Relu', [x])]),
  });
});

test('an activation of nothing makes no sense', () => {
  const g = new GraphBuilder();
  for (const { op } of cases) {
    expect(() => g.op(op, []), op).toThrowError(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
  }
});
