/** `model.fit` on the GPU: more variables than a shader has textures, and the same course as on the CPU. */

import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgl';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { expect, it } from 'vitest';
import { VRAdam } from '../../src/index.ts';

// tfjs computes small tensors on the CPU unless told not to
tf.env().set('WEBGL_CPU_FORWARD', false);

const depth = 10;

function denseModel(): layers.LayersModel {
  const model = layers.sequential();
  for (let i = 0; i < depth; i++) {
    const isLast = i === depth - 1;
    model.add(
      layers.layers.dense({
        units: isLast ? 1 : 12,
        activation: isLast ? 'linear' : 'relu', // exact on every backend
        kernelInitializer: layers.initializers.heNormal({ seed: i + 1 }),
        ...(i === 0 && { inputShape: [4] }),
      }),
    );
  }
  return model;
}

/** Trains on the whole of a small data set, and counts what is alive after each epoch. */
async function train(backend: string) {
  await tf.setBackend(backend);
  const rows = Array.from({ length: 32 }, (_, i) => [1, 2, 3, 4].map((k) => Math.sin(7 * i + k * k)));
  const inputs = tf.tensor2d(rows);
  const targets = tf.tensor2d(rows.map((row) => [Math.hypot(...row)]));
  const model = denseModel();
  const optimizer = new VRAdam({ learningRate: 0.02 });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  const alive: number[] = [];
  const { history } = await model.fit(inputs, targets, {
    epochs: 8,
    batchSize: 32,
    shuffle: false,
    callbacks: { onEpochEnd: async () => void alive.push(tf.memory().numTensors) },
  });
  const { groups } = await optimizer.stats();
  const [stats] = groups;
  const variables = model.trainableWeights.length;
  tf.dispose([inputs, targets]);
  model.dispose();
  optimizer.dispose();
  return { losses: history['loss'] as number[], stats, variables, alive };
}

const relative = (actual: unknown, expected: unknown): number =>
  Math.abs((actual as number) / (expected as number) - 1);

it('fits 20 variables on webgl as on cpu, sees one norm over all of them, and keeps no tensor', async () => {
  const gpu = await train('webgl');
  const cpu = await train('cpu');
  expect(gpu.variables).toBe(20);
  expect(gpu.losses.at(-1)).toBeLessThan((gpu.losses[0] as number) / 2);
  // measured: 5e-7 after 12 epochs
  for (const [epoch, loss] of gpu.losses.entries())
    expect(relative(loss, cpu.losses[epoch])).toBeLessThan(1e-5);
  expect(relative(gpu.stats?.norm, cpu.stats?.norm)).toBeLessThan(1e-5);
  expect(gpu.stats?.effectiveLearningRate).toBeLessThan(0.02);
  expect(new Set(gpu.alive.slice(1)).size).toBe(1);
});
