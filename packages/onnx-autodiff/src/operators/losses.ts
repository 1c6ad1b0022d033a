/**
 * Losses over classes, axis 1 of [N, C, d1, ...].
 *
 * With log-probabilities `l`, labels `t`, weights `w` and `v = 1` where a label counts, `nll = -w[t] v l[t]`, and `L` is
 * `nll`, its sum, or its sum over `Z = sum w[t] v`. The gradient by an example is `c = dL w[t] v / Z`: `dl = -c` at the
 * label and 0 elsewhere, and through the softmax `dx = c (e^l - onehot(t))`.
 *
 * @see https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html, torch.nn.functional.cross_entropy
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { int, text, type Value } from '../graph/value.ts';
import type { Shape } from '../model/model.ts';
import { input, misfit } from './infer.ts';
import type { Backward, Call, Infer, OperatorTable, Rule } from './operator.ts';

/** Throws if two shapes that must be one are known to differ. */
function mustAgree(call: Call, a: Shape, b: Shape, wrong: string): void {
  const differ = (i: number): boolean =>
    typeof a[i] === 'number' && typeof b[i] === 'number' && a[i] !== b[i];
  if (a.length !== b.length || a.some((_, i) => differ(i))) misfit(call, wrong);
}

const inferLoss: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  const { shape: labels } = input(call, 1);
  const weights = call.inputs[2]?.shape;
  const reduction = text(call, 'reduction', 'mean');
  if (!['none', 'mean', 'sum'].includes(reduction))
    misfit(call, `reduction must be none, mean or sum, not ${JSON.stringify(reduction)}`);
  if (shape && shape.length < 2) misfit(call, 'scores must be [N, C, ...]');
  const examples = shape && [...shape.slice(0, 1), ...shape.slice(2)];
  if (examples && labels) mustAgree(call, examples, labels, 'labels must be [N, ...] like the scores');
  if (weights) mustAgree(call, weights, [shape?.[1] ?? 'C'], 'weights must be [C]');
  const loss = { dtype, shape: reduction === 'none' ? (labels ?? examples) : [] };
  return [loss, { dtype, shape }].slice(0, Math.max(1, call.outputCount));
};

/** What the rules of both losses share. */
interface Labels {
  /** Labels in [0, C): those that are ignored are 0. */
  readonly safe: Value;
  /** 1 where a label counts, 0 where it is ignored; undefined if all count. */
  readonly counts: Value | undefined;
  /** What a mean divides by; undefined for other reductions. */
  readonly total: Value | undefined;
}

function labelsOf({ g, node, inputs: [x, labels, weights] }: Backward): Labels {
  const [scores, given] = [x as Value, labels as Value];
  const ignored = node.attributes['ignore_index'] && int(node, 'ignore_index', 0);
  const valid = ignored === undefined ? undefined : g.not(g.equal(given, ignored));
  const safe = valid ? g.where(valid, given, 0) : given;
  const counts = valid && g.mask(valid, scores);
  const weight = weights && weigh(g, g.gather(weights, safe), counts);
  const summed = weight ?? counts;
  const examples = g.knownShape(scores).flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const mean = text(node, 'reduction', 'mean') === 'mean';
  return {
    safe,
    counts,
    total: mean ? (summed ? g.reduceSum(summed) : g.count(scores, examples)) : undefined,
  };
}

/** `x` where the label counts. */
const weigh = (g: GraphBuilder, x: Value, counts: Value | undefined): Value =>
  counts ? g.mul(x, counts) : x;

/** Elements at the labels: -l[t], shaped like the labels. */
const negativeAt = (g: GraphBuilder, logProbabilities: Value, safe: Value): Value =>
  g.neg(g.squeeze(g.gatherElements(logProbabilities, g.unsqueeze(safe, [1]), 1), [1]));

/** Gradient by the loss of each example before weights and sums, times its weight: c, shaped like the labels. */
function perExample({ g, inputs: [, , weights], dy }: Backward, { safe, counts, total }: Labels): Value {
  const scaled = total ? g.div(dy, total) : dy;
  const weighted = weights ? g.mul(g.gather(weights, safe), scaled) : scaled;
  return g.expandLike(weigh(g, weighted, counts), safe);
}

/** Adds -c at the labels to `base`. */
const subtractAt = (g: GraphBuilder, base: Value, safe: Value, c: Value): Value =>
  g.op('ScatterElements', [base, g.unsqueeze(safe, [1]), g.neg(g.unsqueeze(c, [1]))], {
    axis: 1,
    reduction: 'add',
  });

/** Gradient by the weights: the losses of the examples of a class; those of a mean less the mean. */
function byWeights(backward: Backward, labels: Labels, logProbabilities: Value): Value {
  const { g, inputs, outputs, dy } = backward;
  const { safe, counts, total } = labels;
  const losses = negativeAt(g, logProbabilities, safe);
  const moved = total ? g.div(g.sub(losses, outputs[0] as Value), total) : losses;
  const each = weigh(g, g.mul(moved, dy), counts);
  return g.op(
    'ScatterElements',
    [g.zerosLike(inputs[2] as Value), g.reshape(safe, [-1]), g.reshape(each, [-1])],
    { axis: 0, reduction: 'add' },
  );
}

const crossEntropyRule: Rule = (backward) => {
  const { g, node, gradients, needs } = backward;
  const logProbabilities = g.extend(node, 2)[1] as Value;
  const [dy, dl] = gradients;
  const probabilities = g.exp(logProbabilities);
  // through the log-softmax: dl - softmax sum dl
  const direct = dl && needs(0) ? g.sub(dl, g.mul(probabilities, g.reduceSum(dl, [1], true))) : undefined;
  if (!dy) return [direct];
  const labels = labelsOf(backward);
  const byScores = (): Value => {
    const c = perExample(backward, labels);
    const dx = subtractAt(g, g.mul(probabilities, g.unsqueeze(c, [1])), labels.safe, c);
    return direct ? g.add(dx, direct) : dx;
  };
  return [
    needs(0) ? byScores() : undefined,
    undefined,
    needs(2) ? byWeights(backward, labels, logProbabilities) : undefined,
  ];
};

const negativeLogLikelihoodRule: Rule = (backward) => {
  const { g, inputs, needs } = backward;
  const [x] = inputs as [Value];
  const labels = labelsOf(backward);
  return [
    needs(0) ? subtractAt(g, g.zerosLike(x), labels.safe, perExample(backward, labels)) : undefined,
    undefined,
    needs(2) ? byWeights(backward, labels, x) : undefined,
  ];
};

/** The family. */
export const losses: OperatorTable = {
  SoftmaxCrossEntropyLoss: {
    inputs: 2,
    infer: inferLoss,
    gradient: crossEntropyRule,
  },
  NegativeLogLikelihoodLoss: {
    inputs: 2,
    infer: inferLoss,
    gradient: negativeLogLikelihoodRule,
  },
};
