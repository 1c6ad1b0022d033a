/**
 * The gradient of a convolution by its image.
 *
 * A convolution (a cross-correlation, as ONNX has it) is linear in its image:
 *
 *     y[n, m, p] = sum over c, k of x[n, c, s p + d k - before] w[m, c, k]
 *     dx[n, c, q] = sum over m, k, p with s p + d k - before = q of dy[n, m, p] w[m, c, k]
 *
 * That is a transposed convolution of dy, and for s = 1 also a convolution of dy with the kernel turned around, its
 * channels swapped. Which one is faster, `convCost.ts` says.
 *
 * @see https://onnx.ai/onnx/operators/onnx__ConvTranspose.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { isStatic } from '../model/dims.ts';
import { type ImageForm, imageForm } from './convCost.ts';
import { type Correlation, total } from './correlation.ts';
import { cut, sizeAlong } from './sizes.ts';
import { padList, reachOf, type Window } from './windows.ts';

/** Zeros around, for a convolution that turns dy around; undefined if some would have to be cut off instead. */
function turnedPads(windows: readonly Window[]): readonly (readonly [number, number])[] | undefined {
  const pads = windows.map((window): readonly [number, number] | undefined => {
    const reach = reachOf(window);
    if (!window.pads || reach === undefined || window.stride !== 1) return undefined;
    const [before, after] = window.pads;
    return before < reach && after < reach ? [reach - 1 - before, reach - 1 - after] : undefined;
  });
  return pads.every((pair) => pair !== undefined) ? (pads as (readonly [number, number])[]) : undefined;
}

/**
 * Kernels turned around along all axes, channels swapped within each group. Taps stay together when channels change
 * places, and are turned last: a third of the time of turning planes of taps.
 */
function turned(g: GraphBuilder, w: Value, group: number): Value {
  const [outputs, channels, ...kernel] = w.shape as readonly [number, number, ...number[]];
  const [taps, perGroup] = [total(kernel), outputs / group];
  const swapped =
    group === 1
      ? g.transpose(g.reshape(w, [outputs, channels, taps]), [1, 0, 2])
      : g.transpose(g.reshape(w, [group, perGroup, channels, taps]), [0, 2, 1, 3]);
  const last = group === 1 ? 2 : 3;
  const flipped = taps === 1 ? swapped : g.slice(swapped, [-1], [-taps - 1], [last], [-1]);
  return g.reshape(flipped, [group * channels, perGroup, ...kernel]);
}

/** Elements behind the last window that none reaches; undefined if only the running graph knows. */
function restOf({ size, kernel, dilation, stride, pads, count }: Window): number | undefined {
  if (stride === 1) return 0;
  const reach = reachOf({ kernel, dilation });
  if (typeof size !== 'number' || typeof count !== 'number' || reach === undefined || !pads) return undefined;
  return size + pads[0] + pads[1] - (count - 1) * stride - reach;
}

/** Elements of a channel of the image and of the result, if they are known. */
function placesOf(windows: readonly Window[]): { dx: number; dy: number } | undefined {
  const [sizes, counts] = [windows.map(({ size }) => size), windows.map(({ count }) => count ?? '')];
  return isStatic(sizes) && isStatic(counts) ? { dx: total(sizes), dy: total(counts) } : undefined;
}

/**
 * The gradient of a convolution by its image.
 *
 * @param x - the image: only its shape is used.
 * @param form - overrides the cost rule, to measure it.
 */
export function imageGradient(
  g: GraphBuilder,
  dy: Value,
  w: Value,
  x: Value,
  { windows, group }: Correlation,
  form?: ImageForm,
): Value {
  const dilations = windows.map(({ dilation }) => dilation);
  const pads = turnedPads(windows);
  if (pads && isStatic(w.shape) && (form ?? imageForm(w.shape, group, placesOf(windows))) === 'turned') {
    const dx = g.conv(dy, turned(g, w, group), undefined, { pads: padList(pads), dilations, group });
    return g.reshapeLike(dx, x);
  }
  const rests = windows.map(restOf);
  const dx = g.convTranspose(dy, w, undefined, {
    strides: windows.map(({ stride }) => stride),
    dilations,
    group,
    pads: padList(windows.map((window) => window.pads ?? [0, 0])),
    // enough for any rest; what is too much is cut off
    output_padding: windows.map(({ stride }, i) => rests[i] ?? stride - 1),
  });
  const cropped = rests.reduce((value: Value, rest, i) => {
    const axis = i + 2;
    return rest === undefined ? cut(g, value, { axis, start: 0 }, sizeAlong(g, x, axis)) : value;
  }, dx);
  return g.reshapeLike(cropped, x);
}
