/**
 * Products of all elements but one: the derivative of a product by each factor.
 *
 * Dividing the whole product by a factor fails at zeros, so nothing is divided. Pairs of factors are multiplied, and
 * pairs of pairs, up to one; on the way down each half gets what is outside its pair times the other half. That is
 * about three multiplications a factor, and any derivative of them is right everywhere.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { product } from '../model/dims.ts';
import { shapeOfSizes, sizeBetween } from './sizes.ts';

/** Products along axis 1 of x [k, n] with one factor left out each; undefined is 1, for n = 1. */
function leaveOneOut(g: GraphBuilder, x: Value, n: number): Value | undefined {
  if (n === 1) return undefined;
  const half = n >> 1;
  const isOdd = n % 2 === 1;
  const [a, b, last] = g.split(x, isOdd ? [half, half, 1] : [half, half], 1) as [Value, Value, Value?];
  const pairs = g.mul(a, b);
  const outside = leaveOneOut(g, last ? g.concat([pairs, last], 1) : pairs, half + Number(isOdd));
  if (!outside) return g.concat([b, a], 1);
  const [around, aroundLast] = (last ? g.split(outside, [half, 1], 1) : [outside]) as [Value, Value?];
  return g.concat([g.mul(around, b), g.mul(around, a), ...(aroundLast ? [aroundLast] : [])], 1);
}

/** The same where only the running graph knows n: n copies of x [k, n], a factor of each being 1. Takes n^2 memory. */
function leaveOneOutDynamic(g: GraphBuilder, x: Value, n: Value): Value {
  const index = g.op('Range', [g.scalar(0, 'int64'), g.reshape(n, []), g.scalar(1, 'int64')]);
  const isOwn = g.equal(index, g.unsqueeze(index, [1]));
  const others = g.where(isOwn, 1, g.unsqueeze(x, [1]));
  return g.op('ReduceProd', [others, g.ints([2])], { keepdims: 0 });
}

/**
 * For each element, the product of the others that reduce to the same one.
 *
 * @param axes - that are reduced, counted from either end.
 * @returns a tensor shaped like `x`, or a scalar.
 */
export function exclusiveProducts(g: GraphBuilder, x: Value, axes: readonly number[]): Value {
  const shape = g.knownShape(x);
  const reduced = [...new Set(axes.map((axis) => g.axis(x, axis)))];
  const perm = [...shape.keys()].filter((axis) => !reduced.includes(axis)).concat(reduced);
  const moved = g.transpose(x, perm);
  const size = product(reduced.map((axis) => shape[axis] ?? 1));
  // one factor has no others; of none there is no derivative
  if (size === 1 || shape.includes(0)) return g.scalar(1, x.dtype);
  const n = sizeBetween(g, moved, shape.length - reduced.length, shape.length);
  const flat = g.reshape(moved, shapeOfSizes(g, [-1, n]));
  const products = typeof size === 'number' ? leaveOneOut(g, flat, size) : leaveOneOutDynamic(g, flat, n);
  const back = g.reshapeLike(products as Value, moved);
  return g.transpose(
    back,
    perm.map((_, axis) => perm.indexOf(axis)),
  );
}
