/** Masks for Dropout: the same seed and step give the same masks, on every machine. */

import { evaluateDim, sizeOf } from '@vradam/onnx-autodiff/lazy';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { Sizes } from './feeds.ts';
import { fail, type Mask } from './kit.ts';

/** Spreads a seed and a step over 32 bits, so that neighbours have nothing in common (the finalizer of MurmurHash3). */
function mix(seed: number, step: number): number {
  let h = (Math.imul(seed, 0x9e3779b1) + Math.imul(step, 0x85ebca77)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Elements of a mask in this call. */
function sizeOfMask({ name, shape }: Mask, sizes: Sizes): number[] {
  return shape.map(
    (dim) =>
      evaluateDim(dim, sizes) ??
      fail(
        'ERR_SHAPE_MISMATCH',
        `the size of the mask ${name} must follow from the feeds. Received: ${dim}. Export the model with fixed or named sizes.`,
      ),
  );
}

/** A mask's numbers with its shape. */
export interface DrawnMask {
  readonly name: string;
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** A mask takes 16 bits of randomness for an element: enough for a share, and two elements for each number drawn. */
const levels = 2 ** 16;

/** Fills a mask. The choice is an index, as a branch that nobody can foretell costs more than the number itself. */
function fill(data: Float32Array, ratio: number, generator: RandomGenerator): void {
  const dropped = Math.round(ratio * levels);
  const values = Float32Array.of(dropped < levels ? levels / (levels - dropped) : 0, 0);
  for (let i = 0; i < data.length; i += 2) {
    const bits = generator.next();
    data[i] = values[((bits & 0xffff) - dropped) >>> 31] as number;
    // beyond the end of an odd mask this does nothing
    data[i + 1] = values[((bits >>> 16) - dropped) >>> 31] as number;
  }
}

/**
 * Draws the masks of one forward pass: 0 with probability `ratio` (to 2^-16), else `1 / (1 - ratio)`.
 *
 * @param seed - a 32-bit integer.
 * @param pass - which forward pass it is, counted from 0.
 */
export function drawMasks(masks: readonly Mask[], sizes: Sizes, seed: number, pass: number): DrawnMask[] {
  const generator = xoroshiro128plus(mix(seed, pass));
  return masks.map((mask) => {
    const dims = sizeOfMask(mask, sizes);
    const data = new Float32Array(sizeOf(dims));
    fill(data, mask.ratio, generator);
    return { name: mask.name, data, dims };
  });
}
