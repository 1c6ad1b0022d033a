/** Adding a transform to a spec. */

import type { Transform } from '../phases.ts';
import type { OptimizerSpec } from '../spec.ts';

/** The spec with one more transform around all that it has. */
export function around(spec: OptimizerSpec, transform: Transform): OptimizerSpec {
  return { ...spec, transforms: [...spec.transforms, transform] };
}
