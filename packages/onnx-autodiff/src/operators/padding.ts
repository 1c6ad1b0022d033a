/**
 * Pad: elements put around a tensor, or, by negative amounts, cut off from it.
 *
 * Zeros (or another constant) have the adjoint of cutting them off. The other modes copy elements of the tensor into
 * the margin, whose gradients are added back to where they came from, one axis after the other:
 * `reflect` mirrors without the border, `edge` repeats the border, `wrap` goes on at the other end.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Pad.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { text, type Value } from '../graph/value.ts';
import { addDims, farAway } from '../model/dims.ts';
import type { Dim } from '../model/model.ts';
import { freshShape, input, intsOf, misfit, normalAxis, numbersIn } from './infer.ts';
import type { Backward, Call, Infer, OperatorTable, Rule } from './operator.ts';
import { asCall, embed, refuse, type Size, sizeAlong } from './sizes.ts';

/** Amounts by axis of the input; undefined where only the running graph knows them. */
function amountsOf(call: Call, rank: number): readonly (readonly [Dim, Dim])[] | undefined {
  const pads = intsOf(call, 1);
  const given = call.inputs[3] ? numbersIn(call, 3) : Array.from({ length: rank }, (_, i) => i);
  if (!pads || !given) return undefined;
  const axes = given.map((axis) => normalAxis(call, axis, rank));
  if (pads.length !== 2 * axes.length)
    misfit(call, `there must be two amounts for each of ${axes.length} axes, not ${pads.length}`);
  return Array.from({ length: rank }, (_, axis) => {
    const at = axes.indexOf(axis);
    return at < 0 ? [0, 0] : [pads[at] as Dim, pads[at + axes.length] as Dim];
  });
}

const inferPad: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (!shape) return [{ dtype, shape }];
  const amounts = amountsOf(call, shape.length);
  if (!amounts) return [{ dtype, shape: freshShape(call, shape.length) }];
  const wide = shape.map((dim, axis) => amounts[axis]?.reduce(addDims, dim) ?? dim);
  if (wide.some((dim) => typeof dim === 'number' && dim < 0))
    misfit(call, `no more may be cut off than there is, not to [${wide}]`);
  return [{ dtype, shape: wide }];
};

type Amounts = readonly (readonly [number, number])[];

/** Amounts of a node, all of which are numbers; undefined otherwise. */
function knownAmounts({ g, node, inputs: [x] }: Backward): Amounts | undefined {
  const amounts = amountsOf(asCall(g, node), g.rank(x as Value));
  return amounts?.flat().every((amount) => typeof amount === 'number') ? (amounts as Amounts) : undefined;
}

const positive = (amounts: Amounts): Amounts =>
  amounts.map(([before, after]) => [Math.max(0, before), Math.max(0, after)]);
const opposite = (amounts: Amounts): Amounts => amounts.map(([before, after]) => [-before, -after]);

/** Without what was put around, by amounts of at least 0. */
function trimmed(g: GraphBuilder, dy: Value, amounts: Amounts): Value {
  const axes = amounts.flatMap(([before, after], axis) => (before > 0 || after > 0 ? [axis] : []));
  if (axes.length === 0) return dy;
  const starts = axes.map((axis) => amounts[axis]?.[0] ?? 0);
  const ends = axes.map((axis) => -(amounts[axis]?.[1] ?? 0) || farAway);
  return g.slice(dy, starts, ends, axes);
}

/** The adjoint of padding with a constant: what was put around is cut off, what was cut off is zero. */
function uncovered(backward: Backward): Value {
  const { g, dy, inputs } = backward;
  const [x, pads, , axes] = inputs as [Value, Value, Value | undefined, Value | undefined];
  const amounts = knownAmounts(backward);
  if (!amounts) return g.reshapeLike(g.op('Pad', [dy, g.neg(pads), undefined, axes]), x);
  const zeros = positive(opposite(amounts));
  return padded(g, trimmed(g, dy, positive(amounts)), zeros);
}

const padded = (g: GraphBuilder, x: Value, amounts: Amounts): Value =>
  g.pad(x, [...amounts.map(([before]) => before), ...amounts.map(([, after]) => after)]);

/** What is put around x is one number: its gradient is the sum of dy around x. */
function valueGradient({ g, inputs, dy }: Backward): Value {
  const [x, pads, value, axes] = inputs as [Value, Value, Value, Value | undefined];
  const inside = g.op('Pad', [g.expandLike(g.scalar(1, dy.dtype), x), pads, undefined, axes]);
  return g.reshapeLike(g.reduceSum(g.mul(dy, g.sub(1, inside))), value);
}

type CopyMode = 'reflect' | 'edge' | 'wrap';

/** How a margin's gradient becomes that of the elements it was copied from. */
const gathered: Readonly<Record<CopyMode, (g: GraphBuilder, margin: Value, axis: number) => Value>> = {
  reflect: (g, margin, axis) => g.slice(margin, [-1], [-farAway], [axis], [-1]),
  edge: (g, margin, axis) => g.reduceSum(margin, [axis], true),
  wrap: (_g, margin) => margin,
};

/** Where the elements begin that margins of given sizes were copied from, on an axis of a given size. */
const origins: Readonly<
  Record<CopyMode, (g: GraphBuilder, size: Value, before: number, after: number) => [Size, Size]>
> = {
  reflect: (g, size, _before, after) => [1, g.sub(size, after + 1)],
  edge: (g, size) => [0, g.sub(size, 1)],
  wrap: (g, size, before) => [g.sub(size, before), 0],
};

/** Adds both margins of an axis to what they were copied from. */
function folded(
  g: GraphBuilder,
  dy: Value,
  mode: CopyMode,
  axis: number,
  before: number,
  after: number,
): Value {
  const middle = g.slice(dy, [before], [-after || farAway], [axis]);
  const [first, last] = origins[mode](g, sizeAlong(g, middle, axis), before, after);
  const add = (margin: Value, start: Size): Value =>
    embed(g, gathered[mode](g, margin, axis), middle, [{ axis, start }]);
  return g.sum([
    middle,
    ...(before > 0 ? [add(g.slice(dy, [0], [before], [axis]), first)] : []),
    ...(after > 0 ? [add(g.slice(dy, [-after], [farAway], [axis]), last)] : []),
  ]);
}

const padRule: Rule = (backward) => {
  const { g, node, inputs, dy, needs } = backward;
  const mode = text(node, 'mode', 'constant');
  if (mode === 'constant') {
    return [
      needs(0) ? uncovered(backward) : undefined,
      undefined,
      needs(2) ? valueGradient(backward) : undefined,
    ];
  }
  if (!Object.hasOwn(gathered, mode))
    refuse(node, `mode must be constant, reflect, edge or wrap. Received: ${mode}`);
  const amounts =
    knownAmounts(backward) ??
    refuse(node, `amounts must be known in the mode ${mode}. Received: computed ones`);
  const x = inputs[0] as Value;
  // what is cut off is cut off first, and cannot be copied
  const inner = positive(amounts).reduce(
    (part, [before, after], axis) =>
      before > 0 || after > 0 ? folded(g, part, mode as CopyMode, axis, before, after) : part,
    dy,
  );
  return [g.reshapeLike(padded(g, inner, positive(opposite(amounts))), x)];
};

/** The family. */
export const padding: OperatorTable = {
  Pad: {
    inputs: 2,
    infer: inferPad,
    gradient: padRule,
  },
};
