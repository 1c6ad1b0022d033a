/**
 * Dropout: `y = x mask / (1 - ratio)` while training, else `y = x`; so `dx = dy mask / (1 - ratio)`, or dy.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Dropout.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { input, numbersOf, register } from './kit.ts';
import type { Call, Infer, Rule } from './operator.ts';

const inferDropout: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  return [
    { dtype, shape },
    { dtype: 'bool', shape },
  ].slice(0, call.outputCount) as ReturnType<Infer>;
};

/** The number in a scalar that does not change; undefined if only the running graph knows it. */
function constantIn(value: Value | undefined, missing: number): number | undefined {
  if (!value) return missing;
  const { constant, isParameter } = value;
  if (!constant || isParameter || constant.dtype === 'float16' || constant.dtype === 'bfloat16')
    return undefined;
  return numbersOf(constant)[0];
}

/** Whether everything passes, by the inputs ratio (default 0.5) and training_mode (default false). */
const passesAll = ([, ratio, training]: Call['inputs']): boolean =>
  constantIn(training, 0) === 0 || constantIn(ratio, 0.5) === 0;

/** `1 / (1 - ratio)` while training, else 1, of the type of `like`. */
function scaleOf(g: GraphBuilder, ratio: Value | undefined, training: Value, like: Value): Value {
  const dtype = like.dtype ?? 'float32';
  const known = constantIn(ratio, 0.5);
  const kept = known === undefined ? g.sub(1, g.cast(ratio as Value, dtype)) : g.scalar(1 - known, dtype);
  const scale = g.div(1, kept);
  return constantIn(training, 0) === undefined ? g.where(training, scale, 1) : scale;
}

/** What was kept is in the second output, which is all true where nothing is dropped. */
const rule: Rule = ({ g, node, dy, inputs: [, ratio, training] }) => {
  if (passesAll(node.inputs)) return [dy];
  const mask = (node.outputs[1] ?? g.extend(node, 2)[1]) as Value;
  return [g.mul(g.mul(dy, scaleOf(g, ratio, training as Value, dy)), g.mask(mask, dy))];
};

register({
  Dropout: {
    infer: inferDropout,
    gradient: rule,
    upgrade: (_g, call) =>
      call.outputCount === 1 && passesAll(call.inputs)
        ? { ...call, op: 'Identity', inputs: call.inputs.slice(0, 1), attributes: {} }
        : call,
  },
});
