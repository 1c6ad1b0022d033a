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
import { checkGradients, openRandom } from '../checkGradients.ts';
import { expectShapes } from '../expectShapes.ts';
import { openModel, runModel } from '../runtime.ts';

type Values = Readonly<Record<string, Value>>;

const vectors = { scale: [3], bias: [3], mean: [3], variance: [3] };
const at = { variance: [0.7, 1.3, 0.4] };

/** Random numbers in a range, always the same. */
function numbers(size: number, [low, high]: readonly [number, number]): number[] {
  const random = openRandom(1);
  return Array.from({ length: size }, () => low + (high - low) * random());
}

const apply = (
  g: GraphBuilder,
  { x, scale, bias, mean, variance }: Values,
  attributes: AttributeValues = {},
) => g.op('BatchNormalization', [x, scale, bias, mean, variance], attributes);

/** Training; statistics are copied, as onnxruntime writes over them. */
const train = (g: GraphBuilder, { x, scale, bias, mean, variance }: Values, momentum?: number) =>
  g.ops(
    'BatchNormalization',
    [x, scale, bias, g.mul(mean as Value, 0.9), g.mul(variance as Value, 1.1)],
    { training_mode: 1, momentum, epsilon: 0.01 },
    3,
  ) as unknown as readonly [Value, Value, Value];

/** All outputs in one value, each with a weight of its own. */
const mixed = (g: GraphBuilder, [y, mean, variance]: readonly [Value, Value, Value]): Value =>
  g.add(
    g.reduceSum(g.mul(y, g.sin(g.mul(y, 2)))),
    g.reduceSum(g.add(g.mul(g.exp(mean), 0.7), g.sin(variance))),
  );

describe.each([[[4, 3]], [[2, 3, 2]], [[2, 3, 2, 2]], [[1, 3, 1, 2, 2]]])('input %j', (x) => {
  test('with given statistics', async () => {
    await checkGradients({
      inputs: { x, ...vectors },
      at,
      build: (g, values) => apply(g, values, { epsilon: 0.01 }),
    });
  });

  test('with those of the batch', async () => {
    for (const momentum of [0, 0.8]) {
      await checkGradients({
        inputs: { x, ...vectors },
        at,
        build: (g, values) => train(g, values, momentum)[0],
      });
    }
  });
});

describe('in training, the gradient', () => {
  test.each([0, 0.8, 1])('passes through running statistics of momentum %d', async (momentum) => {
    await checkGradients({
      inputs: { x: [2, 3, 2], ...vectors },
      at,
      build: (g, values) => mixed(g, train(g, values, momentum)),
    });
  });

  test.each([1, 2])('passes through output %d alone', async (output) => {
    await checkGradients({
      inputs: { x: [2, 3, 2], ...vectors },
      at,
      build: (g, values) => g.exp(train(g, values, 0.3)[output] as Value),
    });
  });

  test('by the input adds up to 0, also for a mean much larger than the deviation', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [64, 2]);
    const [one, zero] = [g.constant([1, 1]), g.constant([0, 0])];
    const [y] = train(g, { x, scale: one, bias: zero, mean: zero, variance: one });
    const dx = backward(g, g.reduceSum(g.exp(y)), [x])[0] as Value;
    g.output('sum', g.reduceSum(dx, [0]));
    g.output('largest', g.reduceMax(g.abs(dx)));
    const data = Float32Array.from(numbers(128, [99, 101]));
    const { sum, largest } = await runModel(buildModel(g), { x: { dtype: 'float32', shape: [64, 2], data } });
    const scale = Number(largest?.data[0]);
    expect(scale).toBeGreaterThan(0.1);
    for (const value of Array.from(sum?.data as Float32Array)) {
      expect(Math.abs(value) / scale).toBeLessThan(0.01);
    }
  });
});

test('with sizes that have only names', async () => {
  for (const dims of [
    ['batch', 3, 'h', 'w'],
    ['batch', 'c', 2, 2],
  ]) {
    const check = { inputs: { x: [2, 3, 2, 2], ...vectors }, dims: { x: dims }, at };
    await checkGradients({ ...check, build: (g, values) => apply(g, values) });
    await checkGradients({ ...check, build: (g, values) => train(g, values, 0)[0] });
  }
});

