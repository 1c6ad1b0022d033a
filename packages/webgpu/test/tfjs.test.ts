/** Variables of tfjs-backend-webgpu, on Dawn in Node: updated in place, never read. */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers'; // registers all gradients
import { createOptimizer as bindCore, float64Ops, vradam } from '@vradam/core';
import { beforeAll, expect, test } from 'vitest';
import { canStepInPlace, createTfjsOptimizer, type TfjsDeviceOptimizer } from '../src/tfjs.ts';
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

const spec = vradam({ learningRate: 0.05, beta3: 0.3, weightDecay: 0.01 });
const initial = { w: noise(12, 1), b: noise(3, 2) };

/** A linear model. */
function start() {
  const w = tf.variable(tf.tensor2d(initial.w, [4, 3]), true, `w${tf.memory().numTensors}`);
  const b = tf.variable(tf.tensor1d(initial.b), true, `b${tf.memory().numTensors}`);
  const x = tf.tensor2d(noise(32, 3), [8, 4]);
  const y = tf.tensor2d(noise(24, 4), [8, 3]);
  const loss = () => tf.mean(tf.square(tf.sub(tf.add(tf.matMul(x, w), b), y))) as tf.Scalar;
  return { w, b, x, y, loss };
}

test('ten steps of training come to what the core comes to, with as many tensors as before', async () => {
  const { w, b, loss } = start();
  const optimizer = (await createTfjsOptimizer(tf, spec, [w, b])) as TfjsDeviceOptimizer;
  const core = bindCore(float64Ops, spec);
  let parameters: Readonly<Record<string, Float64Array>> = {
    [w.name]: Float64Array.from(initial.w),
    [b.name]: Float64Array.from(initial.b),
  };
  let state = core.init(parameters);
  const before = tf.memory().numTensors;
  for (let t = 0; t < 10; t++) {
    const { value, grads } = tf.variableGrads(loss, [w, b]);
    value.dispose();
    const entries = Object.entries(grads).map(async ([name, g]) => [name, Float64Array.from(await g.data())]);
    ({ parameters, state } = core.update(parameters, Object.fromEntries(await Promise.all(entries)), state));
    tf.dispose(grads);
    optimizer.minimize(loss).dispose();
  }
  expectNear('w', await w.data(), parameters[w.name] as Float64Array, 1e-5);
  expectNear('b', await b.data(), parameters[b.name] as Float64Array, 1e-5);
  expect(tf.memory().numTensors).toBe(before);
  optimizer.dispose();
  expect(w.isDisposed).toBe(false);
});

test('a variable that is read between steps, or assigned to, is followed', async () => {
  const { w, b } = start();
  const rateless = (await createTfjsOptimizer(tf, vradam({ learningRate: 0.1, beta3: 0, weightDecay: 0 }), [
    w,
    b,
  ])) as TfjsDeviceOptimizer;
  const ones = tf.ones([4, 3]);
  rateless.applyGradients({ [w.name]: ones });
  expectNear(
    'w',
    await w.data(),
    initial.w.map((x) => x - 0.1),
    1e-6,
  );
  rateless.applyGradients({ [w.name]: ones });
  expectNear(
    'w',
    await w.data(),
    initial.w.map((x) => x - 0.2),
    1e-6,
  );
  w.assign(tf.zeros([4, 3]));
  rateless.applyGradients({ [w.name]: ones, [b.name]: null });
  expectNear('w', await w.data(), new Float32Array(12).fill(-0.1), 1e-6);
  expect([...(await b.data())]).toEqual([...initial.b]);
});

test('int32 variables, unknown names and gradients of another shape are refused', async () => {
  const { w, b } = start();
  const counter = tf.variable(tf.scalar(1, 'int32'));
  await expect(createTfjsOptimizer(tf, spec, [counter])).rejects.toMatchObject({ code: 'ERR_OPTION_TYPE' });
  const optimizer = (await createTfjsOptimizer(tf, spec, [w, b])) as TfjsDeviceOptimizer;
  expect(() => optimizer.applyGradients({ stranger: tf.ones([3]) })).toThrow(
    expect.objectContaining({ code: 'ERR_PARAMETER_UNKNOWN' }),
  );
  expect(() => optimizer.applyGradients({ [w.name]: tf.ones([3]) })).toThrow(
    expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
  );
});

test('on another backend there is none, and that is said', async () => {
  await tf.setBackend('cpu');
  expect(canStepInPlace(tf)).toBe(false);
  expect(await createTfjsOptimizer(tf, spec, [])).toBeNull();
  await tf.setBackend('webgpu');
  expect(canStepInPlace(tf)).toBe(true);
});
