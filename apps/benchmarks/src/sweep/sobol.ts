/** Points that fill a cube evenly: Sobol's sequence, moved at random. */

import { openRandom } from '../random.ts';

/**
 * Primitive polynomials and first direction numbers for dimensions 2, 3, ...: degree, inner coefficients, numbers.
 *
 * @see Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections", 2008; their file new-joe-kuo-6
 */
const table: readonly (readonly [degree: number, coefficients: number, first: readonly number[]])[] = [
  [1, 0, [1]],
  [2, 1, [1, 3]],
  [3, 1, [1, 3, 1]],
  [3, 2, [1, 1, 1]],
  [4, 1, [1, 1, 3, 3]],
  [4, 4, [1, 3, 5, 13]],
  [5, 2, [1, 1, 5, 5, 17]],
  [5, 4, [1, 1, 5, 5, 5]],
  [5, 7, [1, 1, 7, 11, 19]],
  [5, 11, [1, 1, 5, 1, 1]],
  [5, 13, [1, 1, 1, 3, 11]],
  [5, 14, [1, 3, 5, 5, 31]],
  [6, 1, [1, 3, 3, 9, 7, 49]],
  [6, 13, [1, 1, 1, 15, 21, 21]],
  [6, 16, [1, 3, 1, 13, 27, 49]],
];

/** Dimensions there are numbers for. */
export const mostDimensions: number = table.length + 1;

const bits = 32;

/** The 32 direction numbers of a dimension, counted from 0. */
function directions(dimension: number): Uint32Array {
  const v = new Uint32Array(bits);
  const row = table[dimension - 1];
  if (!row) return v.map((_, i) => 2 ** (bits - 1 - i)); // van der Corput's sequence
  const [degree, coefficients, first] = row;
  for (let i = 0; i < bits; i++) {
    if (i < degree) {
      v[i] = (first[i] as number) * 2 ** (bits - 1 - i);
      continue;
    }
    let next = (v[i - degree] as number) ^ ((v[i - degree] as number) >>> degree);
    for (let k = 1; k < degree; k++) if ((coefficients >> (degree - 1 - k)) & 1) next ^= v[i - k] as number;
    v[i] = next;
  }
  return v;
}

/**
 * Opens a sequence of points in [0, 1)^dimensions. A random number is added to each coordinate bit by bit, which keeps how
 * evenly they lie, and makes each seed another sequence.
 *
 * @param dimensions - from 1 to {@link mostDimensions}.
 * @param seed - a 32-bit integer.
 * @returns the point of an index from 0.
 */
export function openSobol(dimensions: number, seed: number): (index: number) => number[] {
  const random = openRandom(seed, 1); // the first numbers of the first stream are alike for small seeds
  const columns = Array.from({ length: dimensions }, (_, d) => directions(d));
  const shifts = columns.map(() => Math.floor(random.next() * 2 ** 24) * 2 ** 8 + random.integer(2 ** 8));
  return (index) => {
    const gray = index ^ (index >>> 1);
    return columns.map((v, d) => {
      let x = shifts[d] as number;
      for (let bit = 0; bit < bits; bit++) if ((gray >>> bit) & 1) x ^= v[bit] as number;
      return (x >>> 0) / 2 ** bits;
    });
  };
}
