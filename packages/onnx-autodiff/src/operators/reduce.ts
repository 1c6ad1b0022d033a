/**
 * Reductions over axes.
 *
 * With `y` kept at size 1 along the reduced axes, `dx = dy * dy/dx` broadcast back to the shape of `x`.
 *
 * @see https://onnx.ai/onnx/operators/onnx__ReduceSum.html and its neighbours.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { type HasAttributes, int, ints, type Value } from '../graph/value.ts';
import { product } from '../model/dims.ts';
import type { Dim } from '../model/model.ts';
import { freshShape, input, normalAxis } from './infer.ts';
import type { Backward, Call, Infer, Operator, OperatorTable } from './operator.ts';
import { onDemand } from './registry.ts';

/** A call, or the node that it became. */
type Reduction = HasAttributes & Pick<Call, 'inputs'>;

const isNoop = (node: HasAttributes): boolean => int(node, 'noop_with_empty_axes', 0) === 1;

/** Reduced axes as given; undefined if only the running graph knows them. */
export function axesOf(reduction: Reduction, rank: number): readonly number[] | undefined {
  const given = reduction.inputs[1];
  const axes = given ? given.ints : [];
  if (axes?.length === 0) return isNoop(reduction) ? [] : Array.from({ length: rank }, (_, i) => i);
  return axes?.every((axis) => typeof axis === 'number') ? (axes as readonly number[]) : undefined;
}

const inferReduce: Infer = (call) => {
  const { dtype, shape, ints: values } = input(call, 0);
  if (!shape) return [{ dtype, shape: undefined }];
  const keep = int(call, 'keepdims', 1) === 1;
  const axes = axesOf(call, shape.length)?.map((axis) => normalAxis(call, axis, shape.length));
  if (!axes) return [{ dtype, shape: keep ? freshShape(call, shape.length) : undefined }];
  const reduced = shape.flatMap((dim, i) => (!axes.includes(i) ? [dim] : keep ? [1] : []));
  const isOne = reduced.every((dim) => dim === 1);
  return [{ dtype, shape: reduced, ints: values && isOne ? fold(call.op, values) : undefined }];
};

/** The one element to which known integers reduce. */
function fold(op: string, values: readonly Dim[]): readonly Dim[] | undefined {
  if (op === 'ReduceProd') return [product(values)];
  if (!values.every((value) => typeof value === 'number') || values.length === 0) return undefined;
  if (op === 'ReduceSum') return [values.reduce((a, b) => a + b)];
  if (op === 'ReduceMax') return [Math.max(...values)];
  return op === 'ReduceMin' ? [Math.min(...values)] : undefined;
}

/** A reduced value with its axes back, at size 1, so that it broadcasts against the input. */
export function restore({ g, node, inputs: [, axes] }: Backward, reduced: Value): Value {
  if (int(node, 'keepdims', 1) === 1) return reduced;
  // over all axes it is a scalar, which broadcasts as it is
  return !axes || axes.ints?.length === 0 ? reduced : g.op('Unsqueeze', [reduced, axes]);
}

/** Sum over the axes of a reduction, kept. */
const sumLike = ({ g, node }: Backward, x: Value): Value =>
  g.op('ReduceSum', [x, node.inputs[1]], { keepdims: 1, noop_with_empty_axes: Number(isNoop(node)) });

/** How many elements became one. */
function countOf({ g, node, inputs, outputs: [y] }: Backward): Value {
  const x = inputs[0] as Value;
  const axes = x.shape && axesOf(node, x.shape.length);
  return axes ? g.count(x, axes) : g.div(g.count(x), g.count(y as Value));
}

/** Moves the attribute `axes` of older operator sets to an input. */
const upgradeAxes: NonNullable<Operator['upgrade']> = (g, call) => {
  const axes = ints(call, 'axes');
  if (!axes) return call;
  const { axes: _, ...attributes } = call.attributes;
  return { ...call, inputs: [call.inputs[0], g.ints(axes)], attributes };
};

/** What a rule has at hand. */
interface Reduced {
  readonly g: GraphBuilder;
  readonly x: Value;
  /** The result with its axes back. */
  readonly y: () => Value;
  /** Its gradient, likewise. */
  readonly dy: Value;
  readonly backward: Backward;
}

/** An operator from its gradient, which may still have to be broadcast to the input. */
export const reduction = (dx: (reduced: Reduced) => Value): Operator => ({
  infer: inferReduce,
  gradient: (backward) => {
    const { g, inputs, outputs } = backward;
    const x = inputs[0] as Value;
    const y = () => restore(backward, outputs[0] as Value);
    return [g.expandLike(dx({ g, x, y, dy: restore(backward, backward.dy), backward }), x)];
  },
  upgrade: upgradeAxes,
});

/** A tie shares equally: dx = dy [x = y] / count[x = y]. */
const extremum = reduction(({ g, x, y, dy, backward }) => {
  const reached = g.mask(g.equal(x, y()), dy);
  return g.mul(reached, g.div(dy, sumLike(backward, reached)));
});

/** The family. */
export const reduce: OperatorTable = {
  ReduceSum: reduction(({ dy }) => dy),
  // dy / n with n = elements of x / elements of y
  ReduceMean: reduction(({ g, dy, backward }) => g.div(dy, countOf(backward))),
  ReduceMax: extremum,
  ReduceMin: extremum,
  ReduceProd: { infer: inferReduce, gradient: onDemand, upgrade: upgradeAxes },
  ReduceSumSquare: reduction(({ g, x, dy }) => g.mul(x, g.mul(dy, 2))),
};
