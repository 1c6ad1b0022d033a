/**
 * The adjoint of taking the mean of each window: `dx = sum over the windows around an element of dy / taps`.
 *
 * Windows side by side repeat each dy over its window. Else, zeros are put between the elements of dy, so that windows
 * begin at every element, and then the adjoint is a mean over windows again, turned around: pooling is several times
 * faster than a transposed convolution.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { imageGradient } from './convImage.ts';
import { extent, minus, plus, times } from './extents.ts';
import type { Margin } from './margins.ts';
import { repeated } from './repeat.ts';
import { countUp, embed, type Place, type Size, shapeOfSizes, sizeAlong } from './sizes.ts';
import { padList, type Window } from './windows.ts';

/** Windows of a pooling: their taps are attributes. */
export type PoolWindow = Window & { readonly kernel: number };

/** A vector that broadcasts along one of `rank` axes. */
export const along = (g: GraphBuilder, vector: Value, axis: number, rank: number): Value =>
  g.unsqueeze(
    vector,
    Array.from({ length: rank - 1 - axis }, (_, i) => i + 1),
  );

/** Elements of dy with zeros between and behind them: one for each step of a window. */
function withGaps(g: GraphBuilder, dy: Value, windows: readonly PoolWindow[]): Value {
  const wide = repeated(
    g,
    dy,
    windows.map(({ stride }) => stride),
  );
  const rank = g.rank(dy);
  const masks = windows.flatMap(({ stride }, i) => {
    if (stride === 1) return [];
    const positions = countUp(g, g.mul(sizeAlong(g, dy, i + 2), stride));
    const isFirst = g.equal(g.op('Mod', [positions, g.scalar(stride, 'int64')]), 0);
    return [along(g, g.mask(isFirst, dy), i + 2, rank)];
  });
  const [first, ...rest] = masks;
  return first
    ? g.mul(
        wide,
        rest.reduce((mask, next) => g.mul(mask, next), first),
      )
    : wide;
}

/** Zeros before and behind dy with gaps, so that turned windows yield as many elements as there are in x. */
function turnedMargins(
  g: GraphBuilder,
  dy: Value,
  x: Value,
  windows: readonly PoolWindow[],
  margins: readonly Margin[],
): readonly Margin[] {
  return windows.map(({ kernel, stride }, i): Margin => {
    const before = (margins[i] as Margin)[0];
    const taken = times(g, extent(g, dy, i + 2), stride);
    return [minus(g, kernel - 1, before), minus(g, plus(g, extent(g, x, i + 2), before), taken)];
  });
}

/**
 * Taps apart: a transposed convolution of each channel with a kernel of equal weights. onnxruntime has poolings with
 * distances for no set before 19, and moves zeros into them that it then finds too many.
 */
function fromConvolution(g: GraphBuilder, dy: Value, x: Value, windows: readonly PoolWindow[]): Value {
  const taps = windows.map(({ kernel }) => kernel);
  const share = g.scalar(1 / taps.reduce((a, b) => a * b, 1), dy.dtype);
  const [channels, image] = [dy, x].map((value) => {
    const sizes = windows.map((_, i) => sizeAlong(g, value, i + 2));
    return g.reshape(value, shapeOfSizes(g, [-1, 1, ...sizes]));
  }) as [Value, Value];
  const kernel = g.expand(share, [1, 1, ...taps]);
  return g.reshapeLike(imageGradient(g, channels, kernel, image, { windows, group: 1 }), x);
}

/** The adjoint of the mean of each window, zeros included. */
export function spreadMeans(
  g: GraphBuilder,
  dy: Value,
  x: Value,
  windows: readonly PoolWindow[],
  margins: readonly Margin[],
): Value {
  const kernel_shape = windows.map(({ kernel }) => kernel);
  if (windows.some(({ dilation }) => dilation > 1)) return fromConvolution(g, dy, x, windows);
  if (windows.every(({ kernel, stride }) => kernel === stride)) {
    const share = g.mul(dy, 1 / kernel_shape.reduce((a, b) => a * b, 1));
    const places = margins.map(([before], i): Place => ({ axis: i + 2, start: minus(g, 0, before) }));
    return embed(g, repeated(g, share, kernel_shape), x, places);
  }
  const apart = withGaps(g, dy, windows);
  const around = turnedMargins(g, dy, x, windows, margins);
  const attributes = { kernel_shape, count_include_pad: 1 };
  if (around.every((pair) => pair.every((size) => typeof size === 'number' && size >= 0))) {
    const pads = padList(around as readonly (readonly [number, number])[]);
    return g.reshapeLike(g.averagePool(apart, { ...attributes, pads }), x);
  }
  const sides = [0, 1].flatMap((side) => [0, 0, ...around.map((pair) => pair[side] as Size)]);
  return g.reshapeLike(g.averagePool(g.pad(apart, shapeOfSizes(g, sides)), attributes), x);
}
