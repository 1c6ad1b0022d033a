/** Numbers of two bytes: IEEE halves (5 bits of exponent, 10 of fraction) and bfloat16 (the upper half of a float32). */

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

/** Bits of a number as a float32. */
function bitsOf(value: number): number {
  single[0] = value;
  return word[0] as number;
}

/** The value of an IEEE half. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  const significand = exponent === 0 ? fraction / 1024 : 1 + fraction / 1024;
  return sign * significand * 2 ** (Math.max(exponent, 1) - 15);
}

/** The nearest half; of two, the even one. */
export function numberToHalf(value: number): number {
  const bits = bitsOf(value);
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (Number.isNaN(value)) return 0x7e00;
  // from 65520 on, infinity is the nearest
  if (size >= 0x477ff000) return sign | 0x7c00;
  // below the smallest normal half, steps are 2^-24; adding 2^23 of them makes the float32 unit do the rounding
  if (size < 0x38800000) return sign | (bitsOf(Math.abs(value) * 2 ** 24 + 2 ** 23) & 0x7fff);
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

/** The value of a bfloat16. */
export function bfloatToNumber(bits: number): number {
  word[0] = bits << 16;
  return single[0] as number;
}

/** The nearest bfloat16; of two, the even one. */
export function numberToBfloat(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const bits = bitsOf(value);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
