/**
 * Poolings: the largest element or the mean of each window.
 *
 *     MaxPool      dx goes to the first of the largest elements of each window, as PyTorch has it
 *     AveragePool  dx = sum over the windows around an element of dy / count
 *
 * @see https://onnx.ai/onnx/operators/onnx__MaxPool.html
 * @see https://onnx.ai/onnx/operators/onnx__AveragePool.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { int, ints, type Value } from '../graph/value.ts';
import type { Shape } from '../model/model.ts';
import { freshShape, input, misfit } from './infer.ts';
import { type Margin, marginsOf } from './margins.ts';
import { maxPoolGradient } from './maxPool.ts';
import type { Backward, Call, Infer, OperatorTable, Rule } from './operator.ts';
import { countUp, sizeAlong } from './sizes.ts';
import { along, type PoolWindow, spreadMeans } from './spread.ts';
import { type Sliding, windowsOf } from './windows.ts';

/** Windows of a pooling over an image. */
export function poolWindows(node: Sliding, x: Shape): readonly PoolWindow[] {
  const kernel = ints(node, 'kernel_shape') ?? misfit(node, 'kernel_shape must be given');
  if (kernel.some((size) => size < 1))
    misfit(node, `kernel_shape must have sizes of at least 1, not [${kernel}]`);
  return windowsOf(node, x.slice(2), kernel) as readonly PoolWindow[];
}

/** Shape of a result, which all outputs have. */
function pooled(call: Call, x: Shape | undefined): Shape | undefined {
  if (!x) {
    const rank = ints(call, 'kernel_shape')?.length;
    return rank === undefined ? undefined : freshShape(call, rank + 2);
  }
  if (x.length < 3) misfit(call, 'an image must have 3 axes or more');
  const counts = poolWindows(call, x).map(({ count }) => count ?? call.fresh());
  return [...x.slice(0, 2), ...counts];
}

/** Types of AveragePool and LpPool. */
export const inferPool: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  return [{ dtype, shape: pooled(call, shape) }];
};

const inferMaxPool: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  const result = pooled(call, shape);
  return [
    { dtype, shape: result },
    { dtype: 'int64', shape: result },
  ].slice(0, call.outputCount) as ReturnType<Infer>;
};

/** Taps of each window along an axis that lie in the image, or in what `include` counts as such. */
function tapCounts(
  g: GraphBuilder,
  { x, y }: { readonly x: Value; readonly y: Value },
  { kernel, stride, dilation }: PoolWindow,
  [before, after]: Margin,
  axis: number,
  include: boolean,
): Value {
  const starts = g.sub(g.mul(countUp(g, sizeAlong(g, y, axis)), stride), before);
  const end = include ? g.add(sizeAlong(g, x, axis), after) : sizeAlong(g, x, axis);
  const upTo = (distance: Value): Value => g.div(g.add(distance, dilation - 1), dilation);
  const last = g.min(upTo(g.sub(end, starts)), kernel);
  return include ? last : g.sub(last, upTo(g.max(g.neg(starts), 0)));
}

/** dy times taps of a window over taps that its mean has counted. */
function reweighted(
  backward: Backward,
  x: Value,
  windows: readonly PoolWindow[],
  margins: readonly Margin[],
): Value {
  const { g, node, dy } = backward;
  const include = int(node, 'count_include_pad', 0) === 1;
  const rank = g.rank(x);
  if (include && int(node, 'ceil_mode', 0) === 0) return dy;
  const factors = windows.flatMap((window, i) => {
    const counts = tapCounts(g, { x, y: dy }, window, margins[i] as Margin, i + 2, include);
    if (counts.ints?.every((count) => count === window.kernel)) return [];
    return [along(g, g.div(window.kernel, g.cast(counts, x.dtype ?? 'float32')), i + 2, rank)];
  });
  const [first, ...rest] = factors;
  return first
    ? g.mul(
        dy,
        rest.reduce((product, next) => g.mul(product, next), first),
      )
    : dy;
}

const averageRule: Rule = (backward) => {
  const {
    g,
    node,
    inputs: [image],
  } = backward;
  const x = image as Value;
  const windows = poolWindows(node, g.knownShape(x));
  const margins = marginsOf(g, node, x, windows);
  return [spreadMeans(g, reweighted(backward, x, windows, margins), x, windows, margins)];
};

/** The family. */
export const pool: OperatorTable = {
  MaxPool: {
    infer: inferMaxPool,
    gradient: (backward) => {
      const {
        g,
        node,
        inputs: [x],
      } = backward;
      return [maxPoolGradient(backward, poolWindows(node, g.knownShape(x as Value)))];
    },
  },
  AveragePool: { infer: inferPool, gradient: averageRule },
};
