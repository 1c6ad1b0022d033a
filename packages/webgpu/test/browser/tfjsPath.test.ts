/** In Chromium: the optimizers of `@vradam/tfjs` on this package's kernels pass the published suite, and train. */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import '@tensorflow/tfjs-layers'; // registers all gradients
import { testOptimizer } from '@vradam/conformance';
import { beforeAll, describe, expect, it, test } from 'vitest';
// by its file: an adapter depends on no other one
import { createTfjsOps, registerStepPath, VRAdam } from '../../../tfjs/src/index.ts';
import { webgpuPath } from '../../src/tfjs.ts';
import { expectNear } from '../twin.ts';
import { noise } from '../values.ts';

beforeAll(async () => {
  // tfjs computes small tensors on the CPU unless told not to
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  expect(await tf.setBackend('webgpu')).toBe(true);
  registerStepPath(webgpuPath(tf));
});

testOptimizer(
  { describe, it },
  {
    name: 'tfjs-webgpu on the path of @vradam/webgpu',
    create: () => Promise.resolve(createTfjsOps()),
    parameter: (data, shape) =>
      tf.tidy(() => tf.variable(tf.tensor(Float32Array.from(data), [...shape], 'float32'))),
    liveTensors: () => tf.memory().numTensors,
  },
  1,
);

test('a model trains as on the portable path, which is taken where the other is declined', async () => {
  const train = async (options: object) => {
    const w = tf.tidy(() => tf.variable(tf.tensor2d(noise(12, 1), [4, 3])));
    const x = tf.tensor2d(noise(32, 3), [8, 4]);
    const optimizer = new VRAdam({ learningRate: 0.05, beta3: 0.3, ...options });
    const loss = () => tf.mean(tf.square(tf.matMul(x, w as tf.Tensor2D))) as tf.Scalar;
    const losses: number[] = [];
    for (let t = 0; t < 8; t++) {
      const value = optimizer.minimize(loss, true) as tf.Scalar;
      losses.push((await value.data())[0] as number);
    }
    return { path: optimizer.path, losses, w: await w.data() };
  };
  const [fused, portable] = [await train({}), await train({ fused: false })];
  expect([fused.path, portable.path]).toEqual(['webgpu', 'portable']);
  expectNear('losses', fused.losses, portable.losses, 1e-5);
  expectNear('w', fused.w, portable.w, 1e-5);
  expect(fused.losses.at(-1)).toBeLessThan(fused.losses[0] as number);
});
