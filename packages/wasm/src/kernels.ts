/** The kernels in place of the core's rules: two passes over memory a step, for every algorithm. */

import { type Entry, float32Ops, type Kernel, type Kernels, type VRMomentumOptions } from '@vradam/core';
import type { Arena } from './arena.ts';
import {
  type Addresses,
  adamwRule,
  momentumRule,
  type Rule,
  rmspropRule,
  sgdRule,
  vradamRule,
  vrMomentumRule,
} from './rules.ts';

const rules: Readonly<Record<string, Rule>> = {
  vradam: vradamRule,
  adamw: adamwRule,
  vrMomentum: vrMomentumRule,
  momentum: momentumRule,
  sgd: sgdRule,
  rmsprop: rmspropRule,
};

type Run = (at: Addresses, n: number) => number;

/** A gradient, the slots of a rule and, to be moved, a parameter. */
type Arrays = readonly (Float32Array | undefined)[];

/**
 * Sum of what a kernel gives for all blocks of an entry's arrays.
 *
 * @param written - from which of the arrays on the kernel changes them.
 */
function inBlocks(arena: Arena, arrays: Arrays, written: number, kernel: Run): number {
  const span = arena.span(arrays);
  const { length } = arrays[0] as Float32Array;
  let sum = 0;
  for (let start = 0; start < length; start += span) {
    const n = Math.min(span, length - start);
    const [g, a, b, c, p] = [0, 1, 2, 3, 4].map((i) => arena.load(i, arrays[i], start, n)) as number[];
    sum += kernel([p, p, g, a, b, c] as unknown as Addresses, n);
    for (let i = written; i < arrays.length; i++) arena.store(i, arrays[i], start, n);
  }
  return sum;
}

/** The arrays of an entry, in the order that {@link inBlocks} takes. */
function arraysOf({ gradient, slots }: Entry<Float32Array>, rule: Rule, parameter?: Float32Array): Arrays {
  const [first, second, third] = rule.slots;
  const at = (name: string | undefined) => (name === undefined ? undefined : slots[name]);
  return [gradient, at(first), at(second), at(third), parameter];
}

/** `sum |x|^power`, in float64. */
function sumPower(arena: Arena, x: Float32Array, power: number): number {
  if (power !== 2) return float32Ops.sumPower(x, power);
  return inBlocks(arena, [x], 1, ([, , g], n) => arena.kernels.sumSquares(g, n));
}

function fuse(arena: Arena, rule: Rule): Kernel<Float32Array, number> {
  const { kernels } = arena;
  return {
    accumulate(entry, options) {
      const squares = rule.accumulate
        ? inBlocks(
            arena,
            arraysOf(entry, rule),
            1,
            (at, n) => rule.accumulate?.(kernels, at, n, options as never) ?? 0,
          )
        : 0;
      if (!rule.hasNorm) return null;
      const { power, normGrad } = options as Required<VRMomentumOptions>;
      if (power === 2 && !normGrad) return squares;
      return sumPower(arena, normGrad ? entry.gradient : (entry.slots['velocity'] as Float32Array), power);
    },
    apply(parameter, entry, rate, options) {
      inBlocks(arena, arraysOf(entry, rule, parameter), rule.accumulate ? 4 : 1, (at, n) => {
        rule.apply(kernels, at, n, entry, rate, options as never);
        return 0;
      });
      return parameter;
    },
  };
}

/** Fused kernels for every algorithm of the core, over an arena. */
export function wasmKernels(arena: Arena): Kernels<Float32Array, number> {
  return (algorithm) => rules[algorithm] && fuse(arena, rules[algorithm]);
}

/** Whether all elements are finite. */
export function allFinite(arena: Arena, x: Float32Array): boolean {
  return inBlocks(arena, [x], 1, ([, , g], n) => arena.kernels.nonFinite(g, n)) === 0;
}
