/**
 * Shapes as values: what exporters compute sizes with. Nothing here carries a gradient, except Cast between floats.
 */

import { type HasAttributes, int, ints, tensorOf, text } from '../graph/value.ts';
import { floorDiv, isStatic, product, subDims } from '../model/dims.ts';
import type { DataType, Dim, Shape, Tensor } from '../model/model.ts';
import { isFloat, numbersOf, tensor } from '../model/tensors.ts';
import { input, numbersIn } from './infer.ts';
import type { Call, Infer, OperatorTable } from './operator.ts';

/** Vectors of integers longer than this are not followed. */
const longest = 1024;

const inferShape: Infer = (call) => {
  const { shape } = input(call, 0);
  if (!shape) return [{ dtype: 'int64', shape: [call.fresh()] }];
  const part = shape.slice(
    int(call, 'start', 0),
    call.attributes['end'] ? int(call, 'end', 0) : shape.length,
  );
  return [{ dtype: 'int64', shape: [part.length], ints: part }];
};

const inferSize: Infer = (call) => {
  const { shape } = input(call, 0);
  return [{ dtype: 'int64', shape: [], ints: shape && [product(shape)] }];
};

const inferCast: Infer = (call) => {
  const { shape, ints: values } = input(call, 0);
  const to = text(call, 'to', 'float32') as DataType;
  return [{ dtype: to, shape, ints: isFloat(to) ? undefined : to === 'bool' ? values?.map(truth) : values }];
};

/** A nonzero integer is true; a named size is taken as it is. */
const truth = (value: Dim): Dim => (typeof value === 'number' ? Number(value !== 0) : value);

/** The shape that a vector of sizes spells, or one of unknown sizes. */
export function shapeFromInts(call: Call, index: number): Shape | undefined {
  const sizes = input(call, index);
  if (sizes.ints) return sizes.ints;
  const rank = sizes.shape?.[0];
  return typeof rank === 'number' ? Array.from({ length: rank }, () => call.fresh()) : undefined;
}

const zero: Tensor = tensor('float32', [1], [0]);
/** The value that a constant shape is filled with. */
const fillOf = (node: HasAttributes): Tensor => tensorOf(node, 'value') ?? zero;

const inferConstantOfShape: Infer = (call) => {
  const shape = shapeFromInts(call, 0);
  const fill = fillOf(call);
  const size = isStatic(shape) ? shape.reduce((a, b) => a * b, 1) : Number.POSITIVE_INFINITY;
  const values =
    size <= longest && !isFloat(fill.dtype)
      ? new Array<Dim>(size).fill(numbersOf(fill)[0] as number)
      : undefined;
  return [{ dtype: fill.dtype, shape, ints: values }];
};

const inferRange: Infer = (call) => {
  const { dtype } = input(call, 0);
  const [start, limit, delta] = [0, 1, 2].map((i) => input(call, i).ints?.[0]);
  if (start === undefined || limit === undefined || typeof delta !== 'number' || delta === 0) {
    return [{ dtype, shape: [call.fresh()] }];
  }
  const length =
    delta === 1 ? subDims(limit, start) : floorDiv(subDims(subDims(limit, start), -(delta - 1)), delta);
  if (typeof length !== 'number') return [{ dtype, shape: [length] }];
  const count = Math.max(0, length);
  const values =
    count <= longest && typeof start === 'number'
      ? Array.from({ length: count }, (_, i) => start + i * delta)
      : undefined;
  return [{ dtype, shape: [count], ints: values }];
};

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
  const axis = int(call, 'axis', 0);
  const at = axis < 0 ? axis + (shape?.length ?? 0) : axis;
  const keep = int(call, 'keepdims', 1) === 1;
  return [{ dtype: 'int64', shape: shape?.flatMap((dim, i) => (i !== at ? [dim] : keep ? [1] : [])) }];
};

/** The family. */
export const shapes: OperatorTable = {
  Shape: { infer: inferShape, gradient: 'zero' },
  Size: { infer: inferSize, gradient: 'zero' },
  Cast: {
    infer: inferCast,
    gradient: ({ g, inputs: [x], dy }) => [isFloat(x?.dtype) ? g.cast(dy, x?.dtype ?? 'float32') : undefined],
    note: 'between floats; integers and booleans end a gradient',
  },
  ConstantOfShape: { infer: inferConstantOfShape, gradient: 'zero' },
  Constant: {
    infer: (call) => {
      const value = tensorOf(call, 'value') ?? tensor('int64', [0], ints(call, 'value_ints') ?? []);
      return [{ dtype: value.dtype, shape: value.shape }];
    },
    gradient: 'zero',
  },
  Range: { infer: inferRange, gradient: 'zero' },
  NonZero: { infer: inferNonZero, gradient: 'zero' },
  ArgMax: { infer: inferArg, gradient: 'zero' },
  ArgMin: { infer: inferArg, gradient: 'zero' },
};
