/** RMSProp, as `torch.optim.RMSprop` has it: epsilon is added outside the square root. */

import type { Algorithm, CommonOptions } from './algorithm.ts';
import type { Schedule } from './schedules.ts';
import { defineOptimizer, type OptimizerOptions, type OptimizerSpec, type OptionTable } from './spec.ts';

/** Hyper-parameters of {@link rmsprop}; each may be given per group. */
export interface RMSPropOptions extends CommonOptions {
  /** Learning rate, or a schedule of it. Default 1e-2. Range [0, Infinity). */
  readonly learningRate?: number | Schedule;
  /** Decay rate of the mean square (and of the mean). Default 0.99. Range [0, 1]. */
  readonly alpha?: number;
  /** Factor of the old buffer; 0 keeps no buffer. Default 0. Range [0, Infinity). */
  readonly momentum?: number;
  /** Divides by the standard deviation instead of the root mean square. Default false. */
  readonly centered?: boolean;
  /** Added outside the square root. Default 1e-8. Range [0, Infinity). */
  readonly epsilon?: number;
  /** L2 penalty, added to the gradient. Default 0. Range [0, Infinity). */
  readonly weightDecay?: number;
}

type Slot = 'meanSquare' | 'mean' | 'momentumBuffer';

const algorithm: Algorithm<Required<RMSPropOptions>, Slot> = {
  name: 'rmsprop',
  slots: ({ centered, momentum }) => [
    'meanSquare',
    ...(centered ? (['mean'] as const) : []),
    ...(momentum === 0 ? [] : (['momentumBuffer'] as const)),
  ],

  apply(ops, parameter, { gradient, slots, weightDecay }, learningRate, options) {
    const { alpha, centered, epsilon, momentum } = options;
    // g_t <- g_t + lambda theta_{t-1}
    const decayed = weightDecay === 0 ? gradient : ops.axpby(1, gradient, weightDecay, parameter);
    // s_t = alpha s_{t-1} + (1 - alpha) g_t^2
    const meanSquare = ops.axpby(alpha, slots.meanSquare, 1 - alpha, ops.mul(decayed, decayed));
    slots.meanSquare = ops.replace(slots.meanSquare, meanSquare);
    let variance = slots.meanSquare;
    if (centered) {
      // a_t = alpha a_{t-1} + (1 - alpha) g_t ;  variance = s_t - a_t^2
      slots.mean = ops.replace(slots.mean, ops.axpby(alpha, slots.mean, 1 - alpha, decayed));
      variance = ops.axpby(1, slots.meanSquare, -1, ops.mul(slots.mean, slots.mean));
    }
    let direction = ops.div(decayed, ops.affine(1, ops.sqrt(variance), epsilon));
    if (momentum !== 0) {
      const buffer = ops.axpby(momentum, slots.momentumBuffer, 1, direction);
      slots.momentumBuffer = ops.replace(slots.momentumBuffer, buffer);
      direction = slots.momentumBuffer;
    }
    return ops.axpby(1, parameter, ops.scalars.mul(-1, learningRate), direction);
  },
};

/**
 * RMSProp with momentum, centering and L2 weight decay.
 *
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
 */
export function rmsprop(options: OptimizerOptions<RMSPropOptions> = {}): OptimizerSpec {
  const table: OptionTable<RMSPropOptions> = {
    learningRate: [1e-2, 'rate'],
    alpha: [0.99, '[0, 1]'],
    momentum: [0, '[0, Infinity)'],
    centered: [false, 'true|false'],
    epsilon: [1e-8, '[0, Infinity)'],
    weightDecay: [0, '[0, Infinity)'],
  };
  return defineOptimizer(algorithm, table, options);
}
