/**
 * Normalization over all axes but that of channels.
 *
 * `y = scale (x - mean) / sqrt(var + epsilon) + bias` by channel. With `inv = 1 / sqrt(var + epsilon)`, `a = scale inv`,
 * and over the n elements of a channel `sum = sum(dy)`, `dot = sum(dy (x - mean))`:
 *
 *     dbias = sum,  dscale = inv dot,
 *     given statistics:   dx = a dy,  dmean = -a sum,  dvar = -a inv^2 dot / 2
 *     those of the batch: dx = a (dy - sum / n - (x - mean) inv^2 dot / n)
 *
 * The latter is a line in dy and x with coefficients by channel: `dx = a dy + b x + c`, three passes. Its `dot` is
 * `sum(dy x) - mean sum`, one pass less than with x - mean.
 *
 * @see https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { HasAttributes, Value } from '../graph/value.ts';
import {
  affine,
  channelSum,
  checkVectors,
  float,
  input,
  int,
  inverseDeviation,
  meanSquare,
  misfit,
  nonChannelAxes,
  refuse,
  register,
} from './kit.ts';
import type { Backward, Call, Infer, Operator, Rule } from './operator.ts';

const infer: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (shape && shape.length < 2) misfit(call, 'there must be an axis of channels');
  checkVectors(call, shape?.[1], 'channel');
  const vectors = [1, 2, 3, 4].map((i) => input(call, i));
  return [
    { dtype, shape },
    ...vectors.slice(2).map((vector) => ({ dtype: vector.dtype, shape: vector.shape })),
  ];
};

const isTraining = (node: HasAttributes): boolean => int(node, 'training_mode', 0) === 1;

/** The words of the formulas above, each made when first used. */
function words({ g, node, inputs: [x, scale], dy }: Backward, mean: Value, variance: Value) {
  const input = x as Value;
  const axes = nonChannelAxes(g, input);
  const inv = inverseDeviation(g, node, variance);
  const sum = () => channelSum(g, dy);
  return {
    inv,
    a: g.mul(scale as Value, inv),
    n: g.count(input, axes),
    sum,
    dot: () => g.sub(channelSum(g, g.mul(dy, input)), g.mul(mean, sum())),
    /** A vector that broadcasts over the axes after that of channels. */
    wide: (value: Value) => g.reshape(value, [-1, ...axes.slice(1).map(() => 1)]),
  };
}

const evaluationRule: Rule = (backward) => {
  const { g, dy, inputs, needs } = backward;
  const [mean, variance] = [inputs[3] as Value, inputs[4] as Value];
  const { inv, a, sum, dot, wide } = words(backward, mean, variance);
  return [
    needs(0) ? g.mul(dy, wide(a)) : undefined,
    needs(1) ? g.mul(dot(), inv) : undefined,
    needs(2) ? sum() : undefined,
    needs(3) ? g.neg(g.mul(a, sum())) : undefined,
    needs(4) ? g.mul(g.mul(g.mul(a, g.mul(inv, inv)), dot()), -0.5) : undefined,
  ];
};

const momentumOf = (node: HasAttributes): number => float(node, 'momentum', 0.9);
const epsilonOf = (node: HasAttributes): number => float(node, 'epsilon', 1e-5);

/**
 * Normalizes with the statistics of the batch.
 *
 * onnxruntime writes the running statistics over its inputs 3 and 4, whatever else reads these: shared constants, or
 * tensors of the caller. So they are given copies of elements of x, which nothing else reads, and with momentum 0 what
 * is written are the statistics of x, the same for all that share the copies.
 *
 * @returns y, and mean and (biased) variance by channel.
 */
export function batchNormalize(
  g: GraphBuilder,
  x: Value,
  scale: Value,
  bias: Value,
  epsilon: number,
): readonly [Value, Value, Value] {
  const axes = nonChannelAxes(g, x);
  const first = g.slice(
    x,
    axes.map(() => 0),
    axes.map(() => 1),
    axes,
  );
  const scratch = g.reshape(first, [-1]);
  return g.ops(
    'BatchNormalization',
    [x, scale, bias, scratch, g.abs(scratch)],
    { training_mode: 1, momentum: 0, epsilon },
    3,
  ) as unknown as readonly [Value, Value, Value];
}

