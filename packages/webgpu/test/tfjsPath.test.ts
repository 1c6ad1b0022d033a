/** The optimizers of `@vradam/tfjs` on this package's kernels, on Dawn in Node. */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers'; // registers all gradients
import { specs } from '@vradam/conformance';
import {
  accumulateGradients,
  adamw,
  averageWeights,
  createOptimizer as bindCore,
  clipByGlobalNorm,
  defineOptimizer,
  float64Ops,
  linear,
  maskWeightDecay,
  type OptimizerSpec,
  vradam,
} from '@vradam/core';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
// by its file: an adapter depends on no other one
import { exportState, importState, registerStepPath, SpecOptimizer, VRAdam } from '../../tfjs/src/index.ts';
import { webgpuPath } from '../src/tfjs.ts';
import { gpu, missing, needsDevice } from './device.ts';
import { expectNear } from './twin.ts';
import { noise } from './values.ts';

needsDevice();

beforeAll(async () => {
  if (missing) return;
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true });
  await import('@tensorflow/tfjs-backend-webgpu');
  await tf.setBackend('webgpu');
  await tf.ready();
});

beforeEach(() => registerStepPath(webgpuPath(tf)));
afterEach(() => registerStepPath(null));

const sizes: Readonly<Record<string, readonly number[]>> = {
  weight: [30, 7],
  'layer/bias': [3],
  scalar: [],
  large: [70, 61],
  empty: [0, 4],
};
let made = 0;

/** Variables with names of their own, and their numbers. */
function start() {
  const prefix = `m${made++}/`;
  const entries = Object.entries(sizes).map(([name, shape], i) => {
    const data = noise(tf.util.sizeFromShape([...shape]), i + 1);
    return { name: prefix + name, shape, data };
  });
  const variables = entries.map(({ name, shape, data }) =>
    tf.tidy(() => tf.variable(tf.tensor(data, [...shape], 'float32'), true, name)),
  );
  const parameters = Object.fromEntries(entries.map(({ name, data }) => [name, Float64Array.from(data)]));
  const gradients = (t: number, missing: boolean) =>
    Object.fromEntries(
      entries.map(({ name, data }, i) => {
        return [name, missing && (t + 3 * i) % 4 === 0 ? null : noise(data.length, 100 * t + i, 0.2)];
      }),
    );
  return { variables, parameters, gradients };
}

/** Takes steps on both sides, and compares. */
async function compare(spec: OptimizerSpec, limit = 2e-5): Promise<void> {
  const { variables, parameters: initial, gradients } = start();
  const optimizer = new SpecOptimizer(spec);
  const core = bindCore(float64Ops, spec);
  let [parameters, state] = [initial as Readonly<Record<string, Float64Array>>, core.init(initial)];
  for (let t = 1; t <= 6; t++) {
    const given = Object.entries(gradients(t, t > 1));
    const tensors = given.map(([name, data], i) => {
      return [name, data && tf.tensor(data, variables[i]?.shape as number[])] as const;
    });
    optimizer.applyGradients(Object.fromEntries(tensors) as never);
    for (const [, tensor] of tensors) tensor?.dispose();
    const float64 = given.map(([name, data]) => [name, data && Float64Array.from(data)]);
    ({ parameters, state } = core.update(parameters, Object.fromEntries(float64), state));
  }
  expect(optimizer.path).toBe('webgpu');
  for (const variable of variables) {
    expectNear(variable.name, await variable.data(), parameters[variable.name] as Float64Array, limit);
  }
  const { tensors } = await exportState(optimizer);
  for (const [name, { slots }] of state.parameters) {
    for (const [slot, expected] of Object.entries(slots)) {
      expectNear(`${slot}/${name}`, tensors[`${slot}/${name}`]?.data as Float32Array, expected, 2 * limit);
    }
  }
  optimizer.dispose();
  tf.dispose(variables);
}

describe.each(specs)('%s', (_, spec) => {
  test('six steps, with gradients that are missing, come to what the core comes to', () => compare(spec));
});

test.each([
  ['clipped', clipByGlobalNorm(vradam({ beta3: 0.3 }), { maxNorm: 0.5 })],
  ['averaged', averageWeights(vradam({ learningRate: 0.05 }), { decay: 0.8 })],
  ['over 2 batches', accumulateGradients(adamw({ learningRate: 0.05 }), { steps: 2 })],
  ['without decay of biases', maskWeightDecay(adamw({ learningRate: 0.05, weightDecay: 0.1 }))],
  [
    'in groups, with a schedule',
    vradam({
      learningRate: linear({ from: 0.1, to: 0.01, steps: 5 }),
      groups: [{ match: /bias/, beta3: 0.1, normGrad: true, power: 3, weightDecay: 0 }],
    }),
  ],
])('%s, too', (_, spec) => compare(spec));

