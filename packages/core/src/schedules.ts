/** Learning rates as functions of the step. Host arithmetic in float64. */

import { checkOptions } from './options.ts';

/**
 * Learning rate of a step.
 *
 * @param step - steps taken before this one: 0 in the first.
 * @returns a finite number >= 0.
 */
export type Schedule = (step: number) => number;

/** Always the same learning rate. */
export function constant(learningRate: number): Schedule {
  checkOptions('constant', { learningRate }, { learningRate: '[0, Infinity)' });
  return () => learningRate;
}

/** Options of {@link linear}. */
export interface LinearOptions {
  /** Learning rate of step 0. */
  readonly from: number;
  /** Learning rate from step `steps` on. */
  readonly to: number;
  /** Length of the ramp, in steps. Range [1, Infinity). */
  readonly steps: number;
}

/** A straight line from one learning rate to another, then held. */
export function linear(options: LinearOptions): Schedule {
  const { from, to, steps } = options;
  checkOptions(
    'linear',
    { ...options, from, to, steps },
    { from: '[0, Infinity)', to: '[0, Infinity)', steps: '[1, Infinity)' },
  );
  return (step) => from + (to - from) * Math.min(step / steps, 1);
}

/** Options of {@link exponential}. */
export interface ExponentialOptions {
  /** Learning rate of step 0. */
  readonly from: number;
  /** Factor per `every` steps. Range (0, Infinity). */
  readonly rate: number;
  /** Steps in which the learning rate changes by `rate`. Default 1. Range [1, Infinity). */
  readonly every?: number;
}

/** Exponential decay (or growth): `from * rate^(step / every)`, continuous in the step. */
export function exponential(options: ExponentialOptions): Schedule {
  const { from, rate, every = 1 } = options;
  checkOptions(
    'exponential',
    { ...options, from, rate, every },
    {
      from: '[0, Infinity)',
      rate: '(0, Infinity)',
      every: '[1, Infinity)',
    },
  );
  return (step) => from * rate ** (step / every);
}

/** Options of {@link warmupCosine}. */
export interface WarmupCosineOptions {
  /** Peak, reached in step `warmup`. */
  readonly learningRate: number;
  /** Steps of linear warm-up; 0 starts with the cosine. Range [0, total]. */
  readonly warmup: number;
  /** Step in which `minimum` is reached. Range (0, Infinity). */
  readonly total: number;
  /** Learning rate from step `total` on. Default 0. */
  readonly minimum?: number;
  /** Share of the peak in step 0. Default 0.1. Range [0, 1]. */
  readonly factor?: number;
}

/**
 * Linear warm-up, then half a cosine: the paper's WarmupCosineAnnealing, equal to PyTorch's
 * `SequentialLR(LinearLR(factor, 1, warmup), CosineAnnealingLR(total - warmup, minimum))` up to `total`.
 *
 * Steps may be epochs: the function only sees numbers. Call it once an epoch to schedule by epoch.
 */
export function warmupCosine(options: WarmupCosineOptions): Schedule {
  const { learningRate, warmup, total, minimum = 0, factor = 0.1 } = options;
  checkOptions(
    'warmupCosine',
    { ...options, learningRate, warmup, total, minimum, factor },
    {
      learningRate: '[0, Infinity)',
      total: '(0, Infinity)',
      warmup: `[0, ${total}]`,
      minimum: '[0, Infinity)',
      factor: '[0, 1]',
    },
  );
  return (step) => {
    if (step < warmup) return learningRate * (factor + ((1 - factor) * step) / warmup);
    const progress = step < total ? (step - warmup) / (total - warmup) : 1;
    return minimum + (learningRate - minimum) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}

/**
 * One schedule after another; each counts its steps from its own beginning.
 *
 * @param schedules - one more than there are boundaries.
 * @param boundaries - growing steps > 0: `schedules[i + 1]` takes over in step `boundaries[i]`.
 */
export function join(schedules: readonly Schedule[], boundaries: readonly number[]): Schedule {
  const pieces = boundaries.length + 1;
  checkOptions('join', { pieces: schedules.length }, { pieces: `[${pieces}, ${pieces}]` });
  for (const [i, boundary] of boundaries.entries()) {
    checkOptions('join', { boundary }, { boundary: `(${boundaries[i - 1] ?? 0}, Infinity)` });
  }
  return (step) => {
    const i = boundaries.filter((boundary) => step >= boundary).length;
    return (schedules[i] as Schedule)(step - (boundaries[i - 1] ?? 0));
  };
}

/**
 * Constant pieces: `learningRates[i]` holds before `boundaries[i]`, the last one after all boundaries.
 *
 * @param learningRates - one more than there are boundaries.
 * @param boundaries - growing steps > 0 at which the next piece begins.
 */
export function piecewise(learningRates: readonly number[], boundaries: readonly number[]): Schedule {
  return join(learningRates.map(constant), boundaries);
}
