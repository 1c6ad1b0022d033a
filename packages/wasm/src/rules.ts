/** What the kernels do for each algorithm of the core: hyper-parameters in, arguments of a kernel out. */

import type {
  AdamWOptions,
  Entry,
  MomentumOptions,
  RMSPropOptions,
  SGDOptions,
  VRAdamOptions,
  VRMomentumOptions,
} from '@vradam/core';
import type { KernelExports, MomentKernels } from './module.ts';

/**
 * Where a tensor's arrays begin: byte addresses of float32. `to` is where the moved parameter goes; `first` to `third`
 * are those of {@link Rule.slots}. 0 is an array that is not kept, or not needed in this phase.
 */
export type Addresses = readonly [
  parameter: number,
  to: number,
  gradient: number,
  first: number,
  second: number,
  third: number,
];

/**
 * An algorithm over addresses, in both phases of a step. It checks nothing.
 *
 * @typeParam O - the algorithm's options.
 * @typeParam K - the kernels it needs.
 */
export interface Rule<O = never, K = KernelExports> {
  /** Names of the slots that its addresses begin with. */
  readonly slots: readonly string[];
  /** Whether it reads `parameter` and writes `to`; else it moves `to`, which must hold the parameter already. */
  readonly isOutOfPlace: boolean;
  /** Whether the algorithm needs a norm: if `power` is 2 and `normGrad` false, it is what `accumulate` gives. */
  readonly hasNorm: boolean;
  /** Folds `n` elements of the gradient into the slots; gives the sum of velocity^2. Absent if `apply` does it. */
  accumulate?(kernels: K, at: Addresses, n: number, options: Required<O>): number;
  /**
   * Moves `n` elements of the parameter.
   *
   * @param entry - step counter and weight decay.
   * @param rate - effective learning rate.
   */
  apply(
    kernels: K,
    at: Addresses,
    n: number,
    entry: Pick<Entry<unknown>, 'step' | 'weightDecay'>,
    rate: number,
    options: Required<O>,
  ): void;
}

const moments: NonNullable<Rule<AdamWOptions, MomentKernels>['accumulate']> = (
  kernels,
  [, , g, v, m],
  n,
  { beta1, beta2 },
) => kernels.moments(g, v, m, n, beta1, 1 - beta1, beta2, 1 - beta2);

const velocity: NonNullable<Rule<MomentumOptions>['accumulate']> = (kernels, [, , g, v], n, { beta1 }) =>
  kernels.velocity(g, v, n, beta1, 1 - beta1);

/** `theta <- theta - eta (v^ / (sqrt(m^) + epsilon) + lambda theta)` */
const descend: Rule<AdamWOptions, MomentKernels>['apply'] = (
  kernels,
  [p, to, , v, m],
  n,
  { step, weightDecay },
  rate,
  { beta1, beta2, epsilon },
) => {
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  kernels.descendTo(p, to, v, m, n, rate / (1 - beta1 ** step), correction, epsilon, rate * weightDecay);
};

/** `theta <- theta - eta (v + lambda theta)` */
const glide: Rule<MomentumOptions>['apply'] = (kernels, [, to, , v], n, { weightDecay }, rate) =>
  kernels.glide(to, v, n, rate, rate * weightDecay);

/** AdamW. */
export const adamwRule: Rule<AdamWOptions, MomentKernels> = {
  slots: ['velocity', 'secondMoment'],
  isOutOfPlace: true,
  hasNorm: false,
  accumulate: moments,
  apply: descend,
};

/** VRAdam. */
export const vradamRule: Rule<VRAdamOptions, MomentKernels> = {
  slots: ['velocity', 'secondMoment'],
  isOutOfPlace: true,
  hasNorm: true,
  accumulate: moments,
  apply: descend,
};

/** Momentum without the brake. */
const momentumRule: Rule<MomentumOptions> = {
  slots: ['velocity'],
  isOutOfPlace: false,
  hasNorm: false,
  accumulate: velocity,
  apply: glide,
};

/** Momentum with the brake. */
const vrMomentumRule: Rule<VRMomentumOptions> = {
  slots: ['velocity'],
  isOutOfPlace: false,
  hasNorm: true,
  accumulate: velocity,
  apply: glide,
};

/** SGD, as `torch.optim.SGD` has it; without momentum it keeps no buffer. */
const sgdRule: Rule<SGDOptions> = {
  slots: ['momentumBuffer'],
  isOutOfPlace: false,
  hasNorm: false,
  apply(kernels, [, to, g, b], n, { step, weightDecay }, rate, { momentum, dampening, nesterov }) {
    if (momentum === 0) return kernels.glide(to, g, n, rate, rate * weightDecay);
    const [gain, own, along] = [step === 1 ? 1 : 1 - dampening, nesterov ? 1 : 0, nesterov ? momentum : 1];
    kernels.sgd(to, g, b, n, rate, weightDecay, momentum, gain, own, along);
  },
};

/** RMSProp, as `torch.optim.RMSprop` has it. */
const rmspropRule: Rule<RMSPropOptions> = {
  slots: ['meanSquare', 'mean', 'momentumBuffer'],
  isOutOfPlace: false,
  hasNorm: false,
  apply(kernels, [, to, g, s, a, b], n, { weightDecay }, rate, { alpha, epsilon, momentum }) {
    kernels.rmsprop(to, g, s, a, b, n, rate, weightDecay, alpha, 1 - alpha, epsilon, momentum);
  },
};

/** Of every algorithm of the core, by its name. */
export const rules: Readonly<Record<string, Rule>> = {
  vradam: vradamRule,
  adamw: adamwRule,
  vrMomentum: vrMomentumRule,
  momentum: momentumRule,
  sgd: sgdRule,
  rmsprop: rmspropRule,
};
