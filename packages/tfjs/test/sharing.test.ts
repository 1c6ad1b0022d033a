/** On the wasm backend: a clone that shares numbers, and a memory that grows, in the middle of fused steps. */

import '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { registerGradientKernels, VRAdam } from '../src/index.ts';
import { values, variable, withGradients } from './setup.ts';

beforeAll(async () => {
  registerGradientKernels(); // clones share from here on
  await tf.setBackend('wasm');
});

test('a clone of a variable or of a moment keeps its numbers, though no copy was made', async () => {
  const w = variable([1, 2, 3, 4, 5]);
  const optimizer = new VRAdam({ learningRate: 0.5 });
  const step = () => withGradients({ [w.name]: [1, -1, 2, -2, 3] }, (g) => optimizer.applyGradients(g));
  step();
  const [, velocity, secondMoment] = await optimizer.getWeights();
  const originals = [w, velocity?.tensor as tf.Tensor, secondMoment?.tensor as tf.Tensor];
  const copies = originals.map((tensor) => tensor.clone());
  copies.forEach((copy, i) => {
    expect(copy.dataId).toBe(originals[i]?.dataId);
  });
  const before = copies.map(values);
  step();
  step();
  expect(copies.map(values)).toEqual(before);
  tf.dispose(copies);
  optimizer.dispose();
});

test('a memory that grows in the middle of a step takes nothing with it', () => {
  const heapBytes = () =>
    (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.byteLength;
  const size = 3_000_000;
  const run = (fused: 'auto' | false): number[] => {
    const variables = [1, 2, 3].map((seed) => {
      const initial = tf.fill([size], seed);
      const one = tf.variable(initial);
      initial.dispose();
      return one;
    });
    const gradients = Object.fromEntries(variables.map(({ name }, i) => [name, tf.fill([size], i - 1.5)]));
    const optimizer = new VRAdam({ learningRate: 0.1, lrCutoff: 4, fused });
    const start = heapBytes();
    for (let i = 0; i < 3; i++) optimizer.applyGradients(gradients);
    if (fused === 'auto') expect([optimizer.path, heapBytes() > start]).toEqual(['wasm', true]);
    const result = variables.flatMap((one) =>
      [0, size / 2, size - 1].map((at) => one.dataSync()[at] as number),
    );
    optimizer.dispose();
    tf.dispose([variables, gradients]);
    return result;
  };
  const [fused, portable] = [run('auto'), run(false)];
  fused.forEach((value, i) => {
    expect(Math.abs(value - (portable[i] as number))).toBeLessThan(1e-6);
  });
});
