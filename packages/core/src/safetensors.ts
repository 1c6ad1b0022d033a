/** Reading and writing safetensors files: a JSON header and the raw little-endian bytes of named tensors. */

import { fail, show } from './options.ts';

/** Element types of a file. Half floats and booleans are carried as raw bits. */
export type SafetensorsType =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL';

interface ArrayType {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): ArrayBufferView;
}

const arrayTypes: Readonly<Record<SafetensorsType, ArrayType>> = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

// Every host of ES2023 has these two; the language's own library does not declare them.
declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean },
) => { decode(bytes: Uint8Array): string };

/** A tensor of a file. */
export interface SafeTensor {
  /** Element type. */
  readonly dtype: SafetensorsType;
  /** Row-major shape; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Its elements, `product(shape)` of them, in the array type of `dtype`. */
  readonly data: ArrayBufferView;
}

/** Contents of a safetensors file. */
export interface SafetensorsFile {
  /** Tensors by name. */
  readonly tensors: Readonly<Record<string, SafeTensor>>;
  /** Free text by key. */
  readonly metadata: Readonly<Record<string, string>>;
}

const metadataKey = '__metadata__';

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/**
 * Encodes tensors. Tensors are laid out by falling element size and then by name, so the same contents give the
 * same bytes and every tensor is aligned.
 *
 * @throws VRAdamError `ERR_SHAPE_MISMATCH` if data and shape disagree or the name is the reserved `__metadata__`.
 */
export function encodeSafetensors({ tensors, metadata }: SafetensorsFile): Uint8Array<ArrayBuffer> {
  const width = (dtype: SafetensorsType) => arrayTypes[dtype].BYTES_PER_ELEMENT;
  const sorted = Object.entries(tensors).sort(
    ([a, x], [b, y]) => width(y.dtype) - width(x.dtype) || (a < b ? -1 : 1),
  );
  let offset = 0;
  const entries = sorted.map(([name, { dtype, shape, data }]) => {
    const bytes = data.byteLength;
    if (name === metadataKey || bytes !== count(shape) * width(dtype)) {
      fail('ERR_SHAPE_MISMATCH', `cannot encode ${bytes} bytes as tensor ${show(name)}, ${dtype}[${shape}].`);
    }
    const begin = offset;
    offset += bytes;
    return [name, { dtype, shape, data_offsets: [begin, offset] }] as const;
  });
  const json = JSON.stringify(Object.fromEntries<unknown>([[metadataKey, metadata], ...entries]));
  const text = new TextEncoder().encode(json);
  const start = 8 + Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(start + offset).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(text, 8);
  for (const [i, [, { data }]] of sorted.entries()) {
    const at = start + (entries[i]?.[1].data_offsets[0] as number);
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
  }
  return bytes;
}

type Header = Record<string, { dtype?: unknown; shape?: unknown; data_offsets?: unknown }>;

function malformed(why: string): never {
  return fail('ERR_FILE_FORMAT', `not a valid safetensors file: ${why}.`);
}

/** A whole number, 0 or more. */
export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readHeader(bytes: Uint8Array): [header: Header, start: number] {
  if (bytes.length < 8) malformed('it has no header');
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8) malformed(`a header of ${length} bytes is not in it`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length));
    const header: unknown = JSON.parse(text);
    return isObject(header) ? [header as Header, 8 + length] : malformed('its header is not an object');
  } catch (cause) {
    return malformed(`its header is not JSON (${cause})`);
  }
}

const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every(isCount);

/** One tensor of the file, with its begin and end in the data. */
function readTensor(name: string, entry: Header[string], data: Uint8Array): [SafeTensor, number, number] {
  const { dtype, shape, data_offsets: offsets } = Object(entry) as Header[string];
  const known = Object.hasOwn(arrayTypes, String(dtype)) ? (dtype as SafetensorsType) : undefined;
  if (!known || !isCounts(shape) || !isCounts(offsets))
    malformed(`${show(name)} has no valid dtype, shape and offsets`);
  const [begin = 0, end = 0] = offsets;
  const ArrayType = arrayTypes[known];
  if (end > data.length || end - begin !== count(shape) * ArrayType.BYTES_PER_ELEMENT) {
    malformed(`${show(name)} of shape [${shape}] lies at ${begin}..${end} of ${data.length} bytes`);
  }
  const copy = new Uint8Array(data.subarray(begin, end)); // its own memory, aligned; slice() of a Buffer shares
  return [{ dtype: known, shape, data: new ArrayType(copy.buffer) }, begin, end];
}

function readMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    malformed('its metadata is not a map of texts');
  }
  return value as Record<string, string>;
}

/**
 * Decodes a file from anywhere: every length, offset, shape and dtype is checked before it is used, and tensors
 * must cover the data without holes or overlaps.
 *
 * @param bytes - the whole file. Not kept: tensors are copies.
 * @throws VRAdamError `ERR_FILE_FORMAT`.
 * @see https://github.com/huggingface/safetensors
 */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsFile {
  const [header, start] = readHeader(bytes);
  const data = bytes.subarray(start);
  const { [metadataKey]: metadata, ...entries } = header;
  const read = Object.entries(entries).map(
    ([name, entry]) => [name, ...readTensor(name, entry, data)] as const,
  );
  let end = 0;
  for (const [name, , from, to] of read.toSorted((a, b) => a[2] - b[2] || a[3] - b[3])) {
    if (from !== end) malformed(`${show(name)} begins at ${from}, not at ${end}`);
    end = to;
  }
  if (end !== data.length) malformed(`${data.length - end} bytes at its end belong to no tensor`);
  return {
    tensors: Object.fromEntries(read as unknown as [string, SafeTensor][]),
    metadata: readMetadata(metadata),
  };
}
