/** What a call is given: checked before anything runs, so that a wrong call changes nothing. */

import {
  type DataType,
  type Dim,
  emptyData,
  evaluateDim,
  sizeOf,
  type TensorData,
  tensor,
  type ValueSpec,
} from '@vradam/onnx-autodiff/lazy';
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

const isTensor = (feed: Feed): feed is OrtTensor => 'type' in feed && 'location' in feed;

const isWhole = (value: number | bigint): boolean => typeof value === 'bigint' || Number.isInteger(value);

/** Numbers in the array type of an input; as they are if they have it already. */
function convert(name: string, dtype: DataType, { data, dims }: ArrayFeed): TensorData {
  if (/^(string|b?float16)$/.test(dtype)) {
    fail(
      'ERR_FEED_TYPE',
      `${show(name)} must be given as a tensor of onnxruntime. Received: numbers for ${dtype}.`,
    );
  }
  if (data instanceof emptyData(dtype, 0).constructor) return data as TensorData;
  // labels are often int32 where the model wants int64: nothing in them can be wrong
  if (!(data instanceof Int32Array)) checkNumbers(name, dtype, Array.from(data as ArrayLike<number>));
  return tensor(dtype, dims, data).data;
}

function checkNumbers(name: string, dtype: DataType, values: readonly (number | bigint)[]): void {
  if (!values.every((value) => typeof value === 'number' || typeof value === 'bigint')) {
    fail('ERR_FEED_TYPE', `${show(name)} must hold numbers. Received: ${typeof values[0]}.`);
  }
  const odd = dtype.startsWith('float') ? undefined : values.find((value) => !isWhole(value));
  if (odd !== undefined)
    fail('ERR_FEED_TYPE', `${show(name)} must hold whole numbers (${dtype}). Received: ${odd}.`);
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
  return toOrt(runtime, dtype as DataType, convert(name, dtype as DataType, feed), feed.dims);
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

/**
 * Checks numbers by parameter name.
 *
 * @param what - what they are, for the message.
 * @throws VRAdamError `ERR_PARAMETER_UNKNOWN`, `ERR_SHAPE_MISMATCH`.
 */
export function checkValues(
  what: string,
  values: Readonly<Record<string, Float32Array>>,
  names: ReadonlySet<string>,
  shapes: ReadonlyMap<string, readonly number[]>,
): void {
  for (const [name, data] of Object.entries(values)) {
    const shape = names.has(name) ? shapes.get(name) : undefined;
    if (!shape) {
      fail(
        'ERR_PARAMETER_UNKNOWN',
        `${what} must name parameters. Received: ${show(name)}. There are: ${[...names].slice(0, 20).join(', ')}.`,
      );
    }
    if (!(data instanceof Float32Array) || data.length !== sizeOf(shape)) {
      fail(
        'ERR_SHAPE_MISMATCH',
        `${what} ${show(name)} must be a Float32Array of ${sizeOf(shape)} elements. Received: ${(data as Float32Array | undefined)?.length ?? typeof data}.`,
      );
    }
  }
}
