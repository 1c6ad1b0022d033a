/**
 * Softmax and its relatives, along one axis.
 *
 * `y = softmax(x)`: `dx = y (dy - sum(dy y))`; `y = log softmax(x)`: `dx = dy - e^y sum(dy)`.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Softmax.html
 */

import { int, type Value } from '../graph/value.ts';
import { input, normalAxis, sameAsInput } from './infer.ts';
import type { Backward, Infer, OperatorTable, Rule } from './operator.ts';

const inferAlongAxis: Infer = (call) => {
  const { shape } = input(call, 0);
  if (shape) normalAxis(call, int(call, 'axis', -1), shape.length);
  return sameAsInput(call);
};

const sumAlong = ({ g, node }: Backward, x: Value): Value => g.reduceSum(x, [int(node, 'axis', -1)], true);

const softmaxRule: Rule = (backward) => {
  const { g, dy, outputs } = backward;
  const y = outputs[0] as Value;
  const weighed = g.mul(dy, y);
  return [g.sub(weighed, g.mul(y, sumAlong(backward, weighed)))];
};

const logSoftmaxRule: Rule = (backward) => {
  const { g, dy, outputs } = backward;
  return [g.sub(dy, g.mul(g.exp(outputs[0] as Value), sumAlong(backward, dy)))];
};

/** The family. */
export const softmax: OperatorTable = {
  Softmax: { infer: inferAlongAxis, gradient: softmaxRule },
  LogSoftmax: { infer: inferAlongAxis, gradient: logSoftmaxRule },
  Hardmax: { infer: inferAlongAxis, gradient: 'zero' },
};
