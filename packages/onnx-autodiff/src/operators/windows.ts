/**
 * Windows that slide over the axes of an image: what convolutions and poolings have in common.
 *
 * Along an axis of n elements, with zeros before and after it, a window of k taps, d apart, moves in steps of s:
 *
 *     count = floor((n + before + after - d (k - 1) - 1) / s) + 1
 *
 * With `ceil_mode` the quotient is rounded up, but a window must begin at an element or in the zeros before them.
 * `auto_pad` asks for `ceil(n / s)` windows, with an odd zero behind (`SAME_UPPER`) or in front (`SAME_LOWER`).
 *
 * @see https://onnx.ai/onnx/operators/onnx__Conv.html
 * @see https://onnx.ai/onnx/operators/onnx__MaxPool.html
 */

import { type HasAttributes, int, ints, text } from '../graph/value.ts';
import { addDims, ceilDiv, floorDiv } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { misfit } from './infer.ts';
import type { Call } from './operator.ts';

/** How windows slide along one axis. */
export interface Window {
  /** Elements of the image along the axis. */
  readonly size: Dim;
  /** Taps. */
  readonly kernel: Dim;
  /** Step from a window to the next. */
  readonly stride: number;
  /** Distance between taps. */
  readonly dilation: number;
  /** Zeros before and after; undefined where only the running graph knows them, or runtimes do not agree. */
  readonly pads: readonly [number, number] | undefined;
  /** Number of windows; undefined where it has no name. */
  readonly count: Dim | undefined;
}

/** An operator with windows: a node, or a call that is still to become one. */
export type Sliding = HasAttributes & Pick<Call, 'op' | 'inputs'>;

/** Elements that a window reaches over; undefined if its taps are not known. */
export const reachOf = ({ kernel, dilation }: Pick<Window, 'kernel' | 'dilation'>): number | undefined =>
  typeof kernel === 'number' ? dilation * (kernel - 1) + 1 : undefined;

/** A list attribute with an entry for each axis, each at least `least`. */
export function listOf(
  node: Sliding,
  name: string,
  length: number,
  missing: number,
  least: number,
): readonly number[] {
  const given = ints(node, name);
  if (!given || given.length === 0) return new Array<number>(length).fill(missing);
  if (given.length !== length || given.some((value) => value < least))
    misfit(node, `${name} must have ${length} entries of at least ${least}, not [${given}]`);
  return given;
}

/** Steps and distances by axis. */
export function stepsOf(node: Sliding, rank: number): readonly Pick<Window, 'stride' | 'dilation'>[] {
  const strides = listOf(node, 'strides', rank, 1, 1);
  const dilations = listOf(node, 'dilations', rank, 1, 1);
  return strides.map((stride, i) => ({ stride, dilation: dilations[i] as number }));
}

/** Zeros by axis as the attribute says. */
export function explicitPads(node: Sliding, rank: number): readonly (readonly [number, number])[] {
  const pads = listOf(node, 'pads', 2 * rank, 0, 0);
  return Array.from({ length: rank }, (_, i) => [pads[i] as number, pads[i + rank] as number]);
}

/** An amount in two halves; the odd one goes behind, or in front. */
export const halves = (total: number, isUpper: boolean): readonly [number, number] => {
  const less = Math.floor(total / 2);
  return isUpper ? [less, total - less] : [total - less, less];
};

/** Zeros for as many windows as steps. */
function samePads(isUpper: boolean, axis: Omit<Window, 'pads' | 'count'>): Window['pads'] {
  const { size, kernel, stride, dilation } = axis;
  // where windows do not touch, or have gaps, runtimes place them differently
  if (typeof kernel !== 'number' || dilation !== 1 || kernel < stride - 2) return undefined;
  if (typeof size !== 'number') return stride === 1 ? halves(kernel - 1, isUpper) : undefined;
  return halves(Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size), isUpper);
}

/** Windows of known zeros. */
function countOf(node: Sliding, axis: Omit<Window, 'count'>): Dim | undefined {
  const { size, stride, pads } = axis;
  const reach = reachOf(axis);
  if (!pads || reach === undefined) return undefined;
  const room = addDims(size, pads[0] + pads[1] - reach);
  if (typeof room === 'number' && room < 0)
    misfit(node, `windows of ${reach} must fit into ${size} and ${pads} zeros`);
  if (int(node, 'ceil_mode', 0) === 0) return addDims(floorDiv(room, stride), 1);
  if (stride === 1) return addDims(room, 1);
  if (typeof room !== 'number') return undefined;
  const count = Math.ceil(room / stride) + 1;
  return (count - 1) * stride >= (size as number) + pads[0] ? count - 1 : count;
}

/**
 * Windows of a node over an image.
 *
 * @param sizes - of the image, without batch and channels.
 * @param kernel - taps by axis.
 */
export function windowsOf(node: Sliding, sizes: Shape, kernel: Shape): readonly Window[] {
  const rank = sizes.length;
  if (kernel.length !== rank) misfit(node, `a kernel of ${kernel.length} axes must slide over as many`);
  const steps = stepsOf(node, rank);
  const auto = text(node, 'auto_pad', 'NOTSET');
  const isSame = auto === 'SAME_UPPER' || auto === 'SAME_LOWER';
  const explicit = explicitPads(node, rank);
  return sizes.map((size, i) => {
    const axis = { size, kernel: kernel[i] as Dim, ...(steps[i] as (typeof steps)[number]) };
    if (isSame) {
      const pads = samePads(auto === 'SAME_UPPER', axis);
      return { ...axis, pads, count: axis.dilation === 1 ? ceilDiv(size, axis.stride) : undefined };
    }
    const padded = { ...axis, pads: auto === 'VALID' ? ([0, 0] as const) : explicit[i] };
    return { ...padded, count: countOf(node, padded) };
  });
}

/** Zeros as ONNX lists them: all before, then all after. */
export const padList = (pads: readonly (readonly [number, number])[]): readonly number[] => [
  ...pads.map(([before]) => before),
  ...pads.map(([, after]) => after),
];
