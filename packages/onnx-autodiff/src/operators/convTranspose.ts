/**
 * ConvTranspose: the adjoint of a convolution, so that its gradients are those of a convolution with dy for its image
 * and x for its result.
 *
 *     y[n, m, s p + d k - before] += x[n, c, p] w[c, m, k]
 *     size of y = s (n - 1) + output_padding + d (k - 1) + 1 - before - after
 *
 * @see https://onnx.ai/onnx/operators/onnx__ConvTranspose.html
 */

import { int, ints, text, type Value } from '../graph/value.ts';
import { addDims, mulDims, subDims } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { checkBias, checkChannels, kernelOf, looseShape } from './conv.ts';
import { kernelGradient } from './convKernel.ts';
import { input, misfit } from './infer.ts';
import type { Infer, OperatorTable, Rule } from './operator.ts';
import { refuse } from './sizes.ts';
import { channelSum } from './statistics.ts';
import {
  explicitPads,
  halves,
  listOf,
  padList,
  reachOf,
  type Sliding,
  stepsOf,
  type Window,
} from './windows.ts';

/** Size of the result along an axis before anything is cut off; undefined if the taps are not known. */
function fullSize(
  count: Dim,
  extra: number,
  axis: Pick<Window, 'kernel' | 'stride' | 'dilation'>,
): Dim | undefined {
  const reach = reachOf(axis);
  return reach === undefined ? undefined : addDims(mulDims(addDims(count, -1), axis.stride), extra + reach);
}

/** Size of the result, and what is cut off before and after it. */
function cutOff(
  node: Sliding,
  full: Dim | undefined,
  wanted: Dim | undefined,
  explicit: readonly [number, number],
): { size: Dim | undefined; pads: Window['pads'] } {
  if (full === undefined) return { size: wanted, pads: wanted === undefined ? explicit : undefined };
  if (wanted === undefined) return { size: subDims(full, explicit[0] + explicit[1]), pads: explicit };
  const total = subDims(full, wanted);
  if (typeof total !== 'number') return { size: wanted, pads: undefined };
  if (total < 0) misfit(node, `output_shape must be at most ${full}, not ${wanted}`);
  return { size: wanted, pads: halves(total, text(node, 'auto_pad', 'NOTSET') === 'SAME_UPPER') };
}

/** Windows of the convolution whose adjoint this is: over the result, as many as there are elements of x. */
function adjointWindows(
  node: Sliding,
  counts: Shape,
  kernel: Shape,
): readonly (Omit<Window, 'size'> & { size: Dim | undefined })[] {
  const rank = counts.length;
  if (kernel.length !== rank) misfit(node, `a kernel of ${kernel.length} axes must slide over as many`);
  const steps = stepsOf(node, rank);
  const explicit = explicitPads(node, rank);
  const extra = listOf(node, 'output_padding', rank, 0, 0);
  // room for another window, which no runtime computes
  if (extra.some((amount, i) => amount >= (steps[i] as (typeof steps)[number]).stride))
    misfit(node, `output_padding must be less than strides, not [${extra}]`);
  const shape = ints(node, 'output_shape') && listOf(node, 'output_shape', rank, 1, 1);
  const auto = text(node, 'auto_pad', 'NOTSET');
  return counts.map((count, i) => {
    const axis = { kernel: kernel[i] as Dim, ...(steps[i] as (typeof steps)[number]), count };
    const full = fullSize(count, extra[i] as number, axis);
    // no zeros are added where kernels leave gaps: the result is smaller then
    const isWide = (extra[i] as number) + (reachOf(axis) ?? axis.stride) >= axis.stride;
    const same = auto.startsWith('SAME') && isWide ? mulDims(count, axis.stride) : undefined;
    const pads = auto === 'NOTSET' ? (explicit[i] as readonly [number, number]) : ([0, 0] as const);
    return { ...axis, ...cutOff(node, full, shape?.[i] ?? same, pads) };
  });
}

const inferConvTranspose: Infer = (call) => {
  const [{ dtype, shape: x }, { shape: w }] = [input(call, 0), input(call, 1)];
  const outputs = w?.[1] === undefined ? undefined : mulDims(w[1], int(call, 'group', 1));
  if (!x || !w || outputs === undefined) return [{ dtype, shape: looseShape(call, x, outputs) }];
  checkChannels(call, x, w, [w[0] as Dim, w[0] as Dim]);
  checkBias(call, outputs);
  const windows = adjointWindows(call, x.slice(2), kernelOf(call, w));
  return [{ dtype, shape: [x[0] as Dim, outputs, ...windows.map(({ size }) => size ?? call.fresh())] }];
};

const convTransposeRule: Rule = ({ g, node, inputs, outputs: [y], dy, needs }) => {
  const [x, w] = inputs as [Value, Value];
  const counts = g.knownShape(x).slice(2);
  const sizes = g.knownShape(y as Value).slice(2);
  const windows = adjointWindows(node, counts, kernelOf(node, g.knownShape(w))).map((window, i): Window => {
    if (!window.pads) refuse(node, 'output_shape needs a kernel and an input of known size to differentiate');
    return { ...window, size: sizes[i] as Dim };
  });
  const group = int(node, 'group', 1);
  const image = (): Value => {
    const attributes = {
      strides: windows.map(({ stride }) => stride),
      dilations: windows.map(({ dilation }) => dilation),
      pads: padList(windows.map(({ pads }) => pads ?? [0, 0])),
    };
    return g.reshapeLike(g.conv(dy, w, undefined, { ...attributes, group }), x);
  };
  return [
    needs(0) ? image() : undefined,
    needs(1) ? kernelGradient(g, dy, x, w, { windows, group }) : undefined,
    needs(2) ? channelSum(g, dy) : undefined,
  ];
};

/** The family. */
export const convTranspose: OperatorTable = {
  ConvTranspose: {
    inputs: 2,
    infer: inferConvTranspose,
    gradient: convTransposeRule,
  },
};
