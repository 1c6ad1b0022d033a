/**
 * Known elements of small float tensors, looked up when they become integers again.
 *
 * Exporters compute sizes as `floor(size * scale)` in floats. Named sizes are followed through whole multiples.
 */

import { int, type Node, type Value } from '../graph/value.ts';
import { mulDims } from '../model/dims.ts';
import type { Dim } from '../model/model.ts';
import { numbersOf, sizeOf } from '../model/tensors.ts';

/** More elements, or longer chains, are not followed. */
const [mostFloats, longestChain] = [16, 16];

type Elements = readonly Dim[] | undefined;

/** A function of numbers; on a name it is undefined. */
const numeric =
  (f: (a: number, b: number) => number) =>
  (a: Dim, b: Dim): Dim | undefined =>
    typeof a === 'number' && typeof b === 'number' ? f(a, b) : undefined;

/** Sizes are whole, so that a whole multiple of one stays exact. */
function multiply(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  const isWhole = [a, b].every((factor) => typeof factor === 'string' || Number.isSafeInteger(factor));
  return isWhole ? mulDims(a, b) : undefined;
}

const binaries: Readonly<Record<string, (a: Dim, b: Dim) => Dim | undefined>> = {
  Add: numeric((a, b) => a + b),
  Sub: numeric((a, b) => a - b),
  Mul: multiply,
  Div: numeric((a, b) => a / b),
};

/** Halves go to the even neighbour. */
function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const isTie = x - below === 0.5;
  return isTie ? below + (below % 2 === 0 ? 0 : 1) : Math.round(x);
}

const unaries: Readonly<Record<string, (x: number) => number>> = {
  Floor: Math.floor,
  Ceil: Math.ceil,
  Round: roundHalfEven,
};

/** Operators that keep elements and their order. */
const keepers = new Set(['Cast', 'Identity', 'Unsqueeze', 'Squeeze', 'Reshape', 'Flatten']);

function combine(a: Elements, b: Elements, f: (a: Dim, b: Dim) => Dim | undefined): Elements {
  if (!a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined;
  const long = a.length === 1 ? b : a;
  const results = long.map((_, i) => f(a[a.length === 1 ? 0 : i] as Dim, b[b.length === 1 ? 0 : i] as Dim));
  return results.every((result) => result !== undefined) ? (results as Dim[]) : undefined;
}

function throughNode(node: Node, value: Value, depth: number): Elements {
  const [first, second] = node.inputs;
  if (node.domain !== '' || (value.shape?.length ?? 2) > 1) return undefined;
  if (keepers.has(node.op)) return knownFloats(first, depth);
  const binary = Object.hasOwn(binaries, node.op) ? binaries[node.op] : undefined;
  if (binary) return combine(knownFloats(first, depth), knownFloats(second, depth), binary);
  const unary = Object.hasOwn(unaries, node.op) ? unaries[node.op] : undefined;
  if (unary) return knownFloats(first, depth)?.map((x) => (typeof x === 'number' ? unary(x) : x));
  if (node.op === 'Concat' && int(node, 'axis', 0) === 0) {
    const parts = node.inputs.map((part) => knownFloats(part, depth));
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  }
  return undefined;
}

/** Elements of a small float scalar or vector, as far as they can be known. */
export function knownFloats(value: Value | undefined, depth: number = longestChain): Elements {
  if (!value || depth === 0) return undefined;
  if (value.ints) return value.ints;
  const { constant, isParameter, node, dtype } = value;
  if (constant) {
    const isNumeric = dtype === 'float32' || dtype === 'float64';
    return !isParameter && isNumeric && sizeOf(constant.shape) <= mostFloats
      ? numbersOf(constant)
      : undefined;
  }
  const found = node && throughNode(node, value, depth - 1);
  if (!found || found.length > mostFloats) return undefined;
  return dtype === 'float32' ? found.map((x) => (typeof x === 'number' ? Math.fround(x) : x)) : found;
}
