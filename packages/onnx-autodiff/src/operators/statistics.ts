/** Sums and deviations by channel or layer: what normalizations, and the biases of convolutions, have in common. */

import type { GraphBuilder } from '../graph/builder.ts';
import { float, type HasAttributes, type Value } from '../graph/value.ts';
import type { Dim } from '../model/model.ts';
import { misfit } from './infer.ts';
import type { Call } from './operator.ts';

/** Throws unless inputs from the second on are vectors with an element for each of `size`. */
export function checkVectors(call: Call, size: Dim | undefined, what: string): void {
  for (const { shape } of call.inputs.slice(1).filter((value) => value !== undefined)) {
    const length = shape?.[0];
    const differs = typeof length === 'number' && typeof size === 'number' && length !== size;
    if (shape && (shape.length !== 1 || differs)) misfit(call, `there must be one number for each ${what}`);
  }
}

/** `1 / sqrt(variance + epsilon)`. */
export const inverseDeviation = (g: GraphBuilder, node: HasAttributes, variance: Value): Value =>
  g.reciprocal(g.sqrt(g.add(variance, float(node, 'epsilon', 1e-5))));

/** Mean of squares along axes, which are kept. onnxruntime is slower at ReduceSumSquare. */
export const meanSquare = (g: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  g.reduceMean(g.mul(x, x), axes, true);

/** All axes but that of channels. */
export const nonChannelAxes = (g: GraphBuilder, x: Value): readonly number[] =>
  [...g.knownShape(x).keys()].filter((axis) => axis !== 1);

/** Sum by channel: first over positions, then over examples, which onnxruntime does up to 3 times as fast as both. */
export function channelSum(g: GraphBuilder, x: Value): Value {
  const [, ...positions] = nonChannelAxes(g, x);
  return g.reduceSum(positions.length > 0 ? g.reduceSum(x, positions) : x, [0]);
}

/** `scale x + bias` with a number for each entry of axis 1: onnxruntime does it in one pass. */
export function affine(g: GraphBuilder, x: Value, scale: Value, bias: Value): Value {
  const one = g.expandLike(g.scalar(1, scale.dtype), scale);
  return g.op('BatchNormalization', [x, scale, bias, g.zerosLike(scale), one], { epsilon: 0 });
}
