/** The kernels in place of the core's rules: two passes over memory a step, for every algorithm. */

import { type Entry, float32Ops, type Kernel, type Kernels, type VRMomentumOptions } from '@vradam/core';
import { type Arena, aligned, block, bytesPerElement, Places } from './arena.ts';
import type { KernelExports } from './module.ts';
import { type Addresses, type Rule, rules } from './rules.ts';

/** An array, or none. */
type Maybe = Float32Array | undefined;
/** A kernel with its hyper-parameters. */
type Run = (at: Addresses, n: number) => number;
type Options = Required<VRMomentumOptions>;
type ArrayEntry = Entry<Float32Array>;

/** Addresses of the call under way: a new array for each call would be most of what there is to collect. */
const at: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];

/**
 * Sum of what a kernel gives for all blocks of some arrays: a gradient, up to three slots and, to be moved, a parameter.
 *
 * @param writesSlots - whether the kernel changes the slots; a parameter it changes in any case.
 */
function inBlocks(
  arena: Arena,
  run: Run,
  writesSlots: boolean,
  gradient: Maybe,
  first?: Maybe,
  second?: Maybe,
  third?: Maybe,
  parameter?: Maybe,
): number {
  const { length } = (parameter ?? gradient) as Float32Array;
  const whole = arena.span(length, gradient, first, second, third, parameter);
  // a sum is taken in the same blocks wherever the arrays lie, so that it is the same to the last bit
  const span = parameter === undefined ? block : whole;
  let sum = 0;
  for (let start = 0; start < length; start += span) {
    const n = Math.min(span, length - start);
    at[0] = at[1] = arena.load(4, parameter, start, n);
    at[2] = arena.load(0, gradient, start, n);
    at[3] = arena.load(1, first, start, n);
    at[4] = arena.load(2, second, start, n);
    at[5] = arena.load(3, third, start, n);
    sum += run(at, n);
    arena.store(4, parameter, start, n);
    if (!writesSlots) continue;
    arena.store(1, first, start, n);
    arena.store(2, second, start, n);
    arena.store(3, third, start, n);
  }
  return sum;
}

/** `sum |x|^power`, in float64. */
function sumPower(arena: Arena, x: Float32Array, power: number): number {
  if (power !== 2) return float32Ops.sumPower(x, power);
  return inBlocks(arena, ([, , g], n) => arena.kernels.sumSquares(g, n), false, x);
}

/** Parameters and slots that lie in the arena one behind the other, so that a kernel can take them as one. */
interface Row {
  readonly at: Addresses;
  readonly n: number;
  readonly count: number;
}

/** A rule for the tensors of one group, over an arena. */
class FusedRule implements Required<Kernel<Float32Array, number>> {
  readonly #arena: Arena;
  readonly #rule: Rule;
  readonly #parameters: Places<Float32Array>;
  readonly #slots: Places<ArrayEntry['slots']>;

  constructor(arena: Arena, rule: Rule) {
    this.#arena = arena;
    this.#rule = rule;
    this.#parameters = new Places(arena, (parameter) => [parameter]);
    this.#slots = new Places(arena, (slots) => rule.slots.map((name) => slots[name]));
  }

  accumulate(entry: ArrayEntry, options: object): number | null {
    return this.accumulateAll([entry], options)[0] ?? null;
  }

  apply(parameter: Float32Array, entry: ArrayEntry, rate: number, options: object): Float32Array {
    this.applyAll([parameter], [entry], rate, options);
    return parameter;
  }

