/**
 * The gradient of MaxPool: to the first of the largest elements of each window.
 *
 * onnxruntime's Indices say which one that is, but cost 8 to 17 times as much as the pooling itself. Windows side by
 * side need none: elements equal to their window's maximum are ranked by position, and the pooled ranks tell the
 * first one. 64 images of 64 channels, 32 x 32, forward and backward: 21 ms, and 26 ms from Indices; 128 of 8
 * channels: 3.1 and 6.3 ms (`bench/convolution.mjs`).
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { int, type Node, type Value } from '../graph/value.ts';
import { product } from '../model/dims.ts';
import type { Backward } from './operator.ts';
import { repeated } from './repeat.ts';
import { embed } from './sizes.ts';
import { along, countUp, type PoolWindow } from './spread.ts';

/** True for windows side by side, each whole. */
const areTiles = (windows: readonly PoolWindow[]): boolean =>
  windows.every(({ size, kernel, stride, dilation, pads, count }) => {
    const isPlain = kernel === stride && dilation === 1 && pads?.[0] === 0 && pads[1] === 0;
    const isNumber = typeof size === 'number' && typeof count === 'number';
    return isPlain && isNumber && count * kernel <= size;
  });

/** Ranks by position in a window: the first element has the highest one, the last one 1. */
function ranks(g: GraphBuilder, x: Value, windows: readonly PoolWindow[]): Value {
  const taps = windows.map(({ kernel }) => kernel);
  const total = taps.reduce((a, b) => a * b, 1);
  const terms = windows.map(({ kernel, count }, i) => {
    const weight = taps.slice(i + 1).reduce((a, b) => a * b, 1);
    const positions = countUp(g, g.ints([(count as number) * kernel]));
    const within = g.op('Mod', [positions, g.scalar(kernel, 'int64')]);
    return along(g, g.mul(g.cast(within, x.dtype ?? 'float32'), -weight), i + 2, g.rank(x));
  });
  return terms.reduce((sum, term) => g.add(sum, term), g.scalar(total, x.dtype));
}

function fromRanks({ g, outputs: [y], dy }: Backward, x: Value, windows: readonly PoolWindow[]): Value {
  const kernel_shape = windows.map(({ kernel }) => kernel);
  const axes = windows.map((_, i) => i + 2);
  const ends = windows.map(({ count, kernel }) => (count as number) * kernel);
  const whole = g.slice(
    x,
    axes.map(() => 0),
    ends,
    axes,
  );
  const near = (value: Value): Value => repeated(g, value, kernel_shape);
  const rank = ranks(g, x, windows);
  const reached = g.where(g.equal(whole, near(y as Value)), rank, 0);
  const best = g.maxPool(reached, { kernel_shape, strides: kernel_shape });
  const dx = g.where(g.equal(rank, near(best)), near(dy), 0);
  return embed(
    g,
    dx,
    x,
    axes.map((axis) => ({ axis, start: 0 })),
  );
}

/** Positions of the largest elements, counted over the whole tensor in row-major order. */
function indicesOf(g: GraphBuilder, node: Node, x: Value): Value {
  if (int(node, 'storage_order', 0) === 0) return g.extend(node, 2)[1] as Value;
  const { storage_order: _, ...attributes } = node.attributes;
  return g.node('MaxPool', [x], attributes, { outputs: 2 })[1] as Value;
}

function fromIndices({ g, node, dy }: Backward, x: Value): Value {
  const size = product(g.knownShape(x));
  const length = typeof size === 'number' ? g.ints([size]) : g.reshape(g.op('Size', [x]), [1]);
  const zeros = g.expand(g.scalar(0, dy.dtype), length);
  const flat = (value: Value): Value => g.reshape(value, [-1]);
  const dx = g.op('ScatterElements', [zeros, flat(indicesOf(g, node, x)), flat(dy)], {
    axis: 0,
    reduction: 'add',
  });
  return g.reshapeLike(dx, x);
}

/**
 * The gradient of MaxPool by its image.
 *
 * @param form - overrides the choice, to measure it.
 */
export function maxPoolGradient(
  backward: Backward,
  windows: readonly PoolWindow[],
  form?: 'ranks' | 'indices',
): Value {
  const x = backward.inputs[0] as Value;
  // Resize has no kernel for doubles
  const isRanked = x.dtype !== 'float64' && areTiles(windows) && form !== 'indices';
  return isRanked ? fromRanks(backward, x, windows) : fromIndices(backward, x);
}
