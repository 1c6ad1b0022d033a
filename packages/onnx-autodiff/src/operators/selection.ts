/**
 * Operators that join, cut and choose: the gradient goes to where each element came from.
 *
 * @see https://onnx.ai/onnx/operators/
 */

import { int, type Value } from '../graph/value.ts';
import { addDims, ceilDiv, exactQuotient, mulDims, subDims } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { movedInts } from './elements.ts';
import { broadcastShapes, input, intsOf, misfit, normalAxis, sameAsInput } from './infer.ts';
import type { Call, Infer, Operator, OperatorTable, Rule, TypeInfo } from './operator.ts';
import { onDemand } from './registry.ts';

const inferConcat: Infer = (call) => {
  const { dtype } = input(call, 0);
  const shapes = call.inputs.map((value) => value?.shape);
  const known = shapes.filter((shape) => shape !== undefined);
  const [first] = known;
  if (!first) return [{ dtype, shape: undefined }];
  const axis = normalAxis(call, int(call, 'axis', 0), first.length);
  if (known.some(({ length }) => length !== first.length)) misfit(call, 'parts must have equally many axes');
  const isComplete = known.length === shapes.length;
  const shape = first.map((_, i) => {
    const dims = known.map((part) => part[i] as Dim);
    if (i !== axis) return agreed(call, dims, i);
    return isComplete ? dims.reduce(addDims, 0) : call.fresh();
  });
  const isVector = first.length === 1 && call.inputs.every((value) => value?.ints);
  return [{ dtype, shape, ints: isVector ? call.inputs.flatMap((value) => value?.ints ?? []) : undefined }];
};

/** The size that all parts must have: a number, if one of them has one. */
function agreed(call: Call, dims: readonly Dim[], axis: number): Dim {
  const numbers = dims.filter((dim) => typeof dim === 'number');
  if (numbers.some((dim) => dim !== numbers[0]))
    misfit(call, `parts must have the same size along axis ${axis}`);
  return numbers[0] ?? (dims[0] as Dim);
}

/** Sizes of the parts along an axis of a given size; undefined where only the running graph knows them. */
function partSizes(call: Call, size: Dim | undefined): readonly Dim[] | undefined {
  const count = call.outputCount;
  if (call.inputs[1]) return intsOf(call, 1);
  if (size === undefined) return undefined;
  const even = exactQuotient(size, count);
  if (even !== undefined) return new Array<Dim>(count).fill(even);
  // what does not divide leaves a smaller last part
  const chunk = ceilDiv(size, count);
  return [...new Array<Dim>(count - 1).fill(chunk), subDims(size, mulDims(chunk, count - 1))];
}

const inferSplit: Infer = (call) => {
  const x = input(call, 0);
  const { dtype, shape } = x;
  if (!shape) return Array.from({ length: call.outputCount }, () => ({ dtype, shape }));
  const axis = normalAxis(call, int(call, 'axis', 0), shape.length);
  const sizes = partSizes(call, shape[axis]);
  if (sizes && sizes.length !== call.outputCount)
    misfit(call, `there must be as many sizes as outputs, not ${sizes.length} for ${call.outputCount}`);
  const total = sizes?.reduce(addDims, 0);
  if (sizes?.some((size) => typeof size === 'number' && size < 0) || contradicts(total, shape[axis]))
    misfit(call, `parts of sizes [${sizes}] must make up axis ${axis}`);
  let start = 0;
  return Array.from({ length: call.outputCount }, (_, i): TypeInfo => {
    const size = sizes?.[i] ?? call.fresh();
    const part = shape.map((dim, j) => (j === axis ? size : dim));
    const from = start;
    start += Number(size);
    const ints = movedInts(x, part, (at) =>
      at.map((position, j) => (j === axis ? position + from : position)),
    );
    return { dtype, shape: part, ints };
  });
};

/** True for two different numbers. */
const contradicts = (a: Dim | undefined, b: Dim | undefined): boolean =>
  typeof a === 'number' && typeof b === 'number' && a !== b;

/** Operator sets before 18 have no `num_outputs`: without sizes all parts are equal. */
const upgradeSplit: NonNullable<Operator['upgrade']> = (_g, call, opset) =>
  opset < 18 && !call.inputs[1]
    ? { ...call, attributes: { ...call.attributes, num_outputs: { type: 'int', value: call.outputCount } } }
    : call;

const inferWhere: Infer = (call) => {
  const [condition, x, y] = [input(call, 0), input(call, 1), input(call, 2)];
  const shape = broadcastShapes(call, [condition.shape, x.shape, y.shape]);
  const { dtype } = x.dtype ? x : y;
  return [{ dtype, shape, ints: chosenInts(condition, x, y, shape) }];
};

/** Elements of a vector or scalar, where both the condition and what it chooses are known. */
function chosenInts(
  condition: Value,
  x: Value,
  y: Value,
  shape: Shape | undefined,
): readonly Dim[] | undefined {
  if (!shape || shape.length > 1) return undefined;
  const at = ({ ints }: Value, i: number): Dim | undefined => ints?.[ints.length === 1 ? 0 : i];
  const length = Math.max(...[condition, x, y].map(({ ints }) => ints?.length ?? 0));
  const chosen = Array.from({ length }, (_, i) => {
    const test = at(condition, i);
    return typeof test === 'number' ? at(test !== 0 ? x : y, i) : undefined;
  });
  const isWhole = shape.length === 0 || shape[0] === length;
  return isWhole && chosen.every((value) => value !== undefined) ? (chosen as Dim[]) : undefined;
}

/** The same operator, with the same attributes and other inputs, applied to dy: for linear maps that are symmetric. */
const itself: Rule = ({ g, node, inputs, dy }) => g.node(node.op, [dy, ...inputs.slice(1)], node.attributes);

/** The family. */
export const selection: OperatorTable = {
  Concat: { inputs: 'all', infer: inferConcat, gradient: onDemand },
  Split: { infer: inferSplit, gradient: onDemand, upgrade: upgradeSplit },
  Where: { inputs: 3, infer: inferWhere, gradient: onDemand },
  // a triangle is cut out of dy as it was out of x
  Trilu: { infer: sameAsInput, gradient: itself },
  // turning back is turning again
  ReverseSequence: { inputs: 2, infer: sameAsInput, gradient: itself },
};
