/**
 * VRAdam, Algorithm 1 of arXiv 2505.13196: AdamW whose one global learning rate brakes as the velocity grows.
 *
 * In the paper v is the FIRST moment (our `velocity`) and m the SECOND (our `secondMoment`).
 */

import type { Algorithm, CommonOptions, Entry } from './algorithm.ts';
import type { TensorOps } from './ops.ts';
import type { Schedule } from './schedules.ts';
import { defineOptimizer, type OptimizerOptions, type OptimizerSpec, type OptionTable } from './spec.ts';

/** Hyper-parameters of {@link vradam}; each may be given per group. */
export interface VRAdamOptions extends CommonOptions {
  /** Maximal learning rate alpha_0, or a schedule of it. Default 1e-3. Range [0, Infinity). */
  readonly learningRate?: number | Schedule;
  /** Decay rate of the velocity. Default 0.9. Range [0, 1). */
  readonly beta1?: number;
  /** Decay rate of the second moment. Default 0.999. Range [0, 1). */
  readonly beta2?: number;
  /** Velocity penalizer: strength of the brake; 0 is AdamW. Default 1. Range [0, Infinity). */
  readonly beta3?: number;
  /** alpha_1: the most that the brake may add, so the rate never falls below `learningRate / (1 + lrCutoff)`. Default 19. */
  readonly lrCutoff?: number;
  /** Added outside the square root. Default 1e-8. Range [0, Infinity). */
  readonly epsilon?: number;
  /** lambda: decoupled, scaled by the effective learning rate. Default 1e-5. Range [0, Infinity). */
  readonly weightDecay?: number;
  /** Exponent of the norm `sum |x|^power`; 2 is the squared Euclidean norm. Default 2. Range (0, Infinity). */
  readonly power?: number;
  /** Takes the norm of the gradient instead of the velocity. Default false (Algorithm 1). */
  readonly normGrad?: boolean;
}

/** The two moments and their correction, as {@link vradam} and {@link adamw} share them. */
export type Moments = 'velocity' | 'secondMoment';

/** Folds the gradient into both moments. */
export function accumulateMoments<T, S>(
  ops: TensorOps<T, S>,
  { gradient, slots }: Entry<T, Moments>,
  { beta1, beta2 }: { readonly beta1: number; readonly beta2: number },
): void {
  // v_t = beta_1 v_{t-1} + (1 - beta_1) g_t
  slots.velocity = ops.replace(slots.velocity, ops.axpby(beta1, slots.velocity, 1 - beta1, gradient));
  // m_t = beta_2 m_{t-1} + (1 - beta_2) g_t^2
  const secondMoment = ops.axpby(beta2, slots.secondMoment, 1 - beta2, ops.mul(gradient, gradient));
  slots.secondMoment = ops.replace(slots.secondMoment, secondMoment);
}

/** Moves a parameter by its bias-corrected moments. The decay is inside the step, so that it too brakes. */
export function descend<T, S>(
  ops: TensorOps<T, S>,
  parameter: T,
  { name, slots, step, weightDecay }: Entry<T, Moments>,
  learningRate: S,
  { beta1, beta2, epsilon }: { readonly beta1: number; readonly beta2: number; readonly epsilon: number },
): T {
  // v^_t = v_t / (1 - beta_1^t) ;  m^_t = m_t / (1 - beta_2^t)
  const velocityCorrection = ops.scalars.of(1 / (1 - beta1 ** step), `velocityCorrection/${name}`);
  const rootCorrection = ops.scalars.of(1 / Math.sqrt(1 - beta2 ** step), `rootCorrection/${name}`);
  // v^_t / (sqrt(m^_t) + epsilon) + lambda theta_{t-1}
  const quotient = ops.div(slots.velocity, ops.affine(rootCorrection, ops.sqrt(slots.secondMoment), epsilon));
  const direction =
    weightDecay === 0
      ? ops.affine(velocityCorrection, quotient, 0)
      : ops.axpby(velocityCorrection, quotient, weightDecay, parameter);
  // theta_t = theta_{t-1} - eta_t (...)
  return ops.axpby(1, parameter, ops.scalars.mul(-1, learningRate), direction);
}

/** eta_t = alpha_0 / (1 + min(beta_3 N, alpha_1)), for the norm N of a whole group. */
export function brake<T, S>(
  { scalars }: TensorOps<T, S>,
  learningRate: S,
  norm: S,
  { beta3, lrCutoff }: { readonly beta3: number; readonly lrCutoff: number },
): S {
  if (beta3 === 0) return learningRate; // no brake, even where the norm overflows
  return scalars.div(learningRate, scalars.add(1, scalars.min(scalars.mul(beta3, norm), lrCutoff)));
}

/** Algorithm 1. One step: `accumulate` every tensor, sum their norms, `effectiveLearningRate`, `apply`. */
const algorithm: Algorithm<Required<VRAdamOptions>, Moments> = {
  name: 'vradam',
  slots: () => ['velocity', 'secondMoment'],
  accumulate(ops, entry, options) {
    accumulateMoments(ops, entry, options);
    // N = ||v_t||^2: of the new velocity, before bias correction
    return ops.sumPower(options.normGrad ? entry.gradient : entry.slots.velocity, options.power);
  },
  effectiveLearningRate: brake,
  apply: descend,
};

/** Defaults and legal values. The paper states no defaults; the reproduction notes explain the choice. */
export const vradamTable: OptionTable<VRAdamOptions> = {
  learningRate: [1e-3, 'rate'],
  beta1: [0.9, '[0, 1)'],
  beta2: [0.999, '[0, 1)'],
  beta3: [1, '[0, Infinity)'],
  lrCutoff: [19, '[0, Infinity]'],
  epsilon: [1e-8, '[0, Infinity)'],
  weightDecay: [1e-5, '[0, Infinity)'],
  power: [2, '(0, Infinity)'],
  normGrad: [false, 'true|false'],
};

/**
 * VRAdam: `theta <- theta - eta_t (v^ / (sqrt(m^) + epsilon) + weightDecay theta)` with
 * `eta_t = learningRate / (1 + min(beta3 ||v||^2, lrCutoff))`, one `eta_t` for all tensors of a group.
 *
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 * @see arXiv 2505.13196, Algorithm 1
 */
export function vradam(options: OptimizerOptions<VRAdamOptions> = {}): OptimizerSpec {
  return defineOptimizer(algorithm, vradamTable, options);
}
