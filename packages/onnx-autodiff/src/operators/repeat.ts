/** Repeating elements side by side, which no ONNX operator does faster than Resize. */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';

/** Every element of an image [N, C, ...] so many times along each spatial axis, side by side. */
export function repeated(g: GraphBuilder, x: Value, times: readonly number[]): Value {
  if (times.every((factor) => factor === 1)) return x;
  const scales = g.constant([1, 1, ...times]);
  const attributes = {
    mode: 'nearest',
    nearest_mode: 'floor',
    coordinate_transformation_mode: 'asymmetric',
  };
  return g.op('Resize', [x, undefined, scales], attributes);
}
