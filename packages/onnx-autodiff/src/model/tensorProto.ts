/** Tensors as ONNX files hold them: raw or typed, inside or beside the file. */

import { fail } from '../errors.ts';
import { type ExternalData, readExternal } from './externalData.ts';
import type { DataType, Tensor, TensorData } from './model.ts';
import type { TensorProto } from './schema.ts';
import { bytesPerElement, emptyData, sizeOf } from './tensors.ts';
import { decodeText, encodeText } from './utf8.ts';

/** Element types by ONNX's numbers (TensorProto.DataType); empty for what nobody can compute with. */
const dataTypes =
  ' float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64   bfloat16'.split(
    ' ',
  );

/** ONNX's number of an element type; below 1 for what is none. */
export const dataTypeNumber = (dtype: string): number => dataTypes.indexOf(dtype);

/**
 * Types of attributes by ONNX's numbers (AttributeProto.AttributeType). Those that this package knows have the names
 * that it gives them, which are also the names of the fields that hold such an attribute.
 */
export const attributeTypes: readonly string[] =
  'UNDEFINED float int string tensor GRAPH floats ints strings TENSORS GRAPHS SPARSE_TENSOR SPARSE_TENSORS TYPE_PROTO TYPE_PROTOS'.split(
    ' ',
  );

/** Attributes that hold the number of an element type. */
export const typeAttributes: ReadonlySet<string> = new Set(['to', 'dtype', 'output_dtype']);

/** The element type with a number; undefined for 0, which is "not said". Throws `ERR_FILE_FORMAT` on others. */
export function dataTypeOf(number: number): DataType | undefined {
  if (number === 0) return undefined;
  return (
    (dataTypes[number] as DataType | '' | undefined) ||
    fail(
      'ERR_FILE_FORMAT',
      `element types must be ${dataTypes.filter(Boolean).join(', ')}. Received: type ${number}.`,
    )
  );
}

/** A dimension as a number. */
function toSize(dim: number, name: string): number {
  if (dim < 0 || dim > 0x7fffffff)
    fail('ERR_FILE_FORMAT', `a dimension of ${JSON.stringify(name)} must be in [0, 2^31). Received: ${dim}.`);
  return dim;
}

/** Field that holds the elements of a type when they are not raw. */
function typedData(proto: TensorProto, dtype: DataType): ArrayLike<number | bigint> {
  if (dtype === 'float32') return proto.floatData;
  if (dtype === 'float64') return proto.doubleData;
  if (dtype === 'int64') return proto.int64Data;
  if (dtype === 'uint32' || dtype === 'uint64') return proto.uint64Data;
  return proto.int32Data;
}

/** Bytes as little-endian elements, copied so that they are aligned. */
function fromBytes(dtype: DataType, bytes: Uint8Array, size: number, name: string): TensorData {
  const expected = size * bytesPerElement(dtype);
  if (bytes.length !== expected) {
    fail(
      'ERR_FILE_FORMAT',
      `${JSON.stringify(name)} must hold ${expected} bytes (${size} x ${dtype}). Received: ${bytes.length}.`,
    );
  }
  const data = emptyData(dtype, size);
  new Uint8Array(data.buffer).set(bytes);
  return data;
}

function fromTyped(proto: TensorProto, dtype: DataType, size: number): TensorData {
  const elements = typedData(proto, dtype);
  if (elements.length !== size) {
    fail(
      'ERR_FILE_FORMAT',
      `${JSON.stringify(proto.name)} must hold ${size} numbers. Received: ${elements.length}.`,
    );
  }
  const data = emptyData(dtype, size);
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (let i = 0; i < size; i++) data[i] = big ? BigInt(elements[i] as bigint) : Number(elements[i]);
  return data;
}

/** Reads a tensor. Throws `ERR_FILE_FORMAT` if shape, type and data do not fit together. */
export function decodeTensor(proto: TensorProto, external: ExternalData | undefined): Tensor {
  const dtype =
    dataTypeOf(proto.dataType) ??
    fail('ERR_FILE_FORMAT', `${JSON.stringify(proto.name)} must have an element type. Received: none.`);
  const shape = proto.dims.map((dim) => toSize(dim, proto.name));
  const size = sizeOf(shape);
  if (dtype === 'string') {
    if (proto.stringData.length !== size)
      fail(
        'ERR_FILE_FORMAT',
        `${JSON.stringify(proto.name)} must hold ${size} texts. Received: ${proto.stringData.length}.`,
      );
    return { dtype, shape, data: proto.stringData.map((bytes) => decodeText(bytes)) };
  }
  if (proto.dataLocation === 1) {
    const bytes = readExternal(proto, size * bytesPerElement(dtype), external);
    return { dtype, shape, data: fromBytes(dtype, bytes, size, proto.name) };
  }
  const isRaw = proto.rawData.length > 0 || size === 0;
  return {
    dtype,
    shape,
    data: isRaw ? fromBytes(dtype, proto.rawData, size, proto.name) : fromTyped(proto, dtype, size),
  };
}

/** Writes a tensor, its numbers raw. */
export function encodeTensor({ dtype, shape, data }: Tensor, name: string): Partial<TensorProto> {
  const head = { name, dims: shape, dataType: dataTypeNumber(dtype) };
  if (!ArrayBuffer.isView(data)) return { ...head, stringData: (data as readonly string[]).map(encodeText) };
  return { ...head, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}
