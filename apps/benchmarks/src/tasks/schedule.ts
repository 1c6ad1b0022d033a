/** The learning rate over a run. */

import { type Schedule, warmupCosine } from '@vradam/core';
import type { ScheduleName } from './task.ts';

/** What a schedule is made of. */
export interface ScheduleLengths {
  /** Epochs of warm-up. */
  readonly warmupEpochs: number;
  /** Epochs of the run. */
  readonly epochs: number;
  /** Steps of an epoch. */
  readonly stepsPerEpoch: number;
}

/** The learning rate by epoch, as a schedule by step. */
export function scheduleOf(
  name: ScheduleName,
  learningRate: number,
  { warmupEpochs, epochs, stepsPerEpoch }: ScheduleLengths,
): Schedule {
  if (name === 'constant') return () => learningRate;
  if (name === 'constant-0.1') return () => 0.1 * learningRate;
  const minimum = Math.min(1e-5, learningRate);
  const warmup = Math.min(warmupEpochs, epochs);
  const byEpoch = warmupCosine({ learningRate, warmup, total: epochs, minimum, factor: 0.1 });
  return (step) => byEpoch(Math.floor(step / stepsPerEpoch));
}
