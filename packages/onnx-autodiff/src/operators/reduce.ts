/**
 * Reductions over axes.
 *
 * With `y` kept at size 1 along the reduced axes, `dx = dy * dy/dx` broadcast back to the shape of `x`.
 */

import { int, ints, type Value } from '../graph/value.ts';
import { product } from '../model/dims.ts';
import { isFloat } from '../model/tensors.ts';
import { freshShape, input, normalAxis, numbersIn } from './infer.ts';
import type { Backward, Call, Infer, Operator, OperatorTable } from './operator.ts';

/** Axes of a call counted from the front, from its second input; undefined if only the running graph knows them. */
function axesOf(call: Call, rank: number): readonly number[] | undefined {
  const all = Array.from({ length: rank }, (_, i) => i);
  const given = call.inputs[1];
  if (!given) return int(call, 'noop_with_empty_axes', 0) ? [] : all;
  const axes = numbersIn(call, 1);
  if (axes?.length === 0) return int(call, 'noop_with_empty_axes', 0) ? [] : all;
  return axes?.map((axis) => normalAxis(call, axis, rank));
}

const inferReduce: Infer = (call) => {
  const x = input(call, 0);
  const { dtype, shape } = x;
  if (!shape) return [{ dtype, shape: undefined }];
  const keep = int(call, 'keepdims', 1) === 1;
  const axes = axesOf(call, shape.length);
  if (!axes) return [{ dtype, shape: keep ? freshShape(call, shape.length) : undefined }];
  const reduced = shape.flatMap((dim, i) => (!axes.includes(i) ? [dim] : keep ? [1] : []));
  const folds =
    x.ints && reduced.every((dim) => dim === 1) && (call.op === 'ReduceProd' || call.op === 'ReduceSum');
  const isNumber = x.ints?.every((value) => typeof value === 'number');
  if (folds && call.op === 'ReduceProd') return [{ dtype, shape: reduced, ints: [product(x.ints ?? [])] }];
  if (folds && isNumber)
    return [{ dtype, shape: reduced, ints: [(x.ints as number[]).reduce((a, b) => a + b, 0)] }];
  return [{ dtype, shape: reduced }];
};

/** A reduced value with its axes back, at size 1, so that it broadcasts against the input. */
function restore({ g, node, inputs: [x, axes] }: Backward, reduced: Value): Value {
  if (int(node, 'keepdims', 1) === 1) return reduced;
  const all = Array.from({ length: g.rank(x as Value) }, (_, i) => i);
  if (!axes || axes.ints?.length === 0)
    return int(node, 'noop_with_empty_axes', 0) ? reduced : g.unsqueeze(reduced, all);
  return g.op('Unsqueeze', [reduced, axes]);
}

/** Moves the attribute `axes` of older operator sets to an input. */
export const upgradeAxes: NonNullable<Operator['upgrade']> = (g, call) => {
  const axes = ints(call, 'axes');
  if (!axes) return call;
  const { axes: _, ...attributes } = call.attributes;
  return { ...call, inputs: [call.inputs[0], g.ints(axes)], attributes };
};

/** An operator from its gradient, given dy with its axes back. */
const reduction = (dx: (backward: Backward, dy: Value, x: Value) => Value, note?: string): Operator => ({
  infer: inferReduce,
  gradient: (backward) => [
    isFloat(backward.inputs[0]?.dtype)
      ? dx(backward, restore(backward, backward.dy), backward.inputs[0] as Value)
      : undefined,
  ],
  upgrade: upgradeAxes,
  ...(note ? { note } : {}),
});

/** The family. */
export const reduce: OperatorTable = {
  ReduceSum: reduction(({ g }, dy, x) => g.expandLike(dy, x)),
  // dx = dy / n with n = elements of x / elements of y
  ReduceMean: reduction(({ g, outputs: [y] }, dy, x) => {
    const count = g.div(g.count(x), g.count(y as Value));
    return g.expandLike(g.div(dy, count), x);
  }),
};
