/**
 * One WebAssembly memory that arrays live in.
 *
 * It never grows, since growing would detach every view that was handed out: a view of the arena is good for as long as
 * anybody holds it. What does not fit lies outside, as an ordinary Float32Array, and is copied through block by block.
 */

import type { OptimizerSpec } from '@vradam/core';
import { fail } from './errors.ts';
import { instantiateKernels, type KernelExports } from './module.ts';
import { type Memory, platform } from './platform.ts';

/** Elements of a block of an array that lies outside: the blocks of all arrays of a kernel fit a core's own cache. */
const block = 8192;
/** Arrays of the kernel that has most of them. */
const mostArrays = 5;
const bytesPerElement = 4;
const bytesPerPage = 65_536;
/** Elements that a cache line holds; arrays begin on one. Address 0 is no array. */
const line = 16;
const aligned = (elements: number): number => Math.ceil(elements / line) * line;
const scratchStart = line;
const arenaStart = scratchStart + mostArrays * block;
/** WebAssembly has 32-bit addresses. */
const mostElements = 2 ** 30 - arenaStart;

/**
 * Elements that an arena must have so that parameters and their whole state fit.
 *
 * @param parameters - by name: their arrays, or anything else with a length.
 * @param spec - the optimizer.
 */
export function arenaSize(
  parameters: Readonly<Record<string, { readonly length: number }>>,
  { algorithm, groups, transforms }: OptimizerSpec,
): number {
  const own = Math.max(...groups.map(({ options }) => algorithm.slots(options).length));
  const around = transforms.reduce((count, { slots }) => count + slots.length, 0);
  const lengths = Object.values(parameters).map(({ length }) => aligned(length));
  return lengths.reduce((sum, length) => sum + length, 0) * (1 + own + around);
}

function makeMemory(elements: number): Memory {
  const initial = Math.ceil(((arenaStart + elements) * bytesPerElement) / bytesPerPage);
  try {
    const { WebAssembly: wasm } = platform;
    if (!wasm) fail('ERR_UNSUPPORTED', 'WebAssembly is needed.');
    return new wasm.Memory({ initial });
  } catch (cause) {
    fail(
      'ERR_UNSUPPORTED',
      `there is not enough memory for the arena. Received: ${elements} elements. Use a smaller one, or none.`,
      cause,
    );
  }
}

/** Runs a kernel on `n` elements at these addresses. */
export type Run = (addresses: readonly number[], n: number) => number;

/** A memory, its kernels, and the arrays in it. */
export class Arena {
  /** The kernels. */
  readonly kernels: KernelExports;
  readonly #buffer: ArrayBufferLike;
  readonly #heap: Float32Array;
  readonly #end: number;
  #next = arenaStart;
  /** Starts of released arrays, by their aligned length. */
  readonly #free = new Map<number, number[]>();
  // one of each for all calls: a step allocates nothing
  readonly #whole: number[] = [];
  readonly #part: number[] = [];

  /** @param elements - float32 elements that fit. Range [0, 2^30 - 40,976]. */
  constructor(elements: number) {
    if (elements > mostElements) {
      fail('ERR_OPTION_RANGE', `arena must be at most ${mostElements} elements. Received: ${elements}.`);
    }
    const memory = makeMemory(elements);
    this.kernels = instantiateKernels(memory);
    this.#buffer = memory.buffer;
    this.#heap = new Float32Array(memory.buffer);
    this.#end = arenaStart + elements;
  }

  /** A new array of zeros: in the arena if it fits. */
  allocate(length: number): Float32Array {
    const size = aligned(length);
    const released = this.#free.get(size)?.pop();
    const start = released ?? this.#next;
    if (released === undefined) {
      if (length === 0 || start + size > this.#end) return new Float32Array(length);
      this.#next += size;
    }
    const array = new Float32Array(this.#buffer, start * bytesPerElement, length);
    return released === undefined ? array : array.fill(0);
  }

  /** Makes room; the array must not be used any more. An array from elsewhere is let alone. */
  release(array: Float32Array): void {
    if (array.buffer !== this.#buffer) return;
    const size = aligned(array.length);
    const starts = this.#free.get(size) ?? [];
    starts.push(array.byteOffset / bytesPerElement);
    this.#free.set(size, starts);
  }

  /**
   * Runs a kernel over arrays of one length, wherever they lie.
   *
   * @param arrays - at most five.
   * @param written - which of them the kernel writes.
   * @returns sum of what the kernel gave.
   */
  sweep(arrays: readonly Float32Array[], written: readonly boolean[], run: Run): number {
    const { length } = arrays[0] as Float32Array;
    let isInside = true;
    for (let i = 0; i < arrays.length; i++) {
      const { buffer, byteOffset } = arrays[i] as Float32Array;
      this.#whole[i] = buffer === this.#buffer ? byteOffset : 0;
      if (buffer !== this.#buffer) isInside = false;
    }
    if (isInside) return run(this.#whole, length);
    let sum = 0;
    for (let start = 0; start < length; start += block) {
      sum += this.#sweepBlock(arrays, written, run, start, Math.min(block, length - start));
    }
    return sum;
  }

  #sweepBlock(
    arrays: readonly Float32Array[],
    written: readonly boolean[],
    run: Run,
    start: number,
    n: number,
  ): number {
    const heap = this.#heap;
    for (let i = 0; i < arrays.length; i++) {
      const [inside, scratch] = [this.#whole[i] as number, scratchStart + i * block];
      this.#part[i] = inside === 0 ? scratch * bytesPerElement : inside + start * bytesPerElement;
      const array = arrays[i] as Float32Array;
      if (inside === 0) heap.set(n === array.length ? array : array.subarray(start, start + n), scratch);
    }
    const result = run(this.#part, n);
    for (let i = 0; i < arrays.length; i++) {
      const scratch = scratchStart + i * block;
      if (written[i] && this.#whole[i] === 0) arrays[i]?.set(heap.subarray(scratch, scratch + n), start);
    }
    return result;
  }
}
