/** The optimizers of the suite, as the diagnostics need them: all at their defaults, but for rate and decay. */

import { adamw, type OptimizerSpec, rmsprop, sgd, vradam } from '@vradam/core';

/** An optimizer of one learning rate. */
export interface Contender {
  /** What takes the steps. */
  readonly spec: OptimizerSpec;
  /** Added to the gradient, times the weight: Adam's decay of before AdamW, which the core has not. */
  readonly l2: number;
}

type Make = (learningRate: number, weightDecay: number) => Contender;

const own = (make: (options: { learningRate: number; weightDecay: number }) => OptimizerSpec): Make => {
  return (learningRate, weightDecay) => ({ spec: make({ learningRate, weightDecay }), l2: 0 });
};

/** By name. */
export const contenders = {
  vradam: own((options) => vradam({ ...options, nonFinite: 'propagate' })),
  'vradam-gradient-norm': own((options) => vradam({ ...options, normGrad: true, nonFinite: 'propagate' })),
  adamw: own((options) => adamw({ ...options, nonFinite: 'propagate' })),
  adam: (learningRate, weightDecay) => ({
    spec: adamw({ learningRate, weightDecay: 0, nonFinite: 'propagate' }),
    l2: weightDecay,
  }),
  'sgd-nesterov': own((options) =>
    sgd({ ...options, momentum: 0.9, nesterov: true, nonFinite: 'propagate' }),
  ),
  rmsprop: own((options) => rmsprop({ ...options, nonFinite: 'propagate' })),
} as const satisfies Readonly<Record<string, Make>>;

/** One of {@link contenders}. */
export type ContenderName = keyof typeof contenders;

/** Names of {@link contenders}. */
export const contenderNames = Object.keys(contenders) as ContenderName[];
