/** Skipping bad steps. */

import type { OptimizerSpec } from '../spec.ts';

/** The spec with `nonFinite: 'skip'`: a step with NaN or Infinity in a gradient is not taken and is counted. */
export function skipNonFinite(spec: OptimizerSpec): OptimizerSpec {
  return { ...spec, nonFinite: 'skip' };
}
