/** AdamW, as `torch.optim.AdamW` has it: VRAdam without the brake. */

import type { Algorithm, CommonOptions } from './algorithm.ts';
import type { Schedule } from './schedules.ts';
import { defineOptimizer, type OptimizerOptions, type OptimizerSpec } from './spec.ts';
import { accumulateMoments, descend, type Moments, vradamTable } from './vradam.ts';

/** Hyper-parameters of {@link adamw}; each may be given per group. */
export interface AdamWOptions extends CommonOptions {
  /** Learning rate, or a schedule of it. Default 1e-3. Range [0, Infinity). */
  readonly learningRate?: number | Schedule;
  /** Decay rate of the first moment. Default 0.9. Range [0, 1). */
  readonly beta1?: number;
  /** Decay rate of the second moment. Default 0.999. Range [0, 1). */
  readonly beta2?: number;
  /** Added outside the square root. Default 1e-8. Range [0, Infinity). */
  readonly epsilon?: number;
  /** Decoupled, scaled by the learning rate. Default 1e-2, as in PyTorch. Range [0, Infinity). */
  readonly weightDecay?: number;
}

const algorithm: Algorithm<Required<AdamWOptions>, Moments> = {
  name: 'adamw',
  slots: () => ['velocity', 'secondMoment'],
  accumulate(ops, entry, options) {
    accumulateMoments(ops, entry, options);
    return null;
  },
  apply: descend,
};

/**
 * AdamW: `theta <- theta - lr (v^ / (sqrt(m^) + epsilon) + weightDecay theta)`.
 *
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
 */
export function adamw(options: OptimizerOptions<AdamWOptions> = {}): OptimizerSpec {
  const { learningRate, beta1, beta2, epsilon } = vradamTable;
  const weightDecay = [1e-2, '[0, Infinity)'] as const;
  return defineOptimizer(algorithm, { learningRate, beta1, beta2, epsilon, weightDecay }, options);
}
