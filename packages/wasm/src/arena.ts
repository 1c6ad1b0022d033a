/**
 * One WebAssembly memory that arrays live in.
 *
 * It never grows, since growing would detach every view that was handed out: a view of the arena is good for as long as
 * anybody holds it. What does not fit lies outside, as an ordinary Float32Array, and is copied through block by block.
 */

import type { OptimizerSpec } from '@vradam/core';
import { fail } from './errors.ts';
import { instantiateKernels, instantiateRowKernels, type KernelExports } from './module.ts';
import { type Memory, platform } from './platform.ts';

/** Elements of a block of an array that lies outside: the blocks of all arrays of a kernel fit a core's own cache. */
export const block = 8192;
/** Arrays of the kernel that has most of them. */
const mostArrays = 5;
/** Of float32. */
export const bytesPerElement = 4;
const bytesPerPage = 65_536;
/** Elements that a cache line holds; arrays begin on one. Address 0 is no array. */
const line = 16;
/** On an array of an arena; its buffer would say as much, but asking for that takes longer than a small kernel. */
const place = Symbol('place');

interface Place {
  readonly arena: Arena;
  /** Byte address, 0 after release. */
  address: number;
}

type Placed = Float32Array & { [place]?: Place };

/** Elements that an array of `elements` takes. */
export const aligned = (elements: number): number => Math.ceil(elements / line) * line;
/** Tensors that a row has at most: as many as fit a block. */
const mostInRow = block / line;
/** The table of a row: a float64 and the lengths. */
const tableStart = line;
const scratchStart = tableStart + aligned(2 + mostInRow);
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

/** A memory, its kernels, and the arrays in it. */
export class Arena {
  /** The kernels. */
  readonly kernels: KernelExports;
  /** Those for tensors in a row. */
  readonly rowKernels: ReturnType<typeof instantiateRowKernels>;
  /** What they add to, as one element. */
  readonly rowSum: Float64Array;
  /** Lengths of the tensors of a row. */
  readonly rowLengths: Int32Array;
  readonly #buffer: ArrayBufferLike;
  readonly #heap: Float32Array;
  readonly #end: number;
  /** Arrays released so far. */
  releases = 0;
  #next = arenaStart;
  /** Starts of released arrays, by their aligned length. */
  readonly #free = new Map<number, number[]>();

  /** @param elements - float32 elements that fit. Range [0, 2^30 - 40,976]. */
  constructor(elements: number) {
    if (elements > mostElements) {
      fail('ERR_OPTION_RANGE', `arena must be at most ${mostElements} elements. Received: ${elements}.`);
    }
    const memory = makeMemory(elements);
    const table = tableStart * bytesPerElement;
    this.kernels = instantiateKernels(memory);
    this.rowKernels = instantiateRowKernels(memory, table);
    this.rowSum = new Float64Array(memory.buffer, table, 1);
    this.rowLengths = new Int32Array(memory.buffer, table + 8, mostInRow);
    this.#buffer = memory.buffer;
    this.#heap = new Float32Array(memory.buffer);
    this.#end = arenaStart + elements;
  }

