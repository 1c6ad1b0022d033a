/**
 * Normalization: of layers here, by channels in files of their own.
 *
 * Over the n elements of the last axes, with `z = x - mean`, `inv = 1 / sqrt(var + epsilon)`, `y = scale z inv + bias`:
 *
 *     dbias = sum(dy), dscale = sum(dy z inv), over all other axes
 *     dx = inv (scale dy - mean(scale dy) - z inv^2 mean(scale dy z))
 *
 * RMSNormalization is the same without a mean: z = x.
 *
 * @see https://onnx.ai/onnx/operators/onnx__LayerNormalization.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { DataType } from '../model/model.ts';
import {
  checkFit,
  input,
  int,
  ints,
  inverseDeviation,
  meanSquare,
  type Node,
  normalAxis,
  register,
  sameAsInput,
  type Value,
} from './kit.ts';
import type { Backward, Infer, Rule, TypeInfo } from './operator.ts';

const inferAlongAxis: Infer = (call) => {
  const { shape } = input(call, 0);
  if (shape) normalAxis(call, int(call, 'axis', -1), shape.length);
  return sameAsInput(call);
};

const inferRms: Infer = (call) => {
  checkFit(call, 'scale and bias');
  return inferAlongAxis(call);
};

const inferLayer: Infer = (call) => {
  const [{ dtype, shape }] = inferAlongAxis(call) as [TypeInfo];
  checkFit(call, 'scale and bias');
  const axis = shape && normalAxis(call, int(call, 'axis', -1), shape.length);
  const stash: DataType = int(call, 'stash_type', 1) === 16 ? 'bfloat16' : 'float32';
  const statistic = { dtype: stash, shape: shape?.map((dim, i) => (i < (axis ?? 0) ? dim : 1)) };
  return [{ dtype, shape }, statistic, statistic];
};

/** Axes from the attribute `axis` to the last. */
function lastAxes(g: GraphBuilder, node: Node, x: Value): readonly number[] {
  return [...g.knownShape(x).keys()].slice(int(node, 'axis', -1));
}

/** What a layer was normalized with. */
interface Layer {
  /** x less its mean, if there is one. */
  readonly z: Value;
  /** 1 / sqrt(var + epsilon). */
  readonly inv: Value;
  /** Gradient that arrives at the mean. */
  readonly dMean?: Value | undefined;
  /** Gradient that arrives at `inv`. */
  readonly dInv?: Value | undefined;
}

/** What comes from y: inv (steep - mean(steep) - z inv^2 mean(steep z)), steep being scale dy. */
function throughOutput(
  g: GraphBuilder,
  dy: Value,
  scale: Value,
  x: Value,
  { z, inv }: Layer,
  axes: readonly number[],
): Value {
  const steep = g.mul(dy, scale);
  const isCentred = z !== x;
  const centred = isCentred ? g.sub(steep, g.reduceMean(steep, axes, true)) : steep;
  // dy z is there for the gradient of the scale, too
  const turn = g.mul(g.reduceMean(g.mul(g.mul(dy, z), scale), axes, true), g.mul(inv, inv));
  return g.mul(g.sub(centred, g.mul(z, turn)), inv);
}

/** dx: what comes from y, from `inv` (of which the slope is -z inv^3 / n), and from the mean. */
function inputGradient({ g, node, inputs, gradients }: Backward, layer: Layer): Value {
  const [x, scale] = inputs as readonly [Value, Value];
  const [dy] = gradients;
  const { z, inv, dMean, dInv } = layer;
  const axes = lastAxes(g, node, x);
  const n = (): Value => g.count(x, axes);
  const cube = (): Value => g.mul(inv, g.mul(inv, inv));
  const terms = [
    dy && throughOutput(g, dy, scale, x, layer, axes),
    dInv && g.mul(z, g.neg(g.div(g.mul(dInv, cube()), n()))),
    dMean && g.div(dMean, n()),
  ].filter((term) => term !== undefined);
  return g.expandLike(terms.reduce(g.add), x);
}

