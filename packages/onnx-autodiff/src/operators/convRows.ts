/**
 * The gradient of a convolution by its kernel, from rows of numbers that lie side by side.
 *
 * With its zeros, an image is one long row, in which a step along an axis is a step of fixed length. So a tap is an
 * offset, and is split in two: along the last axis x moves, along the others dy,
 *
 *     dw[m, c, (t, k)] = sum over n, l of dy[n, m, l - offset(t)] x[n, c, l + d k]
 *
 * Rows that hold the same numbers, each a little further along, are made by writing the numbers one after another and
 * reading rows of another length: a single copy of each, and all taps are one product of matrices.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { type KnownCorrelation, type KnownWindow, total } from './correlation.ts';
import { extent } from './extents.ts';
import { shapeOfSizes } from './sizes.ts';

/** Sizes of an image with its zeros. */
const paddedSizes = (windows: readonly KnownWindow[]): readonly number[] =>
  windows.map(({ size, pads }) => size + pads[0] + pads[1]);

/** Offsets of all taps along all axes but the last; steps are those along each of these axes. */
const offsetsOf = (windows: readonly KnownWindow[], steps: readonly number[]): readonly number[] =>
  windows.reduce(
    (offsets: number[], { kernel, dilation }, i) =>
      offsets.flatMap((offset) =>
        Array.from({ length: kernel }, (_, k) => offset + k * dilation * (steps[i] as number)),
      ),
    [0],
  );

/** Zeros, as many in a row as said. */
const zeros = (g: GraphBuilder, like: Value, channels: number, length: number): Value =>
  g.op('Expand', [g.scalar(0, like.dtype), shapeOfSizes(g, [extent(g, like, 0), channels, length])]);

/** x once for each tap of the last axis, d k further along each time: [N, C kernel, length + d]. */
function ahead(g: GraphBuilder, x: Value, { windows, w }: KnownCorrelation): Value {
  const channels = w[1] as number;
  const { kernel, dilation } = windows.at(-1) as KnownWindow;
  const [before, after] = [0, 1].map((side) => windows.map(({ pads }) => pads[side] as number));
  const image = g.pad(x, [0, 0, ...(before as number[]), 0, 0, ...(after as number[])]);
  const row = g.reshape(image, [0, channels, -1]);
  // what follows an image is beyond the last window: dy is 0 there
  const parts = [...Array.from({ length: kernel }, () => row), zeros(g, x, channels, kernel * dilation)];
  return g.reshape(g.concat(parts, 2), [0, channels * kernel, total(paddedSizes(windows)) + dilation]);
}

/** dy once for each tap of the other axes, behind as many zeros as its offset: [N, M taps, length + d]. */
function behind(g: GraphBuilder, dy: Value, { windows, w }: KnownCorrelation): Value {
  const outputs = w[0] as number;
  const sizes = paddedSizes(windows);
  const steps = sizes.map((_, i) => total(sizes.slice(i + 1)));
  const length = total(sizes) + (windows.at(-1) as KnownWindow).dilation;
  // along the first axis, zeros come with the offsets
  const after = windows.map(({ count }, i) => (i === 0 ? 0 : (sizes[i] as number) - count));
  const none = windows.map(() => 0);
  const row = g.reshape(g.pad(dy, [0, 0, ...none, 0, 0, ...after]), [0, outputs, -1]);
  const taken = (windows[0] as KnownWindow).count * (steps[0] as number);
  const starts = offsetsOf(windows.slice(0, -1), steps).map((offset, i) => i * length + offset);
  const parts = starts.flatMap((start, i) => {
    const gap = (starts[i + 1] ?? starts.length * length) - start - taken;
    // what reaches beyond the place of the next one is zeros of the image
    return gap < 0 ? [g.slice(row, [0], [gap], [2])] : [row, zeros(g, dy, outputs, gap)];
  });
  return g.reshape(g.concat(parts, 2), [0, outputs * starts.length, length]);
}

/** The gradient by the kernel, for windows with steps of 1. */
export function fromRows(g: GraphBuilder, x: Value, dy: Value, correlation: KnownCorrelation): Value {
  const { windows, w, taps } = correlation;
  const [outputs, channels] = w as [number, number];
  const { kernel } = windows.at(-1) as KnownWindow;
  const products = g.matMul(behind(g, dy, correlation), g.swapLast(ahead(g, x, correlation)));
  const sums = g.reshape(g.reduceSum(products, [0]), [outputs, taps / kernel, channels, kernel]);
  return g.reshape(g.transpose(sums, [0, 2, 1, 3]), w);
}
