/** Sizes and learning rates of the GFlowNet. */

import { algorithm1, type TaskPreset, tuned } from '../preset.ts';
import type { PresetName } from '../task.ts';
import type { GflownetSize, LossWeights } from './model.ts';

/** Every number of a preset; an example is a trajectory, and an epoch is some updates. */
export interface GflownetPreset extends TaskPreset, GflownetSize {
  /** Updates of an epoch. */
  readonly updatesPerEpoch: number;
  /** How the parts of the loss are weighed. */
  readonly weights: LossWeights;
  /** Divides the rewards of training. */
  readonly temperature: number;
}

const common = {
  updatesPerEpoch: 10,
  warmupEpochs: 0,
  weights: { flow: 1, entropy: 0.01 },
  temperature: 1,
  vradam: algorithm1,
} as const;

const quickRates = { vradam: 0.03, adamw: 3e-3, 'sgd-nesterov': 3e-3, rmsprop: 3e-4 };

/** The presets. `paper` is the paper's, number by number; `quick` and `medium` are ours, for small machines. */
export const presets: Readonly<Record<PresetName, GflownetPreset>> = {
  quick: {
    ...common,
    widths: [8, 16, 32],
    dense: [64, 32],
    maxSteps: 16,
    batchSize: 16,
    evaluationBatchSize: 32,
    epochs: 10,
    learningRates: quickRates,
    learningRateSource: tuned,
  },
  medium: {
    ...common,
    widths: [16, 32, 64],
    dense: [128, 64],
    maxSteps: 32,
    batchSize: 32,
    evaluationBatchSize: 64,
    epochs: 20,
    learningRates: quickRates,
    learningRateSource: 'those of the quick preset',
  },
  paper: {
    ...common,
    widths: [32, 64, 128],
    dense: [256, 128],
    maxSteps: 64,
    batchSize: 64,
    evaluationBatchSize: 100,
    epochs: 50,
    learningRates: { vradam: 0.01, adamw: 0.01, 'sgd-nesterov': 0.01, rmsprop: 0.01 },
    learningRateSource: 'arXiv 2505.13196, Table 14',
  },
};
