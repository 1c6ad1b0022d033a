/** Sizes of the edge of stability. */

import type { PresetName } from '../task.ts';
import type { ResNetSize } from './model.ts';

/** Every number of a preset. */
export interface EdgePreset extends ResNetSize {
  /** Images that the loss is over: the first ones. */
  readonly images: number;
  /** How many pixels of the published images become one, in both directions. */
  readonly reduction: 1 | 2;
  /** Images that share the statistics of their batch: the gradient is the mean over chunks of so many. */
  readonly chunk: number;
  /** Images that the Hessian is of: the first ones. */
  readonly hessianImages: number;
  /** Steps at most. */
  readonly steps: number;
  /** Steps from one measurement of the sharpness to the next. */
  readonly every: number;
  /** Products with the Hessian for one measurement at most. */
  readonly iterations: number;
  /** Learning rate of both optimizers. */
  readonly learningRate: number;
}

/**
 * The presets. `paper` is the paper's ResNet-32; learning rate of Adam, images and frequency are not in the paper: see the
 * README of this task.
 */
export const presets: Readonly<Record<PresetName, EdgePreset>> = {
  quick: {
    width: 4,
    blocks: 1,
    images: 256,
    reduction: 2,
    chunk: 256,
    hessianImages: 256,
    steps: 150,
    every: 10,
    iterations: 20,
    learningRate: 0.002,
  },
  medium: {
    width: 8,
    blocks: 1,
    images: 500,
    reduction: 2,
    chunk: 500,
    hessianImages: 500,
    steps: 300,
    every: 10,
    iterations: 25,
    learningRate: 0.002,
  },
  paper: {
    width: 16,
    blocks: 5,
    images: 5000,
    reduction: 1,
    chunk: 1000,
    hessianImages: 5000,
    steps: 20_000,
    every: 10,
    iterations: 30,
    learningRate: 0.002,
  },
};

/** Hyper-parameters of both optimizers, as the paper has them; there is no weight decay. */
export const fixed = {
  vradam: {
    beta1: 0.9,
    beta2: 0.999,
    beta3: 1,
    lrCutoff: 19,
    power: 2,
    normGrad: false,
    epsilon: 1e-7,
    weightDecay: 0,
  },
  adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0 },
} as const;

/** Mean loss below which a run ends. */
export const lossGoal = 0.1;

/** Accuracy above which a run ends. */
export const accuracyGoal = 0.97;
