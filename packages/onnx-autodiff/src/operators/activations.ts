/**
 * Activations: elementwise functions with `dx = dy f'(x)`, the slope written with `y = f(x)` where that saves work. Here
 * are those that GraphBuilder has words for, and what their gradients need.
 *
 * Conditions become 0 and 1 and are multiplied: onnxruntime is quicker at that than at Where.
 *
 * @see https://onnx.ai/onnx/operators for the formulas, PyTorch's functional activations for the kinks.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { float, type Node, type Value } from '../graph/value.ts';
import { sameAsInput } from './infer.ts';
import type { Operator, OperatorTable, Rule } from './operator.ts';

/** The derivative of an activation at `x`, where it gave `y`. */
export type Slope = (g: GraphBuilder, x: Value, y: Value, node: Node) => Value;

/** An operator from its slope. */
export const from = (slope: Slope): Operator => ({
  infer: sameAsInput,
  gradient: ({ g, node, dy, inputs: [x], outputs: [y] }) => [
    g.mul(dy, slope(g, x as Value, y as Value, node)),
  ],
});

/**
 * 1 where `x` is positive, else 0. A line so steep that no normal number lies between is one pass less than to compare
 * and cast; onnxruntime has it for float32 only.
 */
export const positive = (g: GraphBuilder, x: Value): Value =>
  x.dtype === 'float32' ? g.op('HardSigmoid', [x], { alpha: 2 ** 127, beta: 0 }) : g.mask(g.greater(x, 0), x);

/** Gradients that are 0 wherever the slope of a Relu is, with the Relu's result. */
const masked = new WeakMap<Value, Value>();

/**
 * Says that a gradient by the result of a Relu is 0 wherever its slope is: then it is also that by its argument.
 *
 * @param y - the Relu's result.
 */
export const setMasked = (gradient: Value, y: Value): void => {
  masked.set(gradient, y);
};

const relu = from((g, _x, y) => positive(g, y));

const reluRule: Rule = (backward) => {
  const { dy, outputs } = backward;
  return masked.get(dy) === outputs[0] ? [dy] : (relu.gradient as Rule)(backward);
};

/** clip(alpha x + beta, 0, 1). */
const hardSigmoid: Slope = (g, _x, y, node) =>
  g.mul(g.mask(g.and(g.greater(y, 0), g.less(y, 1)), y), float(node, 'alpha', 0.2));

/** The family. */
export const activations: OperatorTable = {
  Relu: { ...relu, gradient: reluRule },
  Sigmoid: from((g, _x, y) => g.mul(y, g.sub(1, y))),
  HardSigmoid: from(hardSigmoid),
  Softplus: from((g, x) => g.sigmoid(x)),
  Tanh: from((g, _x, y) => g.sub(1, g.mul(y, y))),
};
