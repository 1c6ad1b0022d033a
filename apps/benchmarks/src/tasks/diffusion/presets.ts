/** Sizes and learning rates of the diffusion task. */

import { algorithm1, type TaskPreset, tuned } from '../preset.ts';
import type { PresetName } from '../task.ts';
import type { UNetSize } from './model.ts';

/** Every number of a preset. */
export interface DiffusionPreset extends TaskPreset, UNetSize {
  /** Training pictures at most. */
  readonly trainImages: number;
  /** Validation pictures at most. */
  readonly validationImages: number;
  /** Test pictures at most. */
  readonly testImages: number;
  /** Shares of noise by time: from the first to the last, evenly apart. */
  readonly betas: readonly [first: number, last: number];
  /** Epochs between samples; there are samples after the last epoch in any case. */
  readonly sampleEvery: number;
}

const unet = {
  side: 14,
  groups: 8,
  timeFeatures: 32,
  middleBlocks: 1,
  attentiveBlocks: 0,
  heads: 4,
} as const;

const quick: DiffusionPreset = {
  ...unet,
  widths: [8, 16, 32],
  timeWidth: 32,
  dropout: 0.1,
  times: 100,
  betas: [4e-4, 0.08],
  trainImages: 1600,
  validationImages: 178,
  testImages: 256,
  batchSize: 32,
  evaluationBatchSize: 128,
  epochs: 3,
  warmupEpochs: 1,
  sampleEvery: 3,
  learningRates: { vradam: 0.01, adamw: 0.01, 'sgd-nesterov': 0.3, rmsprop: 3e-3 },
  learningRateSource: tuned,
  vradam: algorithm1,
};

/** The presets. `paper` is the paper's, number by number; `quick` and `medium` are ours, for small machines. */
export const presets: Readonly<Record<PresetName, DiffusionPreset>> = {
  quick,
  medium: {
    ...quick,
    widths: [16, 32, 64],
    timeWidth: 64,
    trainImages: 6400,
    validationImages: 712,
    testImages: 640,
    batchSize: 64,
    epochs: 10,
    sampleEvery: 5,
    learningRates: { ...quick.learningRates, 'sgd-nesterov': 0.03 },
    learningRateSource: 'those of the quick preset; of SGD the next one that does not end in NaN',
  },
  paper: {
    side: 28,
    widths: [96, 192, 384, 768, 768],
    groups: 8,
    timeFeatures: 32,
    timeWidth: 128,
    middleBlocks: 2,
    attentiveBlocks: 2,
    heads: 4,
    dropout: 0.1,
    times: 400,
    betas: [1e-4, 0.02],
    trainImages: 54_000,
    validationImages: 6000,
    testImages: 10_000,
    batchSize: 128,
    evaluationBatchSize: 128,
    epochs: 50,
    warmupEpochs: 5,
    sampleEvery: 5,
    learningRates: { vradam: 3.38e-5, adamw: 3.24e-5, 'sgd-nesterov': 0.00227, rmsprop: 1.81e-5 },
    learningRateSource: 'arXiv 2505.13196: optimum of its sweeps',
    vradam: { beta3: 1.99, lrCutoff: 6, normGrad: true },
  },
};