/** Mean and deviation from the outputs that the operator offers; these are of single precision, so not for doubles. */
function layerStatistics({ g, node, inputs }: Backward): { z: Value; inv: Value } {
  const x = inputs[0] as Value;
  const dtype = x.dtype ?? 'float32';
  if (dtype !== 'float64') {
    const [, mean, inv] = g.extend(node, 3) as readonly [Value, Value, Value];
    return { z: g.sub(x, g.cast(mean, dtype)), inv: g.cast(inv, dtype) };
  }
  const axes = lastAxes(g, node, x);
  const z = g.sub(x, g.reduceMean(x, axes, true));
  return { z, inv: inverseDeviation(g, node, meanSquare(g, z, axes)) };
}

/** Gradients by input, scale and bias. */
function layerGradients(backward: Backward, layer: Layer): readonly (Value | undefined)[] {
  const { g, inputs, gradients, needs } = backward;
  const [, scale, bias] = inputs as readonly [Value, Value, Value | undefined];
  const [dy] = gradients;
  return [
    needs(0) ? inputGradient(backward, layer) : undefined,
    dy && needs(1) ? g.sumTo(g.mul(g.mul(dy, layer.z), layer.inv), scale) : undefined,
    dy && bias && needs(2) ? g.sumTo(dy, bias) : undefined,
  ];
}

const layerRule: Rule = (backward) => {
  const { g, inputs, gradients } = backward;
  const [dMean, dInv] = gradients
    .slice(1)
    .map((value) => value && g.cast(value, inputs[0]?.dtype ?? 'float32'));
  return layerGradients(backward, { ...layerStatistics(backward), dMean, dInv });
};

const rmsRule: Rule = (backward) => {
  const { g, node, inputs } = backward;
  const x = inputs[0] as Value;
  const inv = inverseDeviation(g, node, meanSquare(g, x, lastAxes(g, node, x)));
  return layerGradients(backward, { z: x, inv });
};

/** y = x / |x|_p: dx = (dy - (y, or for p = 1 the sign of x) sum(dy y)) / |x|_p. */
const lpRule: Rule = ({ g, node, dy, inputs: [x], outputs: [y] }) => {
  const [value, unit] = [x as Value, y as Value];
  const [p, axes] = [int(node, 'p', 2), [int(node, 'axis', -1)]];
  const norm = g.op(p === 1 ? 'ReduceL1' : 'ReduceL2', [value, g.ints(axes)], { keepdims: 1 });
  const isNot0 = g.greater(norm, 0);
  const inverse = g.mul(g.mask(isNot0, norm), g.reciprocal(g.where(isNot0, norm, 1)));
  const along = g.reduceSum(g.mul(dy, unit), axes, true);
  return [g.mul(g.sub(dy, g.mul(p === 1 ? g.sign(value) : unit, along)), inverse)];
};

const varianceAxes = (node: Pick<Node, 'attributes'>): readonly number[] => ints(node, 'axes') ?? [0, 2, 3];

const inferMeanVariance: Infer = (call) => {
  const { shape } = input(call, 0);
  if (shape) for (const axis of varianceAxes(call)) normalAxis(call, axis, shape.length);
  return sameAsInput(call);
};

/** y = (x - mean) / deviation: dx = (dy - mean(dy) - y mean(dy y)) / deviation. */
const meanVarianceRule: Rule = ({ g, node, dy, inputs: [x], outputs: [y] }) => {
  const [value, unit, axes] = [x as Value, y as Value, varianceAxes(node)];
  const mean = (of: Value): Value => g.reduceMean(of, axes, true);
  const deviation = g.sqrt(meanSquare(g, g.sub(value, mean(value)), axes));
  const turn = g.mul(unit, mean(g.mul(dy, unit)));
  return [g.div(g.sub(g.sub(dy, mean(dy)), turn), deviation)];
};

register({
  LayerNormalization: { inputs: 2, infer: inferLayer, gradient: layerRule },
  RMSNormalization: { inputs: 2, infer: inferRms, gradient: rmsRule },
  LpNormalization: { infer: inferAlongAxis, gradient: lpRule },
  MeanVarianceNormalization: { infer: inferMeanVariance, gradient: meanVarianceRule },
});
