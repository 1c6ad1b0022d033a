/** Stochastic gradient descent, as `torch.optim.SGD` has it. */

import type { Algorithm, CommonOptions } from './algorithm.ts';
import type { Schedule } from './schedules.ts';
import { defineOptimizer, type OptimizerOptions, type OptimizerSpec, type OptionTable } from './spec.ts';

/** Hyper-parameters of {@link sgd}; each may be given per group. */
export interface SGDOptions extends CommonOptions {
  /** Learning rate, or a schedule of it. Default 1e-3. Range [0, Infinity). */
  readonly learningRate?: number | Schedule;
  /** Factor of the old buffer; 0 keeps no buffer. Default 0. Range [0, Infinity). */
  readonly momentum?: number;
  /** Share of the gradient kept out of the buffer, after its first step. Default 0. Range (-Infinity, Infinity). */
  readonly dampening?: number;
  /** Looks ahead along the buffer; no effect without momentum. Default false. */
  readonly nesterov?: boolean;
  /** L2 penalty, added to the gradient. Default 0. Range [0, Infinity). */
  readonly weightDecay?: number;
}

const algorithm: Algorithm<Required<SGDOptions>, 'momentumBuffer'> = {
  name: 'sgd',
  slots: ({ momentum }) => (momentum === 0 ? [] : ['momentumBuffer']),

  apply(ops, parameter, { gradient, slots, step, weightDecay }, learningRate, options) {
    const { momentum, dampening, nesterov } = options;
    // g_t <- g_t + lambda theta_{t-1}
    const decayed = weightDecay === 0 ? gradient : ops.axpby(1, gradient, weightDecay, parameter);
    let direction = decayed;
    if (momentum !== 0) {
      // b_1 = g_1 ;  b_t = mu b_{t-1} + (1 - dampening) g_t
      const buffer = ops.axpby(momentum, slots.momentumBuffer, step === 1 ? 1 : 1 - dampening, decayed);
      slots.momentumBuffer = ops.replace(slots.momentumBuffer, buffer);
      direction = nesterov ? ops.axpby(1, decayed, momentum, slots.momentumBuffer) : slots.momentumBuffer;
    }
    return ops.axpby(1, parameter, ops.scalars.mul(-1, learningRate), direction);
  },
};

/**
 * SGD with momentum, dampening, Nesterov's look-ahead and L2 weight decay.
 *
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
 */
export function sgd(options: OptimizerOptions<SGDOptions> = {}): OptimizerSpec {
  const table: OptionTable<SGDOptions> = {
    learningRate: [1e-3, 'rate'],
    momentum: [0, '[0, Infinity)'],
    dampening: [0, '(-Infinity, Infinity)'],
    nesterov: [false, 'true|false'],
    weightDecay: [0, '[0, Infinity)'],
  };
  return defineOptimizer(algorithm, table, options);
}
