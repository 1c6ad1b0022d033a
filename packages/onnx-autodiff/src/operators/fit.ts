/** Operands that broadcast to the first input, and never the other way round. */

import { broadcastShapes, input, misfit } from './infer.ts';
import type { Call } from './operator.ts';

/** Throws `ERR_SHAPE_MISMATCH` if an input after the first would widen it. */
export function checkFit(call: Call, what: string): void {
  const { shape } = input(call, 0);
  for (const value of call.inputs.slice(1)) {
    const wide = shape && value?.shape && broadcastShapes(call, [shape, value.shape]);
    const missing = (wide?.length ?? 0) - (shape?.length ?? 0);
    // a named size may be whatever is asked of it
    if (wide?.some((dim, i) => i < missing || (shape?.[i] === 1 && dim !== 1))) {
      misfit(call, `${what} must broadcast to the input`);
    }
  }
}
