/**
 * Conv: a cross-correlation over 1, 2, 3 or more axes.
 *
 *     y[n, m, p] = b[m] + sum over c, k of x[n, c, s p + d k - before] w[m, c, k]
 *
 * Its gradients are in `convImage.ts` and `convKernel.ts`, or both in `convWinograd.ts`; that of the bias is the sum
 * over batch and positions.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Conv.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { int, ints, type Value } from '../graph/value.ts';
import { mulDims } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { tilesPay, type Wanted } from './convCost.ts';
import { imageGradient } from './convImage.ts';
import { kernelGradient } from './convKernel.ts';
import { imageFromTiles, kernelFromTiles } from './convWinograd.ts';
import { type Correlation, known } from './correlation.ts';
import { freshShape, input, misfit } from './infer.ts';
import { framed } from './margins.ts';
import type { Call, Infer, OperatorTable, Rule } from './operator.ts';
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

/** Gradients by image and kernel: in tiles, or each in its fastest form. */
function correlationGradients(
  g: GraphBuilder,
  [x, w, dy]: readonly [Value, Value, Value],
  correlation: Correlation,
  wanted: Wanted,
): { image: () => Value; kernel: () => Value } {
  const sizes = known(correlation, w.shape, x.shape?.[0]);
  if (sizes && tilesPay(sizes, wanted)) {
    return {
      image: () => imageFromTiles(g, dy, w, x, sizes),
      kernel: () => kernelFromTiles(g, x, dy, sizes),
    };
  }
  return {
    image: () => imageGradient(g, dy, w, x, correlation),
    kernel: () => kernelGradient(g, x, dy, w, correlation),
  };
}

const convRule: Rule = ({ g, node, inputs: [given, w], dy, needs }) => {
  const [x, weight] = [given as Value, w as Value];
  const windows = windowsOf(node, g.knownShape(x).slice(2), kernelOf(node, g.knownShape(weight)));
  const { x: whole, windows: inner, uncover } = framed(g, node, x, windows);
  const correlation = { windows: inner, group: int(node, 'group', 1) };
  const wanted = { image: needs(0), kernel: needs(1) };
  const { image, kernel } = correlationGradients(g, [whole, weight, dy], correlation, wanted);
  return [
    wanted.image ? uncover(image()) : undefined,
    wanted.kernel ? kernel() : undefined,
    needs(2) ? channelSum(g, dy) : undefined,
  ];
};

/** The family. */
export const conv: OperatorTable = {
  Conv: {
    infer: inferConv,
    gradient: convRule,
  },
};
