/** Adam with L2 decay in the gradient: what the paper's code runs under the name of AdamW. The core has AdamW only. */

import {
  type AdamWOptions,
  type Algorithm,
  defineOptimizer,
  type OptimizerOptions,
  type OptimizerSpec,
  type OptionTable,
} from '@vradam/core';

const algorithm: Algorithm<Required<AdamWOptions>, 'velocity' | 'secondMoment'> = {
  name: 'adam',
  slots: () => ['velocity', 'secondMoment'],

  apply(
    ops,
    parameter,
    { name, gradient, slots, step, weightDecay },
    learningRate,
    { beta1, beta2, epsilon },
  ) {
    // g_t <- g_t + lambda theta_{t-1}
    const decayed = weightDecay === 0 ? gradient : ops.axpby(1, gradient, weightDecay, parameter);
    slots.velocity = ops.replace(slots.velocity, ops.axpby(beta1, slots.velocity, 1 - beta1, decayed));
    const secondMoment = ops.axpby(beta2, slots.secondMoment, 1 - beta2, ops.mul(decayed, decayed));
    slots.secondMoment = ops.replace(slots.secondMoment, secondMoment);
    const velocityCorrection = ops.scalars.of(1 / (1 - beta1 ** step), `velocityCorrection/${name}`);
    const rootCorrection = ops.scalars.of(1 / Math.sqrt(1 - beta2 ** step), `rootCorrection/${name}`);
    const root = ops.affine(rootCorrection, ops.sqrt(slots.secondMoment), epsilon);
    const rate = ops.scalars.mul(ops.scalars.mul(-1, learningRate), velocityCorrection);
    return ops.axpby(1, parameter, rate, ops.div(slots.velocity, root));
  },
};

/**
 * Adam, as `torch.optim.Adam` has it: the decay is added to the gradient.
 *
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
 */
export function adam(options: OptimizerOptions<AdamWOptions>): OptimizerSpec {
  const table: OptionTable<AdamWOptions> = {
    learningRate: [1e-3, 'rate'],
    beta1: [0.9, '[0, 1)'],
    beta2: [0.999, '[0, 1)'],
    epsilon: [1e-8, '[0, Infinity)'],
    weightDecay: [0, '[0, Infinity)'],
  };
  return defineOptimizer(algorithm, table, options);
}
