/** What a call is given: checked before anything runs, so that a wrong call changes nothing. */

import {
  type DataType,
  type Dim,
  evaluateDim,
  sizeOf,
  type TensorData,
  type ValueSpec,
} from '@vradam/onnx-autodiff';
import { fail, show } from './errors.ts';
import type { InputRange } from './graphs.ts';
import { type OrtTensor, type OrtTensors, type Runtime, toOrt } from './runtime.ts';

/** Numbers with a shape. */
export interface ArrayFeed {
  /** Elements, row-major. Integers for an int64 input may be given as any array of numbers. */
  readonly data: ArrayLike<number> | ArrayLike<bigint>;
  /** Shape. */
  readonly dims: readonly number[];
}

/** An input of a call: a tensor of onnxruntime, or numbers with a shape. */
export type Feed = OrtTensor | ArrayFeed;

/** Inputs of a call by name. */
export type Feeds = Readonly<Record<string, Feed>>;

/** Sizes of named dimensions. */
export type Sizes = Readonly<Record<string, number>>;

/** Checked inputs. */
export interface CheckedFeeds {
  /** Tensors for onnxruntime. */
  readonly tensors: OrtTensors;
  /** Sizes that the named dimensions have in this call. */
  readonly sizes: Sizes;
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

const isTensor = (feed: Feed): feed is OrtTensor => 'type' in feed && 'location' in feed;

const isWhole = (value: number | bigint): boolean => typeof value === 'bigint' || Number.isInteger(value);

/** Numbers in the array type of an input. */
function convert(name: string, dtype: DataType, data: ArrayFeed['data']): TensorData {
  const ArrayType = arrays[dtype as keyof typeof arrays];
  if (!ArrayType)
    fail(
      'ERR_FEED_TYPE',
      `${show(name)} must be given as a tensor of onnxruntime. Received: numbers for ${dtype}.`,
    );
  if (data instanceof ArrayType) return data;
  // labels are often int32 where the model wants int64
  if (data instanceof Int32Array && ArrayType === BigInt64Array)
    return BigInt64Array.from(data as never, BigInt);
  const values = Array.from(data as ArrayLike<number | bigint>);
  if (!values.every((value) => typeof value === 'number' || typeof value === 'bigint')) {
    fail('ERR_FEED_TYPE', `${show(name)} must hold numbers. Received: ${typeof values[0]}.`);
  }
  if (dtype.startsWith('float')) return (ArrayType as Float32ArrayConstructor).from(values, Number);
  const odd = values.find((value) => !isWhole(value));
  if (odd !== undefined)
    fail('ERR_FEED_TYPE', `${show(name)} must hold whole numbers (${dtype}). Received: ${odd}.`);
  return dtype.endsWith('64')
    ? (ArrayType as BigInt64ArrayConstructor).from(values.map(BigInt))
    : (ArrayType as Int32ArrayConstructor).from(values, Number);
}

/** A feed as a tensor of the type that the input has. */
function toTensor(runtime: Runtime, { name, dtype }: ValueSpec, feed: Feed): OrtTensor {
  if (typeof feed !== 'object' || feed === null || !Array.isArray(feed.dims)) {
    fail('ERR_FEED_TYPE', `${show(name)} must be a tensor, or { data, dims }. Received: ${typeof feed}.`);
  }
  if (isTensor(feed)) {
    if (feed.type !== dtype)
      fail('ERR_FEED_TYPE', `${show(name)} must be of ${dtype}. Received: ${feed.type}.`);
    return feed;
  }
  if (feed.data?.length === undefined || feed.data.length !== sizeOf(feed.dims)) {
    fail(
      'ERR_FEED_SHAPE',
      `${show(name)} must hold ${sizeOf(feed.dims)} elements for dims [${feed.dims}]. Received: ${feed.data?.length ?? 'none'}.`,
    );
  }
  return toOrt(runtime, dtype as DataType, convert(name, dtype as DataType, feed.data), feed.dims);
}

/** Compares dims with a shape, learning the sizes of names on the way. */
function bindDims(
  name: string,
  shape: readonly Dim[],
  dims: readonly number[],
  sizes: Record<string, number>,
): void {
  const wanted = `[${shape.join(', ')}]`;
  const wrong = (): never =>
    fail('ERR_FEED_SHAPE', `${show(name)} must have shape ${wanted}. Received: [${dims}]${known(sizes)}.`);
  if (shape.length !== dims.length) wrong();
  shape.forEach((dim, i) => {
    const size = dims[i] as number;
    if (typeof dim === 'string' && evaluateDim(dim, sizes) === undefined) sizes[dim] ??= size;
    else if (evaluateDim(dim, sizes) !== size) wrong();
  });
}

const known = (sizes: Sizes): string => {
  const entries = Object.entries(sizes).map(([name, size]) => `${name} = ${size}`);
  return entries.length > 0 ? ` with ${entries.join(', ')}` : '';
};

/** Integers that select must select something. */
function checkRange(name: string, { data }: OrtTensor, { low, high, except, what }: InputRange): void {
  for (const value of data as Iterable<number | bigint>) {
    const number = Number(value);
    if ((number < low || number >= high) && number !== except) {
      fail(
        'ERR_FEED_RANGE',
        `${what} in ${show(name)} must be in [${low}, ${high}). Received: ${value}. Nothing changed.`,
      );
    }
  }
}

/**
 * Checks the inputs of a call.
 *
 * @throws VRAdamError `ERR_FEED_UNKNOWN`, `ERR_FEED_MISSING`, `ERR_FEED_TYPE`, `ERR_FEED_SHAPE`, `ERR_FEED_RANGE`.
 */
export function checkFeeds(
  runtime: Runtime,
  inputs: readonly ValueSpec[],
  ranges: ReadonlyMap<string, InputRange>,
  feeds: Feeds,
): CheckedFeeds {
  const names = inputs.map(({ name }) => name);
  if (typeof feeds !== 'object' || feeds === null)
    fail(
      'ERR_FEED_TYPE',
      `feeds must be an object by input name. Received: ${typeof feeds}. Inputs: ${names.join(', ')}.`,
    );
  const extra = Object.keys(feeds).find((name) => !names.includes(name));
  if (extra !== undefined)
    fail(
      'ERR_FEED_UNKNOWN',
      `the graph has no input ${show(extra)}. Received: ${Object.keys(feeds).join(', ')}. Inputs: ${names.join(', ')}.`,
    );
  const sizes: Record<string, number> = {};
  const tensors: Record<string, OrtTensor> = {};
  for (const input of inputs) {
    const { name, shape } = input;
    const feed = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
    if (feed === undefined)
      fail(
        'ERR_FEED_MISSING',
        `input ${show(name)} is missing. Received: ${Object.keys(feeds).join(', ') || 'none'}.`,
      );
    const tensor = toTensor(runtime, input, feed);
    if (shape) bindDims(name, shape, tensor.dims, sizes);
    const range = ranges.get(name);
    if (range && tensor.location === 'cpu') checkRange(name, tensor, range);
    tensors[name] = tensor;
  }
  return { tensors, sizes };
}
