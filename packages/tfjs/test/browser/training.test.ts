/** `model.fit` in a browser, on every backend: more variables than a shader has bindings, and the course of the CPU. */

import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgl';
import '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { expect, it } from 'vitest';
import { clipByGlobalNorm, type StepPath, VRAdam } from '../../src/index.ts';
import './wasmPaths.ts';

// tfjs computes small tensors on the CPU unless told not to
tf.env().set('WEBGL_CPU_FORWARD', false);
tf.env().set('WEBGPU_CPU_FORWARD', false);

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
  expect(await tf.setBackend(backend)).toBe(true);
  const rows = Array.from({ length: 32 }, (_, i) => [1, 2, 3, 4].map((k) => Math.sin(7 * i + k * k)));
  const inputs = tf.tensor2d(rows);
  const targets = tf.tensor2d(rows.map((row) => [Math.hypot(...row)]));
  const model = denseModel();
  const optimizer = new VRAdam({ learningRate: 0.02, transforms: [[clipByGlobalNorm, { maxNorm: 5 }]] });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  const alive: number[] = [];
  const { history } = await model.fit(inputs, targets, {
    epochs: 8,
    batchSize: 32,
    shuffle: false,
    callbacks: { onEpochEnd: async () => void alive.push(tf.memory().numTensors) },
  });
  const stats = await optimizer.stats();
  const [variables, path] = [model.trainableWeights.length, optimizer.path];
  tf.dispose([inputs, targets]);
  model.dispose();
  optimizer.dispose();
  return { losses: history['loss'] as number[], stats, variables, path, alive };
}

const relative = (actual: unknown, expected: unknown): number =>
  Math.abs((actual as number) / (expected as number) - 1);

const paths: Readonly<Record<string, StepPath>> = { wasm: 'wasm', webgl: 'portable', webgpu: 'portable' };

it.each(Object.entries(paths))(
  'fits 20 variables on %s as on cpu, sees one norm over all of them, and keeps no tensor',
  async (backend, path) => {
    const other = await train(backend);
    const cpu = await train('cpu');
    expect([other.path, cpu.path]).toEqual([path, 'cpu']);
    expect(other.variables).toBe(20);
    expect(other.losses.at(-1)).toBeLessThan((other.losses[0] as number) / 2);
    for (const [epoch, loss] of other.losses.entries())
      expect(relative(loss, cpu.losses[epoch])).toBeLessThan(1e-5);
    expect(relative(other.stats.velocityNorm, cpu.stats.velocityNorm)).toBeLessThan(1e-5);
    expect(other.stats.effectiveLearningRate).toBeLessThan(0.02);
    expect(new Set(other.alive.slice(1)).size).toBe(1);
  },
);
