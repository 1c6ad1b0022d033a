/**
 * The gradient of a convolution by its kernel.
 *
 *     dw[m, c, k] = sum over n, p of dy[n, m, p] x[n, c, s p + d k - before]
 *
 * For each tap k this is one product of matrices, summed over the batch and all positions. ONNX has no operator that
 * reads windows without copying them, so the forms below differ in what they copy, and in how large the matrices
 * are; `convCost.ts` says which one is fastest.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { isStatic } from '../model/dims.ts';
import { type KernelForm, kernelForm } from './convCost.ts';
import { fromRows } from './convRows.ts';
import { type Correlation, type KnownCorrelation, type KnownWindow, known, total } from './correlation.ts';
import { extent, times } from './extents.ts';
import { cut, reshapeTo, type Size, sizeAlong } from './sizes.ts';
import { padList, type Window } from './windows.ts';

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

/** Positions of all taps, the last axis fastest. */
const tapsOf = (kernel: readonly number[]): readonly (readonly number[])[] =>
  kernel.reduce((taps: number[][], size) => taps.flatMap((tap) => range(size).map((k) => [...tap, k])), [[]]);

/** The image with its zeros. */
const padded = (g: GraphBuilder, x: Value, { windows }: KnownCorrelation): Value => {
  const [before, after] = [0, 1].map((side) => windows.map(({ pads }) => pads[side] as number));
  return g.pad(x, [0, 0, ...(before as number[]), 0, 0, ...(after as number[])]);
};

/** What one tap of all windows sees: [N, C, count], or [N, count, C] if spatial axes begin at 1. */
function seenBy(
  g: GraphBuilder,
  image: Value,
  tap: readonly number[],
  windows: readonly KnownWindow[],
  first: number,
): Value {
  const axes = range(windows.length).map((i) => i + first);
  const starts = tap.map((k, i) => k * (windows[i] as KnownWindow).dilation);
  const ends = windows.map(({ count, stride }, i) => (starts[i] as number) + (count - 1) * stride + 1);
  const strides = windows.map(({ stride }) => stride);
  const steps = strides.some((stride) => stride > 1) ? strides : undefined;
  return g.slice(image, starts, ends, axes, steps);
}

/** Last axis in phases of its stride, so that a step of 1 is left: single elements are copied once, not for each tap. */
function phased(
  g: GraphBuilder,
  image: Value,
  tap: readonly number[],
  windows: readonly KnownWindow[],
): Value {
  const last = windows.at(-1) as KnownWindow;
  if (last.stride === 1 || last.kernel <= last.stride) return seenBy(g, image, tap, windows, 2);
  const start = (tap.at(-1) as number) * last.dilation;
  const axis = windows.length + 1;
  const phase = g.slice(image, [start % last.stride], [Number.MAX_SAFE_INTEGER], [axis], [last.stride]);
  const within = { ...last, dilation: 1, stride: 1 };
  const at = Math.floor(start / last.stride);
  return seenBy(g, phase, [...tap.slice(0, -1), at], [...windows.slice(0, -1), within], 2);
}

/** Sums over batch and positions of dy [N, M, ...] times columns [N, g, taps C / g, positions]: a kernel. */
function summed(g: GraphBuilder, dy: Value, columns: Value, group: number, w: readonly number[]): Value {
  const [outputs, channels] = w as [number, number];
  const rows = g.reshape(dy, [0, group, outputs / group, -1]);
  const sums = g.reduceSum(g.matMul(rows, g.swapLast(columns)), [0]);
  return g.reshape(g.transpose(g.reshape(sums, [outputs, -1, channels]), [0, 2, 1]), w);
}

/** All taps side by side, [N, taps C, positions], times dy, summed over the batch: fast for few channels. */
function fromColumns(g: GraphBuilder, x: Value, dy: Value, correlation: KnownCorrelation): Value {
  const { windows, group, w } = correlation;
  const image = padded(g, x, correlation);
  const parts = tapsOf(windows.map(({ kernel }) => kernel)).map((tap) =>
    g.reshape(phased(g, image, tap, windows), [0, group, w[1] as number, -1]),
  );
  return summed(g, dy, g.concat(parts, 2), group, w);
}