/** What {@link batchNormalize} gives, in plain operators: for execution providers that cannot train with its node. */
export const plainBatchNormalize: typeof batchNormalize = (g, x, scale, bias, epsilon) => {
  const axes = nonChannelAxes(g, x);
  const wide = (value: Value): Value => g.reshape(value, [-1, ...axes.slice(1).map(() => 1)]);
  const mean = g.reduceMean(x, axes, true);
  const centered = g.sub(x, mean);
  const variance = meanSquare(g, centered, axes);
  const normal = g.div(centered, g.sqrt(g.add(variance, epsilon)));
  const y = g.add(g.mul(normal, wide(scale)), wide(bias));
  return [y, g.reshape(mean, [-1]), g.reshape(variance, [-1])];
};

/** Outputs 1 and 2 are `momentum input + (1 - momentum) statistic`; they pass on what arrives at them. */
const trainingRule: Rule = (backward) => {
  const { g, node, inputs, gradients, needs } = backward;
  const [dy, dMean, dVariance] = gradients;
  const momentum = momentumOf(node);
  const scaled = (value: Value | undefined, by: number): Value | undefined =>
    value && by !== 0 ? g.mul(value, by) : undefined;
  const [x, scale, bias] = inputs as readonly [Value, Value, Value];
  // the node itself if it came from a file, else a second pass, which costs half of what reductions would
  const [, mean, variance] = batchNormalize(g, x, scale, bias, epsilonOf(node));
  const { inv, sum, dot } = words(backward, mean, variance);
  const arriving = [scaled(dMean, 1 - momentum), scaled(dVariance, 1 - momentum)] as const;
  return [
    needs(0) ? inputGradient(backward, mean, variance, arriving) : undefined,
    dy && needs(1) ? g.mul(dot(), inv) : undefined,
    dy && needs(2) ? sum() : undefined,
    needs(3) ? scaled(dMean, momentum) : undefined,
    needs(4) ? scaled(dVariance, momentum) : undefined,
  ];
};

/** dx = a dy + b x + c, of which a gradient by mean and variance adds to b and c. */
function inputGradient(
  backward: Backward,
  mean: Value,
  variance: Value,
  [dMean, dVariance]: readonly [Value | undefined, Value | undefined],
): Value | undefined {
  const { g, inputs, gradients } = backward;
  const [x, dy] = [inputs[0] as Value, gradients[0]];
  const { inv, a, n, sum, dot, wide } = words(backward, mean, variance);
  const slopes = [
    dy && g.neg(g.mul(g.mul(a, g.mul(inv, inv)), dot())),
    dVariance && g.mul(dVariance, 2),
  ].filter((term) => term !== undefined);
  const b = slopes.length > 0 ? g.div(g.sum(slopes), n) : undefined;
  const offsets = [dy && g.neg(g.mul(a, sum())), dMean].filter((term) => term !== undefined);
  const mid = offsets.length > 0 ? g.div(g.sum(offsets), n) : g.zerosLike(mean);
  const c = b ? g.sub(mid, g.mul(b, mean)) : mid;
  if (!dy) return b ? affine(g, x, b, c) : g.expandLike(wide(c), x);
  return g.add(affine(g, dy, a, c), g.mul(x, wide(b as Value)));
}

/** Training in a file: running statistics are mixed outside of the node. Before set 14, more outputs mean training. */
const upgrade: NonNullable<Operator['upgrade']> = (g, call, opset) => {
  const isTrained = opset < 14 ? call.outputCount > 1 : isTraining(call);
  infer(call);
  const [x, scale, bias, runningMean, runningVariance] = call.inputs as Inputs;
  if (!isTrained || !x.shape || !areOfOneType(call.inputs)) return call;
  const [y, mean, variance] = batchNormalize(g, x, scale, bias, epsilonOf(call));
  const momentum = momentumOf(call);
  const mixed = (before: Value, now: Value): Value =>
    g.add(g.mul(before, momentum), g.mul(now, 1 - momentum));
  const results = [y, mixed(runningMean, mean), mixed(runningVariance, variance), mean, variance];
  return results.slice(0, call.outputCount);
};

type Inputs = readonly [Value, Value, Value, Value, Value];
const areOfOneType = (inputs: Call['inputs']): boolean =>
  inputs.every((value) => value?.dtype === inputs[0]?.dtype);

register({
  BatchNormalization: {
    inputs: 5,
    infer,
    gradient: (backward) => {
      const { node, inputs } = backward;
      if (!areOfOneType(inputs)) refuse(node, 'inputs must be of one type');
      return isTraining(node) ? trainingRule(backward) : evaluationRule(backward);
    },
    upgrade,
  },
});
