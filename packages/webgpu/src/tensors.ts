/** Parameters as users give them, checked. */

import type { OptimizerSpec } from '@vradam/core';
import { fail, show } from './errors.ts';
import { copySource, copyTarget } from './platform.ts';

/** A part of a GPUBuffer, of float32. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  /** In bytes, a multiple of 4. Default 0. */
  readonly offset?: number;
}

/**
 * A parameter. Numbers are copied into the arena; a buffer stays the caller's and is updated in place.
 *
 * A buffer without a shape is a parameter of all its elements; an array without one is of rank 1.
 */
export type Parameter =
  | Float32Array
  | { readonly data: ArrayLike<number>; readonly shape?: readonly number[] }
  | GPUBuffer
  | (BufferRange & { readonly shape?: readonly number[] });

/** A parameter, resolved. */
export interface Tensor {
  readonly name: string;
  /** Place among all tensors. */
  readonly index: number;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Index of its group. */
  readonly group: number;
  readonly weightDecay: number;
  /** Initial numbers; undefined for a buffer. */
  readonly data: ArrayLike<number> | undefined;
  /** The caller's buffer, which may be replaced; undefined in the arena. */
  own: Required<BufferRange> | undefined;
}

/** Whether a value is a GPUBuffer, of whichever implementation. */
export const isBuffer = (value: unknown): value is GPUBuffer =>
  typeof value === 'object' && value !== null && 'mapState' in value && 'usage' in value;

const usageNames: readonly (readonly [flag: number, name: string])[] = [
  [copySource, 'COPY_SRC'],
  [copyTarget, 'COPY_DST'],
];

/**
 * Checks what can be seen of a buffer at once; that it belongs to the device and is not destroyed shows only when it
 * is used.
 *
 * @param what - e.g. `gradient "w"`.
 * @throws VRAdamError `ERR_OPTION_TYPE`, `ERR_SHAPE_MISMATCH` if it is too small, `ERR_BUFFER`.
 */
export function checkRange(
  what: string,
  { buffer, offset = 0 }: BufferRange,
  bytes: number,
  usage: number,
): Required<BufferRange> {
  if (!isBuffer(buffer)) fail('ERR_OPTION_TYPE', `${what} must be a GPUBuffer. Received: ${show(buffer)}.`);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset % 4 !== 0) {
    fail(
      'ERR_OPTION_RANGE',
      `${what}: offset must be a multiple of 4 bytes, 0 or more. Received: ${show(offset)}.`,
    );
  }
  if (buffer.size - offset < bytes) {
    fail('ERR_SHAPE_MISMATCH', `${what} needs ${bytes} bytes. Received: ${buffer.size - offset}.`);
  }
  const missing = usageNames.filter(([flag]) => (usage & flag) !== 0 && (buffer.usage & flag) === 0);
  if (missing.length > 0) {
    const names = missing.map(([, name]) => name).join(' and ');
    fail('ERR_BUFFER', `${what} needs usage ${names}. Received: usage ${buffer.usage}.`);
  }
  if (buffer.mapState !== 'unmapped') {
    fail(
      'ERR_BUFFER',
      `${what} must be unmapped. Received: ${buffer.mapState}. Call unmap() before the step.`,
    );
  }
  return { buffer, offset };
}

/** A range, of a buffer or a part of one. */
export const rangeOf = (value: GPUBuffer | BufferRange): BufferRange =>
  isBuffer(value) ? { buffer: value } : value;

function checkShape(name: string, shape: readonly number[]): number {
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!isShape)
    fail(
      'ERR_OPTION_TYPE',
      `parameter ${show(name)}: shape must be whole numbers. Received: ${show(shape)}.`,
    );
  return shape.reduce((product, size) => product * size, 1);
}

/** Shape, and numbers or buffer. */
function resolve(name: string, given: Parameter): Pick<Tensor, 'shape' | 'data' | 'own'> {
  if (typeof given !== 'object' || given === null) {
    fail(
      'ERR_OPTION_TYPE',
      `parameter ${show(name)} must be an array or a GPUBuffer. Received: ${show(given)}.`,
    );
  }
  if (ArrayBuffer.isView(given)) return { shape: [given.length], data: given, own: undefined };
  if (!isBuffer(given) && 'data' in given) {
    const { data, shape = [data.length] } = given;
    const elements = checkShape(name, shape);
    if (data.length !== elements) {
      fail(
        'ERR_SHAPE_MISMATCH',
        `parameter ${show(name)} of shape [${shape}] needs ${elements} numbers. Received: ${data.length}.`,
      );
    }
    return { shape, data, own: undefined };
  }
  const range = rangeOf(given as GPUBuffer | BufferRange);
  const free = Math.floor(((range.buffer?.size ?? 0) - (range.offset ?? 0)) / 4);
  const shape = ('shape' in given ? given.shape : undefined) ?? [Math.max(0, free)];
  const bytes = 4 * checkShape(name, shape);
  return {
    shape,
    data: undefined,
    own: checkRange(`parameter ${show(name)}`, range, bytes, copySource | copyTarget),
  };
}

/** Parameters in one buffer may not overlap: each would undo the other's step. */
function checkOverlap(tensors: readonly Tensor[]): void {
  const byBuffer = new Map<GPUBuffer, { name: string; start: number; end: number }[]>();
  for (const { name, own, elements } of tensors) {
    if (!own || elements === 0) continue;
    const ranges = byBuffer.get(own.buffer) ?? [];
    const [start, end] = [own.offset, own.offset + 4 * elements];
    const other = ranges.find((range) => range.start < end && start < range.end);
    if (other) fail('ERR_BUFFER', `parameters ${show(other.name)} and ${show(name)} overlap in one buffer.`);
    byBuffer.set(own.buffer, [...ranges, { name, start, end }]);
  }
}

/**
 * Checks parameters, and puts each into its group.
 *
 * @throws VRAdamError `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_SHAPE_MISMATCH`, `ERR_BUFFER`.
 */
export function resolveParameters(
  { groups, decays }: OptimizerSpec,
  parameters: Readonly<Record<string, Parameter>>,
): Tensor[] {
  const tensors = Object.entries(Object(parameters) as typeof parameters).map(
    ([name, given], index): Tensor => {
      const { shape, data, own } = resolve(name, given);
      const group = groups.findIndex(({ match }) => match(name));
      const weightDecay = decays(name) ? (groups[group]?.options.weightDecay ?? 0) : 0;
      return { name, index, shape, elements: checkShape(name, shape), group, weightDecay, data, own };
    },
  );
  if (tensors.length === 0) fail('ERR_OPTION_RANGE', 'there must be a parameter. Received: none.');
  checkOverlap(tensors);
  return tensors;
}