/** A matrix of channels by all positions of all images. */
const byChannel = (g: GraphBuilder, x: Value): Value => {
  const axes = range(g.rank(x)).slice(2);
  return g.transpose(x, [1, 0, ...axes]);
};
const matrix = (g: GraphBuilder, x: Value, rows: number): Value => g.reshape(x, [rows, -1]);

/** Channels last. */
const channelsLast = (g: GraphBuilder, x: Value): Value =>
  g.transpose(x, [0, ...range(g.rank(x)).slice(2), 1]);

/** One product for each tap, of images with channels last, where what a tap sees lies in long runs. */
function fromTaps(g: GraphBuilder, x: Value, dy: Value, correlation: KnownCorrelation): Value {
  const { windows, w } = correlation;
  const [outputs, channels] = w as [number, number];
  const image = channelsLast(g, padded(g, x, correlation));
  const rows = matrix(g, byChannel(g, dy), outputs);
  const products = tapsOf(windows.map(({ kernel }) => kernel)).map((tap) =>
    g.reshape(g.matMul(rows, g.reshape(seenBy(g, image, tap, windows, 1), [-1, channels])), [
      outputs,
      channels,
      1,
    ]),
  );
  return g.reshape(g.concat(products, 2), w);
}

/** Depthwise: a product of numbers, not of matrices. */
function fromProducts(g: GraphBuilder, x: Value, dy: Value, correlation: KnownCorrelation): Value {
  const { windows, w } = correlation;
  const image = channelsLast(g, padded(g, x, correlation));
  const rows = channelsLast(g, dy);
  const axes = range(windows.length + 1);
  const sums = tapsOf(windows.map(({ kernel }) => kernel)).map((tap) =>
    g.unsqueeze(g.reduceSum(g.mul(rows, seenBy(g, image, tap, windows, 1)), axes), [1]),
  );
  return g.reshape(g.concat(sums, 1), w);
}

/** Windows side by side: the image is a matrix of patches, once its elements have changed places. */
function fromPatches(g: GraphBuilder, x: Value, dy: Value, { windows, w }: KnownCorrelation): Value {
  const [outputs, channels] = w as [number, number];
  const axes = range(windows.length);
  const whole = g.slice(
    x,
    axes.map(() => 0),
    windows.map(({ count, kernel }) => count * kernel),
    axes.map((i) => i + 2),
  );
  const apart = g.reshape(whole, [-1, channels, ...windows.flatMap(({ count, kernel }) => [count, kernel])]);
  const patches = g.transpose(apart, [0, ...axes.map((i) => 2 * i + 2), 1, ...axes.map((i) => 2 * i + 3)]);
  const rows = matrix(g, byChannel(g, dy), outputs);
  return g.reshape(g.matMul(rows, g.reshape(patches, [-1, total(w.slice(1))])), w);
}

/** Moves what lies along an axis by padding one side and cutting the other. */
function moved(g: GraphBuilder, x: Value, amounts: ReadonlyMap<number, readonly [number, number]>): Value {
  const sides = [0, 1].flatMap((side) => range(g.rank(x)).map((axis) => amounts.get(axis)?.[side] ?? 0));
  return g.pad(x, sides);
}

/**
 * Steps of 1: along the last axis, x moves into the frame of dy; along the others, dy moves into the frame of x.
 * So 3 + 3 copies are enough for 3 x 3 taps, and the middle ones are no copies.
 */
function fromShifts(g: GraphBuilder, x: Value, dy: Value, { windows, w, taps }: KnownCorrelation): Value {
  const [outputs, channels] = w as [number, number];
  const last = windows.at(-1) as KnownWindow;
  const others = windows.slice(0, -1);
  const rank = windows.length;
  const [image, rows] = [byChannel(g, x), byChannel(g, dy)];
  const left = tapsOf(others.map(({ kernel }) => kernel)).map((tap) => {
    const amounts = others.map(({ size, count, dilation, pads }, i): [number, [number, number]] => {
      const at = (tap[i] as number) * dilation - pads[0];
      return [i + 2, [at, size - count - at]];
    });
    return matrix(g, moved(g, rows, new Map(amounts)), outputs);
  });
  const all = g.concat(left, 0);
  const products = range(last.kernel).map((k) => {
    const at = last.pads[0] - k * last.dilation;
    const side = moved(g, image, new Map([[rank + 1, [at, last.count - last.size - at]]]));
    const product = g.gemm(all, matrix(g, side, channels), undefined, { transB: 1 });
    return g.reshape(product, [taps / last.kernel, outputs, 1, channels]);
  });
  return g.reshape(g.transpose(g.concat(products, 2), [1, 3, 0, 2]), w);
}

