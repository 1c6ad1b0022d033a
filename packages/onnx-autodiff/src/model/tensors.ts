/** Constant tensors: making them, reading them, their element types. */

import { fail } from '../errors.ts';
import { bfloatToNumber, halfToNumber, numberToBfloat, numberToHalf } from './halves.ts';
import type { DataType, Tensor, TensorData } from './model.ts';

/** Element types that a gradient can have. */
export const isFloat = (dtype: DataType | undefined): boolean =>
  dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';

/** Elements of a tensor that are numbers, big ones too. */
export type NumberArray = Exclude<TensorData, readonly string[]>;

interface ArrayType {
  new (length: number): NumberArray;
  readonly BYTES_PER_ELEMENT: number;
}

const arrays: Readonly<Record<Exclude<DataType, 'string'>, ArrayType>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** Bytes of an element in memory; of a text, of what points to it. */
export const bytesPerElement = (dtype: DataType): number =>
  dtype === 'string' ? 16 : arrays[dtype].BYTES_PER_ELEMENT;

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

/** More axes than anyone means: most likely the numbers themselves, which no message should repeat. */
const manyAxes = 16;

const showShape = (shape: readonly number[]): string =>
  shape.length > manyAxes ? `[${shape.slice(0, manyAxes)}, ...] (${shape.length} axes)` : `[${shape}]`;

/** An array of zeros for `size` elements of a type that is not text. */
export function emptyData(dtype: DataType, size: number): NumberArray {
  if (dtype === 'string') fail('ERR_MODEL_INVALID', 'a tensor of text has no numbers. Received: string.');
  return new arrays[dtype](size);
}

/** Types whose elements are bits that stand for other numbers. */
const halves: Readonly<
  Partial<Record<DataType, { read(bits: number): number; write(value: number): number }>>
> = {
  float16: { read: halfToNumber, write: numberToHalf },
  bfloat16: { read: bfloatToNumber, write: numberToBfloat },
};

/**
 * A tensor of given numbers.
 *
 * @param data - row-major elements; converted to the element type, copied.
 * @throws VRAdamError `ERR_SHAPE_MISMATCH` if the shape does not hold so many.
 */
export function tensor(
  dtype: DataType,
  shape: readonly number[],
  data: ArrayLike<number> | ArrayLike<bigint>,
): Tensor {
  if (data.length !== sizeOf(shape)) {
    fail(
      'ERR_SHAPE_MISMATCH',
      `a tensor of shape ${showShape(shape)} needs ${sizeOf(shape)} numbers. Received: ${data.length}.`,
    );
  }
  const made = emptyData(dtype, data.length);
  const big = made instanceof BigInt64Array || made instanceof BigUint64Array;
  const toElement = halves[dtype]?.write ?? ((value: number) => value);
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as number | bigint;
    if (big && typeof value === 'number' && !Number.isInteger(value))
      fail('ERR_MODEL_INVALID', `a tensor of ${dtype} holds whole numbers. Received: ${value}.`);
    made[i] = big ? BigInt(value) : toElement(Number(value));
  }
  return { dtype, shape, data: made };
}

const limit = BigInt(Number.MAX_SAFE_INTEGER);

/** An int64 as a number; the far ends (`INT64_MAX` means "to the end") become the largest safe ones. */
function toSafe(value: bigint): number {
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}

/** Elements as numbers. Throws `ERR_MODEL_INVALID` for text. */
export function numbersOf({ dtype, data }: Tensor): number[] {
  if (dtype === 'string') fail('ERR_MODEL_INVALID', 'numbers are needed here. Received: a tensor of text.');
  const read = halves[dtype]?.read ?? ((value: number) => value);
  return Array.from(data as ArrayLike<number | bigint>, (value) =>
    typeof value === 'bigint' ? toSafe(value) : read(value),
  );
}

/** A float16, bfloat16 or float64 tensor as float32; any other as it is. */
export function toFloat32({ dtype, shape, data }: Tensor): Tensor {
  const convert = dtype === 'float64' ? (value: number) => value : halves[dtype]?.read;
  if (!convert) return { dtype, shape, data };
  return { dtype: 'float32', shape, data: Float32Array.from(data as Uint16Array, convert) };
}
