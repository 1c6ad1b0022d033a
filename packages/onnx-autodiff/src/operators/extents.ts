/** Arithmetic on sizes that stay numbers as long as they can. */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { type Size, sizeAlong } from './sizes.ts';

/** The size of `x` along an axis, as a number if it is known. */
export function extent(g: GraphBuilder, x: Value, axis: number): Size {
  const dim = g.knownShape(x)[axis];
  return typeof dim === 'number' ? dim : sizeAlong(g, x, axis);
}

const combined =
  (number: (a: number, b: number) => number, value: (g: GraphBuilder) => (a: Size, b: Size) => Value) =>
  (g: GraphBuilder, a: Size, b: Size): Size =>
    typeof a === 'number' && typeof b === 'number' ? number(a, b) : value(g)(a, b);

/** `a + b`. */
export const plus: (g: GraphBuilder, a: Size, b: Size) => Size = combined(
  (a, b) => a + b,
  (g) => g.add,
);
/** `a - b`. */
export const minus: (g: GraphBuilder, a: Size, b: Size) => Size = combined(
  (a, b) => a - b,
  (g) => g.sub,
);
/** `a b`. */
export const times: (g: GraphBuilder, a: Size, b: Size) => Size = combined(
  (a, b) => a * b,
  (g) => g.mul,
);