test('of any shape, in any mode', async () => {
  const shapes = fc.tuple(
    fc.integer({ min: 2, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
    fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 3 }),
  );
  const momenta = fc.constantFrom(undefined, 0, 0.5);
  await fc.assert(
    fc.asyncProperty(shapes, fc.boolean(), momenta, async ([n, c, rest], isTraining, momentum) => {
      await checkGradients({
        inputs: { x: [n, c, ...rest], scale: [c], bias: [c], mean: [c], variance: [c] },
        dims: { x: ['batch', c, ...rest] },
        at: { x: numbers(72, [-1, 1]), variance: numbers(c, [0.5, 1.5]) },
        build: (g, values) => (isTraining ? mixed(g, train(g, values, momentum)) : apply(g, values)),
      });
    }),
    { numRuns: 12 },
  );
});

describe('in a file, in training', () => {
  const feeds = {
    x: { dtype: 'float32', shape: [4, 2], data: Float32Array.of(1, 4, 2, 5, 3, 9, 6, 2) },
  } as const;

  /** A BatchNormalization whose scale equals its running variance, and whose bias its running mean; loss = sum e^y. */
  function fileOf(opset: number, outputs: readonly string[]): Model {
    const training = opset < 14 ? {} : ({ training_mode: { type: 'int', value: 1 } } as const);
    const names = ['scale', 'bias', 'mean', 'variance'];
    const node = (op: string, inputs: string[], results: readonly string[], attributes = {}) => ({
      ...{ op, domain: '', name: '', inputs, outputs: results, attributes },
    });
    return {
      ...buildModel(new GraphBuilder()),
      opset,
      inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }],
      outputs: ['loss', ...outputs.slice(1)].map((name) => ({ name, dtype: 'float32', shape: undefined })),
      initializers: new Map(names.map((name, i) => [name, tensor('float32', [2], i % 3 ? [0, 0] : [1, 1])])),
      nodes: [
        node('BatchNormalization', ['x', ...names], outputs, training),
        node('Exp', ['y'], ['z']),
        node('ReduceSum', ['z'], ['loss'], { keepdims: { type: 'int', value: 0 } }),
      ],
    };
  }

  test.each([
    [13, ['y', 'm', 'v', 'saved', 'spread']],
    [17, ['y', 'm', 'v']],
  ])('operator set %d: equal statistics and scales stay apart, run after run', async (opset, outputs) => {
    const { model } = gradients(fileOf(opset, outputs), { loss: 'loss', wrt: ['x'], keepOutputs: true });
    const run = await openModel(model);
    const [first, second] = [await run(feeds), await run(feeds)];
    expect(second).toEqual(first);
    const rounded = (name: string) =>
      Array.from(first[name]?.data as Float32Array, (value) => Number(value.toFixed(4)));
    // the batch has means 3 and 5, variances 3.5 and 6.5; momentum is 0.9
    expect(rounded('m')).toEqual([0.3, 0.5]);
    expect(rounded('v')).toEqual([1.25, 1.55]);
    const y = [-2, -1, -1, 0, 0, 4, 3, -3].map((z, i) => z / Math.sqrt((i % 2 ? 6.5 : 3.5) + 1e-5));
    const loss = y.reduce((sum, z) => sum + Math.exp(z), 0);
    expect(Number(first['loss']?.data[0])).toBeCloseTo(loss, 4);
  });

  test('takes one pass, gradient included', () => {
    const { model } = gradients(fileOf(17, ['y', 'm', 'v']), { loss: 'loss', wrt: ['x'] });
    const passes = model.nodes.filter(({ attributes }) => 'training_mode' in attributes);
    expect(passes).toHaveLength(1);
  });
});

test('refuses inputs of several types', () => {
  const g = new GraphBuilder();
  const [x, v] = [g.input('x', 'float16', [2, 3]), g.input('v', 'float32', [3])];
  const y = g.op('BatchNormalization', [x, v, v, v, v]);
  expect(() => backward(g, y, [x])).toThrowError(
    expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED' }),
  );
});

test('types and shapes', async () => {
  const inputs = { x: [2, 3, 2], ...vectors };
  await expectShapes({ inputs, build: (g, values) => [apply(g, values)] });
  await expectShapes({ inputs, build: (g, values) => train(g, values) });
});

test('refuses inputs that do not fit', () => {
  const g = new GraphBuilder();
  const [v3, v4] = [g.input('v3', 'float32', [3]), g.input('v4', 'float32', [4])];
  const x = g.input('x', 'float32', [2, 3, 2]);
  const applied =
    (...inputs: Value[]) =>
    () =>
      g.op('BatchNormalization', inputs);
  const mismatch = expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' });
  expect(applied(x, v3, v3, v3, v4)).toThrowError(mismatch);
  expect(applied(v3, v3, v3, v3, v3)).toThrowError(mismatch);
  expect(applied(x, x, v3, v3, v3)).toThrowError(mismatch);
  expect(applied(x, v3, v3, v3)).toThrowError(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
});
