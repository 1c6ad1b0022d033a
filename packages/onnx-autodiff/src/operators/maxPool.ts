/**
 * The gradient of MaxPool: to the first of the largest elements of each window.
 *
 * A maximum over windows is one maximum after another, along the last axis first; the first element in row-major order
 * is in the first row that reaches the maximum, and first in that row. So each axis has its turn: dy goes to the first
 * tap of a window that equals its maximum, and back to where that tap lies.
 *
 * onnxruntime's Indices would say where to, but make the forward pass 8 to 30 times as slow, and its WebGPU backend
 * has none. Forward and backward, 64 images of 64 channels, 32 x 32: 3 x 3 taps in steps of 2 take 28 ms, and 32 from
 * Indices; 2 x 2 taps side by side take 14 and 23 ms (`bench/convolution.mjs`).
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { positive, setMasked } from './activations.ts';
import { extent, minus, plus, times } from './extents.ts';
import { type Margin, marginsOf } from './margins.ts';
import type { Backward } from './operator.ts';
import { embed, refuse, reshapeTo, type Size, shapeOfSizes } from './sizes.ts';
import type { PoolWindow } from './spread.ts';

/** Taps and steps that are worth nodes of their own. */
const longest = 1024;

/** Windows along one axis. */
interface Line extends Pick<PoolWindow, 'kernel' | 'stride' | 'dilation'> {
  /** Axis, in a layout with channels last: there, what lies along other axes moves in long runs. */
  readonly axis: number;
  /** Number of windows. */
  readonly count: Size;
  /** Zeros before the axis. */
  readonly before: Size;
}

/** Steps from a window to the one at whose first tap another window's tap k lies, and what is left of a step. */
const offsetOf = ({ stride, dilation }: Line, k: number): { steps: number; phase: number } => ({
  steps: Math.floor((k * dilation) / stride),
  phase: (k * dilation) % stride,
});

/** Steps by which the last tap is ahead. */
const reachOf = (line: Line): number => offsetOf(line, line.kernel - 1).steps;

/** Positions of a line when it begins with the first window and ends where the last one's last tap may lie. */
const frameOf = (g: GraphBuilder, line: Line): Size =>
  times(g, plus(g, line.count, reachOf(line)), line.stride);

/** What each tap of all windows sees. */
function tapsOf(g: GraphBuilder, x: Value, line: Line): readonly Value[] {
  const { axis, kernel, stride, dilation, before } = line;
  const rank = g.rank(x);
  const after = minus(g, minus(g, frameOf(g, line), extent(g, x, axis)), before);
  const sides = [before, after].flatMap((size) =>
    Array.from({ length: rank }, (_, i) => (i === axis ? size : 0)),
  );
  const lowest = g.scalar(Number.NEGATIVE_INFINITY, x.dtype);
  const framed = g.op('Pad', [x, shapeOfSizes(g, sides), lowest]);
  // a reshape that parts the axis in steps makes for longer runs, but onnxruntime moves transpositions behind it
  return Array.from({ length: kernel }, (_, k) => {
    const behind = (reachOf(line) - offsetOf(line, k).steps) * stride;
    const end = behind === 0 ? Number.MAX_SAFE_INTEGER : -behind;
    return g.slice(framed, [k * dilation], [end], [axis], [stride]);
  });
}

/** dy for each tap: to the first that equals its window's maximum. */
function shares(g: GraphBuilder, taps: readonly Value[], maximum: Value, dy: Value): readonly Value[] {
  let rest = dy;
  return taps.map((tap, k) => {
    // what no other tap has taken
    if (k === taps.length - 1) return rest;
    const share = g.mul(rest, g.mask(g.equal(tap, maximum), dy));
    rest = g.sub(rest, share);
    return share;
  });
}

/** Moves along an axis by whole steps, into a frame that is longer by the last tap's steps. */
function movedBy(g: GraphBuilder, x: Value, line: Line, steps: number): Value {
  const sides = [steps, reachOf(line) - steps].flatMap((size) =>
    Array.from({ length: g.rank(x) }, (_, i) => (i === line.axis ? size : 0)),
  );
  return g.pad(x, sides);
}

/** Puts what each tap got back to where it lies in `x`: the adjoint of {@link tapsOf}. */
function putBack(g: GraphBuilder, parts: readonly Value[], x: Value, line: Line): Value {
  const { axis, stride, before } = line;
  const phases = Array.from({ length: stride }, (_, phase) => {
    const terms = parts.flatMap((part, k) => {
      const offset = offsetOf(line, k);
      return offset.phase === phase ? [movedBy(g, part, line, offset.steps)] : [];
    });
    return terms.length > 0 ? g.sum(terms) : undefined;
  });
  const first = phases[0] as Value;
  if (stride === 1) return embed(g, first, x, [{ axis, start: minus(g, 0, before) }]);
  const apart = phases.map((phase) => g.unsqueeze(phase ?? g.zerosLike(first), [axis + 1]));
  const sizes = g.knownShape(x).map((_, i): Size => (i === axis ? frameOf(g, line) : extent(g, first, i)));
  const whole = reshapeTo(g, g.concat(apart, axis + 1), sizes);
  return embed(g, whole, x, [{ axis, start: minus(g, 0, before) }]);
}

/** The gradient along axes in turn, from the first on; `maximum` is what they make of `x`. */
function alongAxes(g: GraphBuilder, x: Value, maximum: Value, dy: Value, lines: readonly Line[]): Value {
  const last = lines.at(-1);
  if (!last) return dy;
  const taps = tapsOf(g, x, last);
  const [only, ...others] = taps as [Value, ...Value[]];
  const rest = lines.slice(0, -1);
  const inner = rest.length === 0 ? maximum : others.reduce((a, b) => g.max(a, b), only);
  const inward = alongAxes(g, inner, maximum, dy, rest);
  return putBack(g, shares(g, taps, inner, inward), x, last);
}

/** The gradient of MaxPool by its image. */
export function maxPoolGradient(
  { g, node, inputs, outputs, dy }: Backward,
  windows: readonly PoolWindow[],
): Value {
  const [x, y] = [inputs[0], outputs[0]] as [Value, Value];
  if (windows.some(({ kernel, stride }) => Math.max(kernel, stride) > longest))
    refuse(node, `kernel_shape and strides must be at most ${longest} to differentiate`);
  const margins = marginsOf(g, node, x, windows);
  const lines = windows.map(({ kernel, stride, dilation }, i): Line => {
    return {
      kernel,
      stride,
      dilation,
      axis: i + 1,
      count: extent(g, y, i + 2),
      before: (margins[i] as Margin)[0],
    };
  });
  const spatial = windows.map((_, i) => i + 2);
  const channelsLast = (value: Value): Value => g.transpose(value, [0, ...spatial, 1]);
  // behind a Relu, a maximum of 0 hands nothing on: cheaper to say of the few maxima than of all elements
  const isMasked = x.node?.op === 'Relu' && x.node.domain === '';
  const handedOn = isMasked ? g.mul(dy, positive(g, y)) : dy;
  const [image, maximum, gradient] = [x, y, handedOn].map(channelsLast) as [Value, Value, Value];
  const moved = alongAxes(g, image, maximum, gradient, lines);
  const axes = [0, windows.length + 1, ...windows.map((_, i) => i + 1)];
  const dx = g.reshapeLike(g.transpose(moved, axes), x);
  if (isMasked) setMasked(dx, x);
  return dx;
}
