/**
 * Sizes and places in terms of the graph, for rules whose amounts may be known only when it runs.
 *
 * All are int64 vectors of one element; what is known while building folds to constants by itself.
 */

import { fail } from '../errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Node, Value } from '../graph/value.ts';
import type { Call } from './operator.ts';

/** A size or position: a number, or an int64 vector of one element. */
export type Size = number | Value;

const toValue = (g: GraphBuilder, size: Size): Value => (typeof size === 'number' ? g.ints([size]) : size);

/** Size of `x` along an axis. */
export const sizeAlong = (g: GraphBuilder, x: Value, axis: number): Value =>
  g.op('Shape', [x], { start: axis, end: axis + 1 });

/** Product of the sizes of `x` along axes from `start` to `end` (left out). */
export function sizeBetween(g: GraphBuilder, x: Value, start: number, end: number): Value {
  if (start >= end) return g.ints([1]);
  return g.op('ReduceProd', [g.op('Shape', [x], { start, end })], { keepdims: 1 });
}

/** 0, 1, 2, ... as many as a size says. */
export function countUp(g: GraphBuilder, size: Value): Value {
  const [zero, one] = [g.scalar(0, 'int64'), g.scalar(1, 'int64')];
  return g.op('Range', [zero, g.squeeze(size, [0]), one]);
}

/** A shape from sizes. */
export function shapeOfSizes(g: GraphBuilder, sizes: readonly Size[]): Value {
  return sizes.length === 0
    ? g.ints([])
    : g.concat(
        sizes.map((size) => toValue(g, size)),
        0,
      );
}

/** A reshape to sizes of which some are known only when the graph runs. */
export function reshapeTo(g: GraphBuilder, x: Value, sizes: readonly Size[]): Value {
  const open = sizes.filter((size) => typeof size !== 'number');
  return open.length > 1
    ? g.reshape(x, shapeOfSizes(g, sizes))
    : g.reshape(
        x,
        sizes.map((size) => (typeof size === 'number' ? size : -1)),
      );
}

/** Where a part lies in a whole: along which axis, from which position on. */
export interface Place {
  /** Axis, counted from the front. */
  readonly axis: number;
  /** First position. */
  readonly start: Size;
}

/** The adjoint of cutting `part` out of something shaped like `whole`: zeros all around. */
export function embed(g: GraphBuilder, part: Value, whole: Value, places: readonly Place[]): Value {
  const rank = g.rank(whole);
  const [before, after] = [new Array<Size>(rank).fill(0), new Array<Size>(rank).fill(0)];
  for (const { axis, start } of places) {
    const rest = g.sub(sizeAlong(g, whole, axis), sizeAlong(g, part, axis));
    before[axis] = start;
    after[axis] = g.sub(rest, toValue(g, start));
  }
  return g.reshapeLike(g.pad(part, shapeOfSizes(g, [...before, ...after])), whole);
}

/** Cuts a part of a given size out of `x`. */
export function cut(g: GraphBuilder, x: Value, { axis, start }: Place, size: Size): Value {
  const begin = toValue(g, start);
  return g.op('Slice', [x, begin, g.add(begin, toValue(g, size)), g.ints([axis])]);
}

/** A node as it was called, for what an inference already knows. */
export const asCall = (g: GraphBuilder, node: Node): Call => ({
  ...node,
  outputCount: node.outputs.length,
  opset: g.opset,
  fresh: () => g.freshDim(),
});

/** Says which form of an operator has no rule. */
export function refuse({ op, name }: Node, form: string): never {
  fail('ERR_OPERATOR_UNSUPPORTED', `${op} ${JSON.stringify(name)}: ${form}.`);
}
