/** One training that every engine repeats, and how far two of them are apart. */

import { vradam } from '@vradam/core';
import { crossEntropy } from '@vradam/onnx-autodiff';
import type { TrainingSession, TrainingSessionOptions } from '../src/index.ts';
import { batch, perceptron } from './models.ts';

/** Largest relative difference that engines are allowed over ten steps. */
export const limit = 1e-4;

/** The perceptron under VRAdam, with the brake on. */
export const training = (options: Partial<TrainingSessionOptions> = {}): TrainingSessionOptions => ({
  model: perceptron(),
  loss: crossEntropy(),
  optimizer: vradam({ learningRate: 0.05, beta3: 2 }),
  ...options,
});

/** Losses of some steps; every third batch is smaller. */
export async function train(
  session: TrainingSession,
  steps: number,
  from = 0,
  batchOf = batch,
): Promise<number[]> {
  const losses: number[] = [];
  for (let i = from; i < from + steps; i++) {
    losses.push((await session.trainStep(batchOf(i % 3 === 2 ? 3 : 8, i % 4))).loss);
  }
  return losses;
}

function largest(actual: ArrayLike<number>, difference: (x: number, i: number) => number): number {
  const differences = Array.from(actual, difference);
  return differences.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...differences);
}

/** Largest relative difference of two curves; infinite if they are not of one length. */
export function farthest(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length || actual.length === 0) return Number.POSITIVE_INFINITY;
  return largest(actual, (x, i) => Math.abs(x / (expected[i] as number) - 1));
}

/** Largest difference of two tensors relative to the largest element; infinite if they are not of one length. */
export function deviation(actual: ArrayLike<number> | undefined, expected: ArrayLike<number>): number {
  if (!actual || actual.length !== expected.length || actual.length === 0) return Number.POSITIVE_INFINITY;
  const scale = Math.max(...Array.from(expected, Math.abs));
  return largest(actual, (x, i) => Math.abs(x - (expected[i] as number)) / scale);
}
