/**
 * VRAdam and AdamW in fewer tfjs operations than the core composes them of: on a GPU each is a dispatch. 14 for a
 * variable, as many as `tf.train.adam` takes, and one more with weight decay.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { AdamWOptions, Entry, Kernel, Kernels, TensorOps, VRAdamOptions } from '@vradam/core';
import { once } from './journal.ts';

type Ops = TensorOps<tf.Tensor, tf.Tensor>;

/** What these kernels take from the operations they belong to. */
export interface Parts {
  readonly tidy: Ops['tidy'];
  readonly replace: Ops['replace'];
  readonly norm: Ops['sumPower'];
}

type MomentEntry = Entry<tf.Tensor, 'velocity' | 'secondMoment'>;

/** v = beta1 v + (1 - beta1) g ;  m = beta2 m + (1 - beta2) g^2 */
function accumulate(
  replace: Parts['replace'],
  { gradient, slots }: MomentEntry,
  { beta1, beta2 }: Required<AdamWOptions>,
): void {
  const velocity = tf.add(tf.mul(slots.velocity, beta1), tf.mul(gradient, 1 - beta1));
  const secondMoment = tf.add(tf.mul(slots.secondMoment, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  slots.velocity = replace(slots.velocity, velocity);
  slots.secondMoment = replace(slots.secondMoment, secondMoment);
}

/**
 * p = p (1 - eta lambda) - (eta vHat / mHat) v / (sqrt(m) + epsilon / mHat), with the corrections vHat and mHat as host
 * numbers. What depends on eta alone is computed once for all variables that have had as many gradients.
 */
function descend(
  parameter: tf.Tensor,
  { slots, step, weightDecay }: MomentEntry,
  rate: tf.Tensor,
  { beta1, beta2, epsilon }: Required<AdamWOptions>,
): tf.Tensor {
  const root = Math.sqrt(1 - beta2 ** step);
  const factor = root / (1 - beta1 ** step);
  const size = once(rate, `size ${factor}`, () => tf.mul(rate, factor));
  const quotient = tf.div(slots.velocity, tf.add(tf.sqrt(slots.secondMoment), epsilon * root));
  const move = tf.mul(quotient, size);
  if (weightDecay === 0) return tf.sub(parameter, move);
  const kept = once(rate, `kept ${weightDecay}`, () => tf.sub(1, tf.mul(rate, weightDecay)));
  return tf.sub(tf.mul(parameter, kept), move);
}

/** The kernel of `vradam`, and of `adamw`, which takes no norm. */
function momentKernel({ tidy, replace, norm }: Parts, hasNorm: boolean): Kernel<tf.Tensor, tf.Tensor> {
  return {
    accumulate: (entry, options) =>
      tidy(() => {
        const { normGrad, power, ...rates } = options as Required<VRAdamOptions>;
        const { gradient, slots } = entry as MomentEntry;
        accumulate(replace, entry as MomentEntry, rates);
        return hasNorm ? norm(normGrad ? gradient : slots.velocity, power) : null;
      }),
    apply: (parameter, entry, rate, options) =>
      tidy(() =>
        replace(parameter, descend(parameter, entry as MomentEntry, rate, options as Required<AdamWOptions>)),
      ),
  };
}

/** Kernels for `vradam` and `adamw`; the other algorithms are composed. */
export const portableKernels =
  (parts: Parts): Kernels<tf.Tensor, tf.Tensor> =>
  (algorithm) =>
    ['vradam', 'adamw'].includes(algorithm) ? momentKernel(parts, algorithm === 'vradam') : undefined;
