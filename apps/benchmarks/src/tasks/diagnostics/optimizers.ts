/** The optimizers of the suite, as the diagnostics need them: all at their defaults, but for rate and decay. */

import { adamw, type OptimizerSpec, rmsprop, sgd, vradam } from '@vradam/core';
import { adam } from '../adam.ts';
import type { OptimizerName } from '../task.ts';

type Make = (learningRate: number, weightDecay: number) => OptimizerSpec;

const own = (make: (options: { learningRate: number; weightDecay: number }) => OptimizerSpec): Make => {
  return (learningRate, weightDecay) => make({ learningRate, weightDecay });
};

/** By name. */
export const contenders = {
  vradam: own((options) => vradam({ ...options, nonFinite: 'propagate' })),
  'vradam-gradient-norm': own((options) => vradam({ ...options, normGrad: true, nonFinite: 'propagate' })),
  adamw: own((options) => adamw({ ...options, nonFinite: 'propagate' })),
  adam: own((options) => adam({ ...options, nonFinite: 'propagate' })),
  'sgd-nesterov': own((options) =>
    sgd({ ...options, momentum: 0.9, nesterov: true, nonFinite: 'propagate' }),
  ),
  rmsprop: own((options) => rmsprop({ ...options, nonFinite: 'propagate' })),
} as const satisfies Readonly<Record<OptimizerName, Make>>;

/** One of {@link contenders}. */
export type ContenderName = keyof typeof contenders;

/** Names of {@link contenders}. */
export const contenderNames = Object.keys(contenders) as ContenderName[];