  accumulateAll(entries: readonly ArrayEntry[], options: object): number[] {
    const { accumulate, hasNorm, slots: names } = this.#rule;
    if (!accumulate) return [];
    const { power, normGrad } = options as Options;
    const [arena, fromVelocity] = [this.#arena, power === 2 && !normGrad];
    const { kernels, rowKernels, rowSum } = arena;
    const run: Run = (at, n) => accumulate(kernels, at, n, options as never);
    rowSum[0] = 0;
    let sum = 0;
    for (let i = 0; i < entries.length; ) {
      const count = this.#gather(entries, i);
      // either way a sum that does not depend on where anything lies
      if (count > 0) accumulate(rowKernels as KernelExports, at, count, options as never);
      else {
        const { gradient, slots } = entries[i] as ArrayEntry;
        rowSum[0] += inBlocks(arena, run, true, gradient, ...names.map((name) => slots[name]));
      }
      const end = i + Math.max(count, 1);
      for (; i < end; i++) {
        if (fromVelocity || !hasNorm) continue;
        const { gradient, slots } = entries[i] as ArrayEntry;
        sum += sumPower(arena, normGrad ? gradient : (slots['velocity'] as Float32Array), power);
      }
    }
    return hasNorm ? [fromVelocity ? rowSum[0] : sum] : [];
  }

  /**
   * Makes a row of gradients of as many tensors as fit, from an entry on, whose slots lie in a row. Sets `at` and the
   * arena's lengths.
   *
   * @returns how many; 0 if not even one, as it lies outside or is too long.
   */
  #gather(entries: readonly ArrayEntry[], begin: number): number {
    const [arena, places] = [this.#arena, this.#slots];
    let [i, n] = [begin, 0];
    for (; i < entries.length; i++) {
      const { gradient, slots } = entries[i] as ArrayEntry;
      const { length } = gradient;
      if (places.find(i, slots) !== length || n + length > block) break;
      const [bytes, first, last] = [n * bytesPerElement, places.first[i] as number, places.last[i] as number];
      if (i === begin) {
        at[3] = first;
        at[4] = last;
      } else if (first !== at[3] + bytes || last !== at[4] + bytes) break;
      const g = arena.loadInRow(gradient, n);
      if (i === begin) at[2] = g;
      else if (g !== at[2] + bytes) break;
      arena.rowLengths[i - begin] = length;
      n += aligned(length);
    }
    return i - begin;
  }

  applyAll(
    parameters: readonly Float32Array[],
    entries: readonly ArrayEntry[],
    rate: number,
    options: object,
  ): readonly Float32Array[] {
    const { kernels } = this.#arena;
    for (let i = 0; i < entries.length; ) {
      const entry = entries[i] as ArrayEntry;
      const run: Run = (at, n) => {
        this.#rule.apply(kernels, at, n, entry, rate, options as never);
        return 0;
      };
      const row = this.#row(parameters, entries, i);
      if (row) run(row.at, row.n);
      else this.#apply(parameters[i] as Float32Array, entry, run);
      i += row?.count ?? 1;
    }
    return parameters;
  }

  #apply(parameter: Float32Array, { gradient, slots }: ArrayEntry, run: Run): void {
    const { accumulate, slots: names } = this.#rule;
    const [a, b, c] = names.map((name) => slots[name]);
    inBlocks(this.#arena, run, !accumulate, accumulate ? undefined : gradient, a, b, c, parameter);
  }

  /** The longest row from an entry on whose parameters are at the same step; null for none, or if gradients are needed. */
  #row(parameters: readonly Float32Array[], entries: readonly ArrayEntry[], begin: number): Row | null {
    const { step, weightDecay } = entries[begin] as ArrayEntry;
    const { first, last } = this.#slots;
    let [P, A, B, bytes, n] = [0, 0, 0, 0, 0];
    let i = this.#rule.accumulate ? begin : entries.length;
    for (; i < entries.length; i++) {
      const [entry, parameter] = [entries[i] as ArrayEntry, parameters[i] as Float32Array];
      const length = this.#slots.find(i, entry.slots);
      if (length < 0 || this.#parameters.find(i, parameter) !== length) break;
      const [p, a, b] = [this.#parameters.first[i] as number, first[i] as number, last[i] as number];
      if (i === begin) [P, A, B] = [p, a, b];
      const isNext = p === P + bytes && a === A + bytes && b === B + bytes;
      if (!isNext || entry.step !== step || entry.weightDecay !== weightDecay) break;
      n = bytes / bytesPerElement + length;
      bytes += aligned(length) * bytesPerElement;
    }
    return n > 0 ? { at: [P, P, 0, A, B, 0], n, count: i - begin } : null;
  }
}

/** Fused kernels for every algorithm of the core, over an arena. */
export function wasmKernels(arena: Arena): Kernels<Float32Array, number> {
  return (algorithm) => rules[algorithm] && new FusedRule(arena, rules[algorithm]);
}

/** A function that says whether all elements are finite. */
export function finiteness(arena: Arena): (x: Float32Array) => boolean {
  const { nonFinite } = arena.kernels;
  const run: Run = ([, , g], n) => nonFinite(g, n);
  return (x) => {
    const { length } = x;
    if (length > block) return inBlocks(arena, run, false, x) === 0;
    return nonFinite(arena.load(0, x, 0, length), length) === 0;
  };
}
