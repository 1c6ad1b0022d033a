/**
 * Shapes as values: what exporters compute sizes with. Nothing here carries a gradient, except Cast between floats.
 *
 * @see https://onnx.ai/onnx/operators/
 */

import { type HasAttributes, int, tensorOf, text, type Value } from '../graph/value.ts';
import { floorDiv, product, subDims } from '../model/dims.ts';
import type { DataType, Dim, Shape, Tensor } from '../model/model.ts';
import { isFloat, numbersOf, tensor } from '../model/tensors.ts';
import { isSmall, mostElements } from './elements.ts';
import { knownFloats } from './floats.ts';
import { input, misfit, normalAxis, numbersIn } from './infer.ts';
import type { Call, Infer, Operator, OperatorTable } from './operator.ts';

const inferShape: Infer = (call) => {
  const { shape } = input(call, 0);
  if (!shape) return [{ dtype: 'int64', shape: [call.fresh()] }];
  const end = call.attributes['end'] ? int(call, 'end', 0) : shape.length;
  const part = shape.slice(int(call, 'start', 0), end);
  return [{ dtype: 'int64', shape: [part.length], ints: part }];
};

const inferSize: Infer = (call) => {
  const { shape } = input(call, 0);
  return [{ dtype: 'int64', shape: [], ints: shape && [product(shape)] }];
};

/** Elements after a conversion; undefined where that may change them. */
function convertedInts(x: Value, to: DataType | undefined): readonly Dim[] | undefined {
  // whether a named size is zero only the running graph knows
  const isKnown = x.ints?.every((value) => typeof value === 'number');
  if (to === 'bool') return isKnown ? x.ints?.map((value) => Number(value !== 0)) : undefined;
  if (to !== 'int64' && to !== 'int32') return undefined;
  if (!isFloat(x.dtype)) return x.ints;
  const whole = knownFloats(x)?.map((value) => (typeof value === 'number' ? Math.trunc(value) : value));
  return whole?.every((value) => typeof value === 'string' || Number.isSafeInteger(value))
    ? whole
    : undefined;
}

const inferCastTo = (call: Call, to: DataType | undefined): ReturnType<Infer> => {
  const x = input(call, 0);
  return [{ dtype: to, shape: x.shape, ints: convertedInts(x, to) }];
};

const cast: Pick<Operator, 'gradient'> = {
  gradient: ({ g, inputs: [x], dy }) => {
    // after an operator that nobody knows, its own missing rule must be what is complained about
    const dtype = x?.dtype ?? 'float32';
    return [isFloat(dtype) ? g.cast(dy, dtype) : undefined];
  },
};

/** The shape that a vector of sizes spells, or one of unknown sizes. */
export function shapeFromInts(call: Call, index: number): Shape | undefined {
  const sizes = input(call, index);
  if (sizes.ints) return sizes.ints;
  const rank = sizes.shape?.[0];
  if (typeof rank !== 'number' || rank > mostElements) return undefined;
  return Array.from({ length: rank }, () => call.fresh());
}

const zero: Tensor = tensor('float32', [1], [0]);
/** The value that a constant shape is filled with. */
const fillOf = (node: HasAttributes): Tensor => tensorOf(node, 'value') ?? zero;

const inferConstantOfShape: Infer = (call) => {
  const shape = shapeFromInts(call, 0);
  if (shape?.some((dim) => typeof dim === 'number' && dim < 0))
    misfit(call, `sizes must be at least 0, not [${shape.join(', ')}]`);
  const fill = fillOf(call);
  if (!isSmall(shape) || !/^(int|uint|bool)/.test(fill.dtype)) return [{ dtype: fill.dtype, shape }];
  const size = Number(product(shape));
  return [{ dtype: fill.dtype, shape, ints: new Array<Dim>(size).fill(numbersOf(fill)[0] ?? 0) }];
};

/** A scalar that is known: a size, or a constant of floats. */
function scalarIn(call: Call, index: number): Dim | undefined {
  const value = input(call, index);
  return value.ints ? value.ints[0] : knownFloats(value)?.[0];
}

const inferRange: Infer = (call) => {
  const { dtype } = input(call, 0);
  const [start, limit, delta] = [0, 1, 2].map((i) => scalarIn(call, i));
  if (start === undefined || limit === undefined || typeof delta !== 'number' || delta === 0) {
    return [{ dtype, shape: [call.fresh()] }];
  }
  const count = stepsBetween(start, limit, delta);
  if (count === undefined) return [{ dtype, shape: [call.fresh()] }];
  const isFollowed =
    typeof count === 'number' && count <= mostElements && typeof start === 'number' && !isFloat(dtype);
  const values = isFollowed ? Array.from({ length: count }, (_, i) => start + i * delta) : undefined;
  return [{ dtype, shape: [count], ints: values }];
};

/** `ceil((limit - start) / delta)`, at least 0; undefined where that has no good name. */
function stepsBetween(start: Dim, limit: Dim, delta: number): Dim | undefined {
  if (typeof start === 'number' && typeof limit === 'number')
    return Math.max(0, Math.ceil((limit - start) / delta));
  if (delta === 1) return subDims(limit, start);
  return Number.isInteger(delta) && delta > 1
    ? floorDiv(subDims(subDims(limit, start), 1 - delta), delta)
    : undefined;
}

const inferNonZero: Infer = (call) => {
  const { shape } = input(call, 0);
  const values = numbersIn(call, 0);
  if (values && shape?.length === 1) {
    const found = values.flatMap((value, i) => (value === 0 ? [] : [i]));
    return [{ dtype: 'int64', shape: [1, found.length], ints: found }];
  }
  return [{ dtype: 'int64', shape: [shape?.length ?? call.fresh(), call.fresh()] }];
};

const inferArg: Infer = (call) => {
  const { shape } = input(call, 0);
  if (!shape) return [{ dtype: 'int64', shape }];
  const at = normalAxis(call, int(call, 'axis', 0), shape.length);
  const keep = int(call, 'keepdims', 1) === 1;
  return [{ dtype: 'int64', shape: shape.flatMap((dim, i) => (i !== at ? [dim] : keep ? [1] : [])) }];
};

/** A tensor attribute is the only form left: the others become it when a file is read. */
const inferConstant: Infer = (call) => {
  const value = tensorOf(call, 'value');
  return [{ dtype: value?.dtype, shape: value?.shape }];
};

/** The identity matrix, or one beside the diagonal, as large as the input. */
const inferEyeLike: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (shape && shape.length !== 2) misfit(call, 'the input must be a matrix');
  return [{ dtype: text(call, 'dtype', dtype ?? 'float32') as DataType, shape }];
};

/** The family. */
export const shapes: OperatorTable = {
  Shape: { infer: inferShape, gradient: 'zero' },
  Size: { infer: inferSize, gradient: 'zero' },
  Cast: { infer: (call) => inferCastTo(call, text(call, 'to', 'float32') as DataType), ...cast },
  CastLike: { inputs: 2, infer: (call) => inferCastTo(call, input(call, 1).dtype), ...cast },
  ConstantOfShape: { infer: inferConstantOfShape, gradient: 'zero' },
  Constant: { inputs: 0, infer: inferConstant, gradient: 'zero' },
  Range: { inputs: 3, infer: inferRange, gradient: 'zero' },
  EyeLike: { infer: inferEyeLike, gradient: 'zero' },
  NonZero: { infer: inferNonZero, gradient: 'zero' },
  ArgMax: { infer: inferArg, gradient: 'zero' },
  ArgMin: { infer: inferArg, gradient: 'zero' },
};
