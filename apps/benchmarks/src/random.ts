import { randomInt, randomIrwinHall, randomUniform } from 'd3-random';
import { uniformFloat32 } from 'pure-rand/distribution/uniformFloat32';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Random numbers from one seeded stream. Each call moves the stream on. */
export interface Random {
  /** The bare stream: uniform in [0, 1), a multiple of 2^-24. */
  readonly next: () => number;
  /** Uniform in [low, high). */
  readonly uniform: (low: number, high: number) => number;
  /** A whole number, uniform in [0, end). */
  readonly integer: (end: number) => number;
  /** About normal: mean 0, deviation 1, and never beyond 3 deviations. */
  readonly normal: () => number;
  /** A point on the unit circle, uniform in angle: `[cosine, sine]`. */
  readonly direction: () => readonly [cosine: number, sine: number];
}

/**
 * Opens a random stream that is the same on every machine: it is built of `+ - * /` and square roots, which
 * IEEE 754 defines to the last bit, and of no `log` or `cos`, which it does not.
 *
 * @param seed - a 32-bit integer.
 * @param stream - which of the seed's independent streams; 0 or more. Streams never overlap in practice.
 */
export function openRandom(seed: number, stream: number): Random {
  const generator = xoroshiro128plus(seed);
  for (let jumps = 0; jumps < stream; jumps++) generator.jump();
  const next = () => uniformFloat32(generator);
  const uniformFrom = randomUniform.source(next);
  const integerFrom = randomInt.source(next);
  // A sum of three uniform numbers has mean 3/2 and deviation 1/2.
  const sumOfThree = randomIrwinHall.source(next)(3);
  return {
    next,
    uniform: (low, high) => uniformFrom(low, high)(),
    integer: (end) => integerFrom(end)(),
    normal: () => 2 * sumOfThree() - 3,
    direction: () => direction(next),
  };
}

function direction(next: () => number): readonly [number, number] {
  for (;;) {
    const x = 2 * next() - 1;
    const y = 2 * next() - 1;
    const length = Math.sqrt(x * x + y * y);
    // Points near the centre are dropped as well, where rounding would favour some angles.
    if (length > 0.1 && length <= 1) return [x / length, y / length];
  }
}
