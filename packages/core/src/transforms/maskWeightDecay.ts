/** Weight decay for some parameters only. */

import { matcher, type NameMatch, type OptimizerSpec } from '../spec.ts';

/** Names of biases and normalization parameters as the common frameworks write them. */
export const biasAndNormalization: RegExp =
  /(^|[._/])(bias|beta|gamma|scale|offset|.*norm.*|bn\d*|ln\d*)([._/:]|$)/i;

/**
 * Keeps weight decay away from some parameters. Unlike a group it leaves the norm whole.
 *
 * @param exempt - parameters without decay. Default: biases and normalization, by name.
 * @throws VRAdamError `ERR_OPTION_TYPE`.
 */
export function maskWeightDecay(
  spec: OptimizerSpec,
  exempt: NameMatch = biasAndNormalization,
): OptimizerSpec {
  const isExempt = matcher('maskWeightDecay', exempt);
  return { ...spec, decays: (name) => spec.decays(name) && !isExempt(name) };
}
