/** Sizes and learning rates of the language model. */

import { algorithm1, type TaskPreset, tuned } from '../preset.ts';
import type { PresetName } from '../task.ts';
import type { TransformerSize } from './model.ts';

/** Every number of a preset. */
export interface LanguageModelPreset extends TaskPreset, Omit<TransformerSize, 'vocabulary'> {
  /** Words at most, the three special ones among them. */
  readonly vocabularyLimit: number;
  /** Training sequences at most. */
  readonly trainSequences: number;
  /** Sequences to validate by at most, and as many to test by. */
  readonly evaluationSequences: number;
}

const quick: LanguageModelPreset = {
  vocabularyLimit: 2000,
  width: 64,
  heads: 4,
  layers: 1,
  feedForward: 128,
  length: 31,
  dropout: 0.2,
  trainSequences: 1920,
  evaluationSequences: 400,
  batchSize: 16,
  evaluationBatchSize: 40,
  epochs: 5,
  warmupEpochs: 1,
  learningRates: { vradam: 3e-3, adamw: 3e-3, 'sgd-nesterov': 0.1, rmsprop: 3e-3 },
  learningRateSource: tuned,
  vradam: algorithm1,
};

/** The presets. `paper` is the paper's, number by number; `quick` and `medium` are ours, for small machines. */
export const presets: Readonly<Record<PresetName, LanguageModelPreset>> = {
  quick,
  medium: {
    ...quick,
    vocabularyLimit: 8000,
    width: 128,
    heads: 8,
    layers: 2,
    feedForward: 256,
    length: 63,
    trainSequences: 3200,
    batchSize: 32,
    epochs: 10,
    learningRateSource: 'those of the quick preset',
  },
  paper: {
    vocabularyLimit: Number.MAX_SAFE_INTEGER,
    width: 128,
    heads: 8,
    layers: 2,
    feedForward: 256,
    length: 63,
    dropout: 0.2,
    trainSequences: Number.MAX_SAFE_INTEGER,
    evaluationSequences: Number.MAX_SAFE_INTEGER,
    batchSize: 32,
    evaluationBatchSize: 32,
    epochs: 100,
    warmupEpochs: 5,
    learningRates: { vradam: 1.55e-5, adamw: 1.661e-5, 'sgd-nesterov': 1e-3, rmsprop: 1e-5 },
    learningRateSource:
      'arXiv 2505.13196: optimum of its sweeps; it gives none for SGD and RMSProp, whose loss was NaN: those are ours',
    vradam: { beta3: 3.35, lrCutoff: 7, normGrad: false },
  },
};
