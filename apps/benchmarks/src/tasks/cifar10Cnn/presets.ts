/** Sizes and learning rates of the CIFAR-10 CNN. */

import { algorithm1, type TaskPreset, tuned } from '../preset.ts';
import type { PresetName } from '../task.ts';

/** Every number of a preset. */
export interface CnnPreset extends TaskPreset {
  /** Channels of the three blocks. */
  readonly widths: readonly [number, number, number];
  /** Units of the hidden dense layer. */
  readonly hidden: number;
  /** Training images at most; validation images are a quarter of them. */
  readonly trainImages: number;
  /** Test images at most. */
  readonly testImages: number;
}

/** The presets. `paper` is the paper's, number by number; `quick` and `medium` are ours, for small machines. */
export const presets: Readonly<Record<PresetName, CnnPreset>> = {
  quick: {
    widths: [8, 16, 32],
    hidden: 64,
    trainImages: 2000,
    testImages: 500,
    batchSize: 128,
    evaluationBatchSize: 250,
    epochs: 5,
    warmupEpochs: 1,
    learningRates: { vradam: 3e-3, adamw: 3e-3, 'sgd-nesterov': 3e-2, rmsprop: 1e-3 },
    learningRateSource: tuned,
    vradam: algorithm1,
  },
  medium: {
    widths: [16, 32, 64],
    hidden: 128,
    trainImages: 10_000,
    testImages: 2000,
    batchSize: 128,
    evaluationBatchSize: 250,
    epochs: 20,
    warmupEpochs: 2,
    learningRates: { vradam: 3e-3, adamw: 3e-3, 'sgd-nesterov': 3e-2, rmsprop: 1e-3 },
    learningRateSource: 'those of the quick preset',
    vradam: algorithm1,
  },
  paper: {
    widths: [64, 128, 256],
    hidden: 512,
    trainImages: 40_000,
    testImages: 10_000,
    batchSize: 1024,
    evaluationBatchSize: 2048,
    epochs: 100,
    warmupEpochs: 5,
    learningRates: { vradam: 0.0846, adamw: 0.0625, 'sgd-nesterov': 0.00784, rmsprop: 1.78e-4 },
    learningRateSource: 'arXiv 2505.13196: optimum of its sweeps',
    vradam: { beta3: 1.015, lrCutoff: 29, normGrad: true },
  },
};
