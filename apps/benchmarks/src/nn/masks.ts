/** Masks for dropout, for engines that draw none themselves. */

import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/**
 * Gives the masks of one pass, one after the other: 0 with probability `ratio`, to 2^-16, else the reciprocal of what
 * is kept.
 *
 * @param length - elements of the mask.
 */
export type MaskSource = (length: number, ratio: number) => Float32Array;

/** 16 bits of randomness for an element. */
const levels = 2 ** 16;

/** The finalizer of MurmurHash3 over seed and pass, as @vradam/onnxruntime seeds its masks. */
function mix(seed: number, pass: number): number {
  let h = (Math.imul(seed, 0x9e3779b1) + Math.imul(pass, 0x85ebca77)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * Opens the masks of a training step: those that a session of @vradam/onnxruntime draws, number by number, so that
 * engines can be compared in training with dropout.
 *
 * @param seed - a 32-bit integer.
 * @param pass - training steps before this one.
 */
export function openMasks(seed: number, pass: number): MaskSource {
  const generator = xoroshiro128plus(mix(seed, pass));
  return (length, ratio) => {
    const dropped = Math.round(ratio * levels);
    const kept = dropped < levels ? levels / (levels - dropped) : 0;
    const mask = new Float32Array(length);
    for (let i = 0; i < length; i += 2) {
      const bits = generator.next();
      mask[i] = (bits & 0xffff) < dropped ? 0 : kept;
      // beyond the end of an odd mask this does nothing
      mask[i + 1] = bits >>> 16 < dropped ? 0 : kept;
    }
    return mask;
  };
}
