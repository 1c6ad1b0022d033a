/**
 * Gradients of operators that cut, join, repeat and choose: they go to where each element came from.
 *
 * Of a cut by steps of k, the gradient is first spread out: a new axis of size k holds it and k - 1 zeros.
 *
 * @see https://onnx.ai/onnx/operators/
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import {
  asCall,
  type Cut,
  cut,
  cutsOf,
  embed,
  farAway,
  int,
  knownPositions,
  numbersOf,
  type Place,
  refuse,
  register,
  shapeOfSizes,
  sizeAlong,
} from './kit.ts';
import type { Backward, Rule } from './operator.ts';

/** Each part is cut out of dy. */
const concatRule: Rule = ({ g, node, inputs, dy, needs }) => {
  const axis = g.axis(dy, int(node, 'axis', 0));
  const wanted = inputs.flatMap((_, i) => (needs(i) ? [i] : []));
  const sizes = inputs.map((x) => sizeAlong(g, x, axis));
  if (wanted.length === 1) {
    const [only] = wanted as [number];
    const start = sizes.slice(0, only).reduce(g.add, g.ints([0]));
    return inputs.map((_x, i) => (i === only ? cut(g, dy, { axis, start }, sizes[i] as Value) : undefined));
  }
  const parts = g.ops('Split', [dy, shapeOfSizes(g, sizes)], { axis }, inputs.length);
  // the size along the axis may have another name in dy
  return inputs.map((x, i) => (needs(i) ? g.reshapeLike(parts[i] as Value, x) : undefined));
};

/** Parts go back side by side; those that nothing depends on are zeros. */
const splitRule: Rule = ({ g, node, inputs: [x], outputs, gradients }) => {
  const whole = x as Value;
  const axis = g.axis(whole, int(node, 'axis', 0));
  const used = outputs.flatMap((_, i) => (gradients[i] ? [i] : []));
  if (used.length === 1) {
    const [only] = used as [number];
    const start = outputs.slice(0, only).reduce((sum, y) => g.add(sum, sizeAlong(g, y, axis)), g.ints([0]));
    return [embed(g, gradients[only] as Value, whole, [{ axis, start }])];
  }
  const parts = outputs.map((y, i) => gradients[i] ?? g.zerosLike(y));
  return [g.reshapeLike(g.concat(parts, axis), whole)];
};

/** True for a constant as low as attention masks put in before a softmax, through which no slope is infinite. */
const isMaskFill = ({ constant, isParameter }: Value): boolean =>
  constant !== undefined &&
  !isParameter &&
  constant.data.length === 1 &&
  (constant.dtype === 'float32' || constant.dtype === 'float64') &&
  (numbersOf(constant)[0] as number) <= -1e4;

/**
 * dy where the condition chose the input, else 0: not even an infinite dy may leak to the other side, which is how
 * models guard roots and logarithms. Where that cannot be, a product is 2 to 3 times as fast as a choice.
 */
function chosen({ g, inputs, dy }: Backward, side: 1 | 2): Value {
  const [condition, x, y] = inputs as [Value, Value, Value];
  const [own, other] = side === 1 ? [x, y] : [y, x];
  if (isMaskFill(other))
    return g.sumTo(g.mul(dy, g.mask(side === 1 ? condition : g.not(condition), dy)), own);
  return g.sumTo(side === 1 ? g.where(condition, dy, 0) : g.where(condition, 0, dy), own);
}

const whereRule: Rule = (backward) =>
  [undefined, 1, 2].map((side) =>
    side && backward.needs(side) ? chosen(backward, side as 1 | 2) : undefined,
  );

/** First position of a cut when the graph runs. */
function firstPosition(g: GraphBuilder, x: Value, { axis, start, step = 1 }: Cut, given: Value): Value {
  const size = g.knownShape(x)[axis];
  if (typeof start === 'number') {
    if (typeof size === 'number') return g.ints([knownPositions(size, start, start, step).first]);
    if (start >= 0 && start < farAway && step > 0) return g.ints([start]);
  }
  const end = sizeAlong(g, x, axis);
  if (typeof start === 'number' && start === -1) return g.sub(end, 1);
  const counted = g.where(g.less(given, 0), g.add(given, end), given);
  return g.min(g.max(counted, 0), step > 0 ? end : g.sub(end, 1));
}

/** dy with zeros between its elements along an axis: the adjoint of taking every k-th of as many as there must be. */
function spread(g: GraphBuilder, dy: Value, axis: number, k: number): Value {
  const rank = g.rank(dy);
  const apart = g.unsqueeze(dy, [axis + 1]);
  const amounts = Array.from({ length: 2 * (rank + 1) }, (_, i) => (i === rank + 1 + axis + 1 ? k - 1 : 0));
  const sizes = Array.from({ length: rank }, (_, i) => (i === axis ? -1 : sizeAlong(g, dy, i)));
  const joined = g.reshape(g.pad(apart, amounts), shapeOfSizes(g, sizes));
  return g.slice(joined, [0], [1 - k], [axis]);
}

const sliceRule: Rule = ({ g, node, inputs, outputs: [y], dy }) => {
  const [x, starts] = inputs as [Value, Value];
  const cuts =
    cutsOf(asCall(g, node), g.rank(x)) ??
    refuse(node, 'axes must be known to differentiate. Received: computed ones');
  let part = dy;
  const places = cuts.map((cut, i): Place => {
    const { axis, step = refuse(node, 'steps must be known to differentiate. Received: computed ones') } =
      cut;
    if (g.knownShape(y as Value)[axis] === 0) return { axis, start: 0 };
    const given = g.cast(g.gather(starts, g.ints([i])), 'int64');
    const first = firstPosition(g, x, cut, given);
    if (step === 1) return { axis, start: first };
    // counted down, the last element lies first
    const reach = g.mul(g.sub(sizeAlong(g, y as Value, axis), 1), step);
    if (step < 0) part = g.slice(part, [-1], [-farAway], [axis], [-1]);
    if (step !== -1) part = spread(g, part, axis, Math.abs(step));
    return { axis, start: step < 0 ? g.add(first, reach) : first };
  });
  return [embed(g, part, x, places)];
};

/** x repeated r times along an axis: dx sums over the r copies. */
const tileRule: Rule = ({ g, inputs, dy }) => {
  const [x, repeats] = inputs as [Value, Value];
  // an axis that is repeated becomes two: which copy, which element
  const axes = g.knownShape(x).map((_, axis) => ({
    copies: repeatsAlong(g, repeats, axis),
    size: sizeAlong(g, x, axis),
  }));
  const isApart = axes.map(({ copies }) => copies.ints?.[0] !== 1);
  const apart = axes.flatMap(({ copies, size }, axis) => (isApart[axis] ? [copies, size] : [size]));
  const summed = axes.flatMap((_, axis) =>
    isApart[axis] ? [axis + isApart.slice(0, axis).filter(Boolean).length] : [],
  );
  return [g.reshapeLike(g.reduceSum(g.reshape(dy, shapeOfSizes(g, apart)), summed), x)];
};

const repeatsAlong = (g: GraphBuilder, repeats: Value, axis: number): Value =>
  g.gather(repeats, g.ints([axis]));

register({}, { Concat: concatRule, Split: splitRule, Where: whereRule, Slice: sliceRule, Tile: tileRule });