/** [N, C, ...] as [C / g, g N, ...]: images and channels change places, group by group. */
function swapped(g: GraphBuilder, x: Value, group: number): Value {
  const axes = range(g.rank(x)).slice(2);
  if (group === 1) return g.transpose(x, [1, 0, ...axes]);
  const [batch, channels, ...image] = range(g.rank(x)).map((axis) => extent(g, x, axis)) as [
    Size,
    Size,
    ...Size[],
  ];
  const perGroup = typeof channels === 'number' ? channels / group : g.div(channels, group);
  const apart = reshapeTo(g, x, [batch, group, perGroup, ...image]);
  const turned = g.transpose(apart, [2, 1, 0, ...axes.map((axis) => axis + 1)]);
  return reshapeTo(g, turned, [perGroup, times(g, batch, group), ...image]);
}

/**
 * A convolution of x with dy as its kernel, where images and channels have changed places, and steps and distances
 * of taps, too. Slow, but needs to know no sizes.
 */
function fromConv(g: GraphBuilder, x: Value, dy: Value, w: Value, { windows, group }: Correlation): Value {
  const axes = windows.map((_, i) => i + 2);
  const products = g.conv(swapped(g, x, group), g.transpose(dy, [1, 0, ...axes]), undefined, {
    strides: windows.map(({ dilation }) => dilation),
    dilations: windows.map(({ stride }) => stride),
    pads: padList(windows.map(({ pads }) => pads ?? [0, 0])),
    group,
  });
  // elements behind the last window look like more taps
  const taps = axes.reduce((value: Value, axis) => {
    const [made, wanted] = [value.shape?.[axis], w.shape?.[axis]];
    return made === wanted ? value : cut(g, value, { axis, start: 0 }, sizeAlong(g, w, axis));
  }, products);
  return g.reshapeLike(g.transpose(taps, [1, 0, ...axes]), w);
}

/** A window of one element on every element. */
const isPoint = ({ kernel, stride, pads }: Window): boolean =>
  kernel === 1 && stride === 1 && pads?.[0] === 0 && pads[1] === 0;

/** Where not all sizes are known: windows of one element need none. */
function fromUnknown(g: GraphBuilder, x: Value, dy: Value, w: Value, correlation: Correlation): Value {
  const { windows, group } = correlation;
  if (!isStatic(w.shape) || !windows.every(isPoint)) return fromConv(g, x, dy, w, correlation);
  return summed(g, dy, g.reshape(x, [0, group, w.shape[1] as number, -1]), group, w.shape);
}

/**
 * The gradient of a convolution by its kernel.
 *
 * @param w - the kernel: only its shape is used.
 * @param form - overrides the cost rule, to measure it.
 */
export function kernelGradient(
  g: GraphBuilder,
  x: Value,
  dy: Value,
  w: Value,
  correlation: Correlation,
  form?: KernelForm,
): Value {
  const sizes = known(correlation, w.shape);
  if (!sizes) return fromUnknown(g, x, dy, w, correlation);
  switch (form ?? kernelForm(sizes)) {
    case 'columns':
      return fromColumns(g, x, dy, sizes);
    case 'taps':
      return fromTaps(g, x, dy, sizes);
    case 'products':
      return fromProducts(g, x, dy, sizes);
    case 'patches':
      return fromPatches(g, x, dy, sizes);
    case 'shifts':
      return fromShifts(g, x, dy, sizes);
    case 'rows':
      return fromRows(g, x, dy, sizes);
    default:
      return fromConv(g, x, dy, w, correlation);
  }
}
