/** What the presets of all tasks have. */

import type { DefaultOptimizer } from './task.ts';

/** Hyper-parameters that only VRAdam has. */
export interface Brake {
  readonly beta3: number;
  readonly lrCutoff: number;
  readonly normGrad: boolean;
}

/** Sizes of batches and run, and the numbers of the optimizers. */
export interface TaskPreset {
  /** Examples of a training batch; the last batch of an epoch may be smaller. */
  readonly batchSize: number;
  /** Examples of an evaluation batch. */
  readonly evaluationBatchSize: number;
  /** Passes over the training examples. */
  readonly epochs: number;
  /** Epochs of warm-up, where the schedule has one. */
  readonly warmupEpochs: number;
  /** Peak learning rates. `vradam-gradient-norm` has that of `vradam`, `adam` that of `adamw`. */
  readonly learningRates: Readonly<Record<DefaultOptimizer, number>>;
  /** Where the learning rates come from. */
  readonly learningRateSource: string;
  /** VRAdam's own hyper-parameters. */
  readonly vradam: Brake;
}

/** VRAdam as Algorithm 1 has it, with the decided defaults. */
export const algorithm1: Brake = { beta3: 1, lrCutoff: 19, normGrad: false };

/** Source of learning rates that a preset was tuned for. */
export const tuned = 'best validation loss on a grid, at this preset; see the README of this task';