/** Two variables, a loss, and what they were. */
function model() {
  const w = tf.tidy(() => tf.variable(tf.tensor2d(noise(12, 1), [4, 3])));
  const x = tf.tensor2d(noise(32, 3), [8, 4]);
  const loss = () => tf.mean(tf.square(tf.matMul(x, w as tf.Tensor2D))) as tf.Scalar;
  return { w, x, loss };
}

test('a step leaves no tensor behind', async () => {
  const { loss } = model();
  const optimizer = new VRAdam({ learningRate: 0.01 });
  for (let t = 0; t < 3; t++) optimizer.minimize(loss, false);
  const before = tf.memory().numTensors;
  for (let t = 0; t < 5; t++) optimizer.minimize(loss, false);
  expect(tf.memory().numTensors).toBe(before);
});

test('the path is taken where it is registered, and can be declined', async () => {
  const run = async (options: object) => {
    const { w, loss } = model();
    const optimizer = new VRAdam({ learningRate: 0.05, ...options });
    for (let t = 0; t < 5; t++) optimizer.minimize(loss, false);
    return [optimizer.path, await w.data()] as const;
  };
  const [fused, portable] = [await run({}), await run({ fused: false })];
  expect([fused[0], portable[0]]).toEqual(['webgpu', 'portable']);
  expectNear('w', fused[1], portable[1] as never, 1e-5);
  registerStepPath(null);
  expect((await run({}))[0]).toBe('portable');
});

test('tensors that share the numbers of a variable, or of the state, stay as they were', async () => {
  const { w, loss } = model();
  const optimizer = new VRAdam({ learningRate: 0.05 });
  optimizer.minimize(loss, false);
  const clone = w.clone();
  const reshaped = tf.reshape(w, [12]);
  const handed = (await optimizer.getWeights()).map(({ name, tensor }) => ({ name, tensor: tensor.clone() }));
  const [expected, weights] = [await w.data(), await Promise.all(handed.map(({ tensor }) => tensor.data()))];
  optimizer.minimize(loss, false);
  expect(await clone.data()).toEqual(expected);
  expect(await reshaped.data()).toEqual(expected);
  expect(await Promise.all(handed.map(({ tensor }) => tensor.data()))).toEqual(weights);
  expect(await w.data()).not.toEqual(expected);
});

test('a variable that is its own gradient moves by what it was', async () => {
  const w = tf.variable(tf.tensor1d([1, -2, 3]));
  new SpecOptimizer(adamw({ learningRate: 0.5, weightDecay: 0 })).applyGradients({ [w.name]: w });
  expectNear('w', await w.data(), [0.5, -1.5, 2.5], 1e-6);
});

test('a saved state goes on bit for bit, and an algorithm of a stranger takes tfjs’s operations', async () => {
  const { w, loss } = model();
  const whole = new VRAdam({ learningRate: 0.05 });
  for (let t = 0; t < 3; t++) whole.minimize(loss, false);
  const [dict, values] = [await exportState(whole), tf.tensor2d(await w.data(), [4, 3])];
  for (let t = 0; t < 3; t++) whole.minimize(loss, false);
  const expected = await w.data();
  w.assign(values);
  const resumed = new VRAdam({ learningRate: 0.05 });
  importState(resumed, dict);
  for (let t = 0; t < 3; t++) resumed.minimize(loss, false);
  expect(await w.data()).toEqual(expected);

  const plain = defineOptimizer(
    {
      name: 'plain',
      slots: () => [],
      apply: (ops, parameter, { gradient }, rate) =>
        ops.axpby(1, parameter, ops.scalars.mul(-1, rate), gradient),
    },
    { learningRate: [1, 'rate'], weightDecay: [0, '[0, Infinity)'] },
    {},
  );
  w.assign(tf.zeros([4, 3]));
  new SpecOptimizer(plain).applyGradients({ [w.name]: tf.ones([4, 3]) });
  expect([...(await w.data())]).toEqual(Array(12).fill(-1));
});

test('on another backend the path is another one', async () => {
  await tf.setBackend('cpu');
  const optimizer = new VRAdam();
  expect(optimizer.path).toBe('cpu');
  await tf.setBackend('webgpu');
  expect(optimizer.path).toBe('webgpu');
});
