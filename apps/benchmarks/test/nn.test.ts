/** One model definition: counted, initialised and run. */

import * as tf from '@tensorflow/tfjs';
import { adamw } from '@vradam/core';
import { beforeAll, expect, test } from 'vitest';
import type { Engine, SessionOptions } from '../src/engines/engine.ts';
import { startEngine } from '../src/engines/index.ts';
import type { Batch } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { cnn } from '../src/tasks/cifar10Cnn/model.ts';
import { presets } from '../src/tasks/cifar10Cnn/presets.ts';

test('the networks have the sizes that the specification counts', () => {
  expect(summarize(cnn(presets.quick, 32, 10)).parameterCount).toBe(51_890);
  const paper = summarize(cnn(presets.paper, 32, 10));
  expect(paper.parameterCount).toBe(3_249_994);
  expect(paper.macs / 1e6).toBeCloseTo(154.9, 1);
});

test('a model whose layers do not fit is refused before anything runs', () => {
  expect(() => summarize(cnn(presets.quick, 20, 10))).toThrow(
    expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
  );
});

test('weights begin uniform in +-1/sqrt(fan in), normalization at 1 and 0, the same for the same seed', () => {
  const summary = summarize(cnn(presets.quick, 32, 10));
  const [a, b, c] = [0, 0, 1].map((seed) => initialParameters(summary, seed, 1));
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
  const weight = a?.get('block2.1.conv.weight')?.data as Float32Array;
  const bound = 1 / Math.sqrt(8 * 9);
  expect(Math.max(...weight)).toBeLessThan(bound);
  expect(Math.max(...weight)).toBeGreaterThan(0.95 * bound);
  expect(Math.min(...weight)).toBeLessThan(-0.95 * bound);
  expect(new Set(a?.get('block1.1.norm.weight')?.data)).toEqual(new Set([1]));
});

const small = { ...presets.quick, widths: [2, 3, 4] as const, hidden: 5 };
const network = cnn(small, 8, 3);
const summary = summarize(network);

function wave(shape: number[]): Float32Array {
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.3 * i));
}
const batch: Batch = {
  images: { shape: [6, 3, 8, 8], data: wave([6, 3, 8, 8]) },
  labels: { shape: [6], data: Int32Array.of(0, 1, 2, 0, 1, 2) },
};

let engine: Engine;
beforeAll(async () => {
  engine = await startEngine('tfjs-wasm');
});
const session = (change: Partial<SessionOptions> = {}) =>
  engine.createSession({
    network,
    parameters: initialParameters(summary, 3, 1),
    buffers: summary.buffers,
    optimizer: adamw({ learningRate: 0.01 }),
    ...change,
  });

test('training lowers the loss and moves the running statistics, without a leak', async () => {
  const before = tf.memory().numTensors;
  const one = await session();
  const { loss: first, norm, learningRate } = await one.trainStep(batch);
  expect([norm, learningRate]).toEqual([null, 0.01]);
  const during = tf.memory().numTensors;
  let last = first;
  for (let i = 0; i < 30; i++) last = (await one.trainStep(batch)).loss;
  expect(tf.memory().numTensors).toBe(during);
  expect(last).toBeLessThan(first / 2);
  const { buffers } = await one.save();
  expect(buffers['block1.1.norm.runningMean']?.data).not.toEqual(new Float32Array(2));
  one.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('an evaluation uses the running statistics: an example counts for itself alone', async () => {
  const one = await session();
  await one.trainStep(batch);
  const all = await one.evaluate(batch);
  const first: Batch = {
    images: { shape: [1, 3, 8, 8], data: (batch['images'] as { data: Float32Array }).data.slice(0, 192) },
    labels: { shape: [1], data: Int32Array.of(0) },
  };
  const alone = await one.evaluate(first);
  expect(alone.losses[0]).toBeCloseTo(all.losses[0] as number, 5);
  one.dispose();
});

test('a loaded snapshot continues bit for bit', async () => {
  const straight = await session();
  for (let i = 0; i < 3; i++) await straight.trainStep(batch);
  const snapshot = await straight.save();
  const expected = [(await straight.trainStep(batch)).loss, (await straight.trainStep(batch)).loss];
  straight.dispose();
  const resumed = await session();
  await resumed.load(snapshot);
  expect([(await resumed.trainStep(batch)).loss, (await resumed.trainStep(batch)).loss]).toEqual(expected);
  resumed.dispose();
});

test('an unknown engine is refused with the list of those there are', async () => {
  await expect(startEngine('abacus')).rejects.toThrow(/tfjs-wasm/);
});
