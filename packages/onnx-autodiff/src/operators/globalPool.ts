/**
 * Poolings over the whole image, and by the p-norm.
 *
 * GlobalAveragePool is the mean, GlobalMaxPool the maximum, of which the first one gets the gradient (as
 * adaptive_max_pool of PyTorch has it), GlobalLpPool the p-norm: `dx = dy (|x| / y)^(p - 1) sign(x)`. LpPool is that of
 * each window: `dx = |x|^(p - 1) sign(x)` times the sum over the windows around an element of `dy / y^(p - 1)`.
 *
 * @see https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { int, type Value } from '../graph/value.ts';
import { input, misfit } from './infer.ts';
import { marginsOf } from './margins.ts';
import type { Infer, OperatorTable, Rule } from './operator.ts';
import { inferPool, poolWindows } from './pool.ts';
import { countUp, shapeOfSizes, sizeAlong } from './sizes.ts';
import { spreadMeans } from './spread.ts';

const inferGlobal: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (shape && shape.length < 3) misfit(call, 'an image must have 3 axes or more');
  return [{ dtype, shape: shape?.map((dim, axis) => (axis < 2 ? dim : 1)) }];
};

/** Elements that reach the maximum are ranked by position, the first one highest. */
const maxRule: Rule = ({ g, inputs: [image], outputs: [y], dy }) => {
  const x = image as Value;
  const dtype = x.dtype ?? 'float32';
  const flat = g.reshape(x, [0, 0, -1]);
  const [maximum, share] = [y as Value, dy].map((value) => g.reshape(value, [0, 0, 1])) as [Value, Value];
  const length = sizeAlong(g, flat, 2);
  const ranks = g.sub(g.cast(length, dtype), g.cast(countUp(g, length), dtype));
  const best = g.reduceMax(g.where(g.equal(flat, maximum), ranks, 0), [2], true);
  return [g.reshapeLike(g.where(g.equal(ranks, best), share, 0), x)];
};

/** `|x|^(p - 1) sign(x)`. */
function signedPower(g: GraphBuilder, x: Value, p: number): Value {
  if (p === 1) return g.sign(x);
  return p === 2 ? x : g.mul(g.pow(g.abs(x), p - 1), g.sign(x));
}

/** `dy / y^(p - 1)`, and 0 where all elements are 0: there is no gradient. */
function overNorm(g: GraphBuilder, dy: Value, y: Value, p: number): Value {
  if (p === 1) return dy;
  const isSome = g.greater(y, 0);
  const norm = g.where(isSome, y, 1);
  return g.where(isSome, g.div(dy, p === 2 ? norm : g.pow(norm, p - 1)), 0);
}

const globalNormRule: Rule = ({ g, node, inputs: [x], outputs: [y], dy }) => {
  const p = int(node, 'p', 2);
  return [g.mul(signedPower(g, x as Value, p), overNorm(g, dy, y as Value, p))];
};

const normRule: Rule = ({ g, node, inputs: [image], outputs: [y], dy }) => {
  const x = image as Value;
  const windows = poolWindows(node, g.knownShape(x));
  const p = int(node, 'p', 2);
  const taps = windows.reduce((total, { kernel }) => total * kernel, 1);
  const share = g.mul(overNorm(g, dy, y as Value, p), taps);
  return [g.mul(signedPower(g, x, p), spreadMeans(g, share, x, windows, marginsOf(g, node, x, windows)))];
};

/** A mean's gradient, in equal parts to all elements. Multiplying by ones repeats them faster than Expand. */
function spreadOver(g: GraphBuilder, dy: Value, x: Value): Value {
  const axes = g.knownShape(x).flatMap((_, axis) => (axis < 2 ? [] : [axis]));
  const sizes = shapeOfSizes(g, [1, 1, ...axes.map((axis) => sizeAlong(g, x, axis))]);
  const ones = g.expand(g.scalar(1, dy.dtype), sizes);
  return g.reshapeLike(g.mul(g.div(dy, g.count(x, axes)), ones), x);
}

/** The family. */
export const globalPools: OperatorTable = {
  GlobalAveragePool: {
    infer: inferGlobal,
    gradient: ({ g, inputs: [x], dy }) => [spreadOver(g, dy, x as Value)],
  },
  GlobalMaxPool: { infer: inferGlobal, gradient: maxRule },
  GlobalLpPool: { infer: inferGlobal, gradient: globalNormRule },
  LpPool: { infer: inferPool, gradient: normRule },
};
