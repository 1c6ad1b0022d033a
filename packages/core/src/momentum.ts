/** Momentum as an exponential average, with and without the brake: the paper's Figure 1. */

import type { Algorithm, CommonOptions, Entry } from './algorithm.ts';
import type { TensorOps } from './ops.ts';
import type { Schedule } from './schedules.ts';
import { defineOptimizer, type OptimizerOptions, type OptimizerSpec } from './spec.ts';
import { brake, vradamTable } from './vradam.ts';

/** Hyper-parameters of {@link momentum}; each may be given per group. */
export interface MomentumOptions extends CommonOptions {
  /** Learning rate, or a schedule of it. Default 1e-3. Range [0, Infinity). */
  readonly learningRate?: number | Schedule;
  /** Decay rate of the velocity. Default 0.9. Range [0, 1). */
  readonly beta1?: number;
  /** Decoupled, scaled by the effective learning rate. Default 0. Range [0, Infinity). */
  readonly weightDecay?: number;
}

/** Hyper-parameters of {@link vrMomentum}; each may be given per group. */
export interface VRMomentumOptions extends MomentumOptions {
  /** Velocity penalizer. Default 1. Range [0, Infinity). */
  readonly beta3?: number;
  /** The most that the brake may add. Default 19. Range [0, Infinity]. */
  readonly lrCutoff?: number;
  /** Exponent of the norm. Default 2. Range (0, Infinity). */
  readonly power?: number;
  /** Takes the norm of the gradient instead of the velocity. Default false. */
  readonly normGrad?: boolean;
}

/** v_t = beta_1 v_{t-1} + (1 - beta_1) g_t */
function accumulateVelocity<T, S>(
  ops: TensorOps<T, S>,
  { gradient, slots }: Entry<T, 'velocity'>,
  { beta1 }: { readonly beta1: number },
): void {
  slots.velocity = ops.replace(slots.velocity, ops.axpby(beta1, slots.velocity, 1 - beta1, gradient));
}

/** theta_t = theta_{t-1} - eta_t (v_t + lambda theta_{t-1}), without bias correction */
function glide<T, S>(
  ops: TensorOps<T, S>,
  parameter: T,
  { slots, weightDecay }: Entry<T, 'velocity'>,
  learningRate: S,
): T {
  const direction = weightDecay === 0 ? slots.velocity : ops.axpby(1, slots.velocity, weightDecay, parameter);
  return ops.axpby(1, parameter, ops.scalars.mul(-1, learningRate), direction);
}

const weightDecay = [0, '[0, Infinity)'] as const;

const momentumAlgorithm: Algorithm<Required<MomentumOptions>, 'velocity'> = {
  name: 'momentum',
  slots: () => ['velocity'],
  accumulate(ops, entry, options) {
    accumulateVelocity(ops, entry, options);
    return null;
  },
  apply: glide,
};

const vrMomentumAlgorithm: Algorithm<Required<VRMomentumOptions>, 'velocity'> = {
  name: 'vrMomentum',
  slots: () => ['velocity'],
  accumulate(ops, entry, options) {
    accumulateVelocity(ops, entry, options);
    return ops.sumPower(options.normGrad ? entry.gradient : entry.slots.velocity, options.power);
  },
  effectiveLearningRate: brake,
  apply: glide,
};

/**
 * Momentum: `v <- beta1 v + (1 - beta1) g`, `theta <- theta - lr (v + weightDecay theta)`.
 *
 * Not {@link sgd}, whose buffer is a plain sum of gradients.
 *
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 * @see arXiv 2505.13196, Figure 1
 */
export function momentum(options: OptimizerOptions<MomentumOptions> = {}): OptimizerSpec {
  const { learningRate, beta1 } = vradamTable;
  return defineOptimizer(momentumAlgorithm, { learningRate, beta1, weightDecay }, options);
}

/**
 * VRMomentum: {@link momentum} with `lr / (1 + min(beta3 ||v||^2, lrCutoff))`, i.e. Algorithm 1 without second
 * moment and bias correction.
 *
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 * @see arXiv 2505.13196, Figure 1
 */
export function vrMomentum(options: OptimizerOptions<VRMomentumOptions> = {}): OptimizerSpec {
  const { beta2, epsilon, ...table } = vradamTable;
  return defineOptimizer(vrMomentumAlgorithm, { ...table, weightDecay }, options);
}
