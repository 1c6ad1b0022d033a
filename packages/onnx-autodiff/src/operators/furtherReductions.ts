/**
 * Norms, products, logarithms of sums, and the running sum.
 *
 * @see https://onnx.ai/onnx/operators/onnx__ReduceProd.html and its neighbours.
 */

import {
  axesOf,
  input,
  int,
  normalAxis,
  numbersIn,
  reduction,
  refuse,
  register,
  restore,
  type Value,
} from './kit.ts';
import type { Infer, Rule } from './operator.ts';
import { exclusiveProducts } from './reduceProd.ts';

const productRule: Rule = (backward) => {
  const { g, node, inputs } = backward;
  const x = inputs[0] as Value;
  const axes = axesOf(node, g.rank(x));
  if (!axes) refuse(node, 'axes must be constant to differentiate');
  return [g.expandLike(g.mul(restore(backward, backward.dy), exclusiveProducts(g, x, axes)), x)];
};

const inferCumSum: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  const axis = numbersIn(call, 1)?.[0];
  if (shape && axis !== undefined) normalAxis(call, axis, shape.length);
  return [{ dtype, shape }];
};

/** What comes after x is what x goes into: the same sum, the other way round. */
const cumSumRule: Rule = ({ g, node, inputs: [, axis], dy }) => [
  g.op('CumSum', [dy, axis], {
    exclusive: int(node, 'exclusive', 0),
    reverse: 1 - int(node, 'reverse', 0),
  }),
];

register(
  {
    ReduceL1: reduction(({ g, x, dy }) => g.mul(dy, g.sign(x))),
    // x dy / y; at 0 there is nothing to divide by
    ReduceL2: reduction(({ g, x, y, dy }) => g.mul(x, g.div(dy, g.where(g.equal(y(), 0), 1, y())))),
    ReduceLogSum: reduction(({ g, y, dy }) => g.div(dy, g.exp(y()))),
    ReduceLogSumExp: reduction(({ g, x, y, dy }) => g.mul(dy, g.exp(g.sub(x, y())))),
    CumSum: { inputs: 2, infer: inferCumSum, gradient: cumSumRule },
  },
  { ReduceProd: productRule },
);
