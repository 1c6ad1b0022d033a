/**
 * Conv: a cross-correlation over 1, 2, 3 or more axes.
 *
 *     y[n, m, p] = b[m] + sum over c, k of x[n, c, s p + d k - before] w[m, c, k]
 *
 * Its gradients are in `convImage.ts` and `convKernel.ts`; that of the bias is the sum over batch and positions. One
 * that is trained may be made of other products altogether: `convWinograd.ts`.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Conv.html
 */

import { int, ints, type Value } from '../graph/value.ts';
import { isStatic, mulDims } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { tilesPay } from './convCost.ts';
import { imageGradient } from './convImage.ts';
import { kernelGradient } from './convKernel.ts';
import { inTiles } from './convWinograd.ts';
import { known } from './correlation.ts';
import { freshShape, input, misfit } from './infer.ts';
import { framed } from './margins.ts';
import type { Call, Infer, Operator, OperatorTable, Rule } from './operator.ts';
import { channelSum } from './statistics.ts';
import { type Sliding, windowsOf } from './windows.ts';

/** Taps by axis: the weight's own, completed by the attribute. Throws if they contradict each other. */
export function kernelOf(node: Sliding, w: Shape): Shape {
  const kernel = w.slice(2);
  const given = ints(node, 'kernel_shape');
  if (!given) return kernel;
  if (given.length !== kernel.length || kernel.some((dim, i) => typeof dim === 'number' && dim !== given[i]))
    misfit(node, `kernel_shape must be that of the weight, not [${given}]`);
  return given;
}

/** Throws unless image, weight and bias have as many axes and channels as they must. */
export function checkChannels(call: Call, x: Shape, w: Shape, [own, other]: readonly [Dim, Dim]): void {
  const group = int(call, 'group', 1);
  if (x.length < 3 || x.length !== w.length)
    misfit(call, 'image and weight must have 3 axes or more, as many as each other');
  if (group < 1 || (typeof own === 'number' && own % group !== 0))
    misfit(call, `group must divide ${own} channels of the weight, not ${group}`);
  const channels = x[1];
  if (typeof channels === 'number' && typeof other === 'number' && channels !== other)
    misfit(call, `the weight must have ${channels} channels, not ${other}`);
}

/** Throws unless the bias is a vector of as many elements as there are channels. */
export function checkBias(call: Call, channels: Dim): void {
  const shape = call.inputs[2]?.shape;
  const [size] = shape ?? [];
  const differs = typeof size === 'number' && typeof channels === 'number' && size !== channels;
  if (shape && (shape.length !== 1 || differs)) misfit(call, `the bias must have ${channels} elements`);
}

/** What is known of a result where image or weight have no shape. */
export function looseShape(call: Call, x: Shape | undefined, outputs: Dim | undefined): Shape | undefined {
  const rank = (x ?? call.inputs[1]?.shape)?.length;
  if (rank === undefined) return undefined;
  return [x?.[0] ?? call.fresh(), outputs ?? call.fresh(), ...freshShape(call, Math.max(0, rank - 2))];
}

const inferConv: Infer = (call) => {
  const [{ dtype, shape: x }, { shape: w }] = [input(call, 0), input(call, 1)];
  if (!x || !w) return [{ dtype, shape: looseShape(call, x, w?.[0]) }];
  // a weight of too few axes is refused with its other faults
  const [outputs = 1, channels = 1] = w;
  checkChannels(call, x, w, [outputs, mulDims(channels, int(call, 'group', 1))]);
  checkBias(call, outputs);
  const windows = windowsOf(call, x.slice(2), kernelOf(call, w));
  return [{ dtype, shape: [x[0] as Dim, outputs, ...windows.map(({ count }) => count ?? call.fresh())] }];
};

const convRule: Rule = ({ g, node, inputs: [image, w], dy, needs }) => {
  const [x, weight] = [image as Value, w as Value];
  const kernel = kernelOf(node, g.knownShape(weight));
  const {
    x: whole,
    windows,
    uncover,
  } = framed(g, node, x, windowsOf(node, g.knownShape(x).slice(2), kernel));
  const correlation = { windows, group: int(node, 'group', 1) };
  return [
    needs(0) ? uncover(imageGradient(g, dy, weight, whole, correlation)) : undefined,
    needs(1) ? kernelGradient(g, whole, dy, weight, correlation) : undefined,
    needs(2) ? channelSum(g, dy) : undefined,
  ];
};

/** A convolution that is trained is cut in tiles where that pays; its gradients follow. */
const tiled: NonNullable<Operator['rewrite']> = (g, call) => {
  const [x, w, b] = call.inputs;
  // what a file says may make no sense
  inferConv(call);
  if (!w?.isParameter || !x?.shape || !isStatic(w.shape)) return undefined;
  const windows = windowsOf(call, x.shape.slice(2), kernelOf(call, w.shape));
  const sizes = known({ windows, group: int(call, 'group', 1) }, w.shape, x.shape[0]);
  if (!sizes || !tilesPay(sizes, x.node !== undefined)) return undefined;
  const y = inTiles(g, x, w, sizes);
  const axes = windows.map((_, i) => i + 1);
  return [b ? g.add(y, g.unsqueeze(b, axes)) : y];
};

/** The family. */
export const conv: OperatorTable = {
  Conv: {
    inputs: 2,
    infer: inferConv,
    gradient: convRule,
    rewrite: tiled,
  },
};