  /** A new array of zeros: in the arena if it fits. */
  allocate(length: number): Float32Array {
    const size = aligned(length);
    const released = this.#free.get(size)?.pop();
    const start = released ?? this.#next;
    if (released !== undefined) this.#heap.fill(0, start, start + size);
    else {
      if (length === 0 || start + size > this.#end) return new Float32Array(length);
      this.#next += size;
    }
    const address = start * bytesPerElement;
    const array = new Float32Array(this.#buffer, address, length);
    Object.defineProperty(array, place, { value: { arena: this, address } satisfies Place });
    return array;
  }

  /** Makes room; the array must not be used any more. One from elsewhere, or released before, is let alone. */
  release(array: Float32Array): void {
    const address = this.addressOf(array);
    if (address === 0) return;
    ((array as Placed)[place] as Place).address = 0;
    this.releases++;
    const size = aligned(array.length);
    const starts = this.#free.get(size) ?? [];
    starts.push(address / bytesPerElement);
    this.#free.set(size, starts);
  }

  /** Byte address of an array, 0 if it lies outside. */
  addressOf(x: Float32Array): number {
    const at = (x as Placed)[place];
    return at !== undefined && at.arena === this ? at.address : 0;
  }

  /**
   * How many elements of these arrays a kernel can take at once: all if they lie inside, else a block.
   *
   * @throws VRAdamError `ERR_SHAPE_MISMATCH` if they are not of one length: a kernel would leave its arrays.
   */
  span(length: number, ...arrays: readonly (Float32Array | undefined)[]): number {
    let span = length;
    for (let i = 0; i < arrays.length; i++) {
      const array = arrays[i];
      if (array === undefined) continue;
      if (array.length !== length) {
        fail(
          'ERR_SHAPE_MISMATCH',
          `arrays of one kernel must have one length. Received: ${length} and ${array.length}.`,
        );
      }
      if (this.addressOf(array) === 0) span = block;
    }
    return span;
  }

  /**
   * Address of `n` elements for a kernel, 0 for none. Those of an array that lies outside are copied in.
   *
   * @param slot - which of the kernel's arrays it is, 0 to 4.
   */
  load(slot: number, x: Float32Array | undefined, start: number, n: number): number {
    if (!x) return 0;
    const address = this.addressOf(x);
    if (address !== 0) return address + start * bytesPerElement;
    const scratch = scratchStart + slot * block;
    this.#heap.set(n === x.length ? x : x.subarray(start, start + n), scratch);
    return scratch * bytesPerElement;
  }

  /**
   * Address of an array as part of a row; one that lies outside is copied in.
   *
   * @param offset - elements before it in the row. Together they must not be more than a block.
   */
  loadInRow(x: Float32Array, offset: number): number {
    const address = this.addressOf(x);
    if (address !== 0) return address;
    this.#heap.set(x, scratchStart + offset);
    return (scratchStart + offset) * bytesPerElement;
  }

  /** Copies what a kernel wrote back to an array that lies outside. */
  store(slot: number, x: Float32Array | undefined, start: number, n: number): void {
    if (!x || this.addressOf(x) !== 0) return;
    const scratch = scratchStart + slot * block;
    x.set(this.#heap.subarray(scratch, scratch + n), start);
  }
}

/**
 * Where the arrays of a list of records lie. It remembers them: to look at an array of which nothing is in the cache takes
 * as long as a small kernel, and from step to step the records are the same. A record must keep its arrays.
 *
 * @typeParam R - record of one or two arrays.
 */
export class Places<R extends object> {
  /** Byte address of the first array of each record. */
  readonly first: number[] = [];
  /** Byte address of the last one. */
  readonly last: number[] = [];
  readonly #lengths: number[] = [];
  readonly #arena: Arena;
  readonly #arraysOf: (record: R) => readonly (Float32Array | undefined)[];
  #records: R[] = [];
  #releases = 0;

  constructor(arena: Arena, arraysOf: (record: R) => readonly (Float32Array | undefined)[]) {
    this.#arena = arena;
    this.#arraysOf = arraysOf;
  }

  /** Length of the arrays of the i-th record if they lie inside and are of one length, else -1. */
  find(i: number, record: R): number {
    const { releases } = this.#arena;
    if (releases !== this.#releases) this.#records = [];
    this.#releases = releases;
    if (this.#records[i] !== record) this.#look(i, record);
    return this.#lengths[i] as number;
  }

  #look(i: number, record: R): void {
    const arrays = this.#arraysOf(record);
    const length = arrays[0]?.length ?? -1;
    const addresses = arrays.map((x) => (x?.length === length ? this.#arena.addressOf(x) : 0));
    this.#records[i] = record;
    this.first[i] = addresses[0] ?? 0;
    this.last[i] = addresses.at(-1) ?? 0;
    this.#lengths[i] = addresses.includes(0) ? -1 : length;
  }
}
