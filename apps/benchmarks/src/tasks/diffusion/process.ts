/** Noise that is added to pictures step by step, and taken away again (Ho, Jain and Abbeel, arXiv 2006.11239). */

import { randomNormal } from 'd3-random';
import type { HostTensor } from '../../nn/nn.ts';
import type { Random } from '../../random.ts';

/** The process, as numbers by time. Time 0 is the one with the least noise. */
export interface Process {
  /** Times there are. */
  readonly times: number;
  /** Variance that the step to this time adds. */
  readonly betas: readonly number[];
  /** Share of a picture's variance that is left at this time. */
  readonly kept: readonly number[];
}

/**
 * A process whose betas are evenly apart.
 *
 * @param first - beta of time 0, in (0, 1).
 * @param last - beta of the last time, in (0, 1).
 */
export function linearProcess(times: number, [first, last]: readonly [number, number]): Process {
  const betas = Array.from({ length: times }, (_, t) => first + ((last - first) * t) / (times - 1));
  let product = 1;
  const kept = betas.map((beta) => {
    product *= 1 - beta;
    return product;
  });
  return { times, betas, kept };
}

/** Independent numbers of the standard normal distribution. */
export function normals(random: Random, length: number): Float32Array {
  return Float32Array.from({ length }, randomNormal.source(random.next)());
}

/** A picture at a time: `sqrt(kept) x + sqrt(1 - kept) noise`, written into `out`. */
export function addNoise(
  { kept }: Process,
  t: number,
  picture: Float32Array,
  noise: Float32Array,
  out: Float32Array,
): void {
  const [share, rest] = [Math.sqrt(kept[t] as number), Math.sqrt(1 - (kept[t] as number))];
  for (const [i, value] of picture.entries()) out[i] = share * value + rest * (noise[i] as number);
}

/** The picture of one time before, given that at t and the clean one: normal, with these weights and this variance. */
export function posterior(
  { betas, kept }: Process,
  t: number,
): { readonly ofClean: number; readonly ofNoisy: number; readonly variance: number } {
  const [beta, now, before] = [betas[t] as number, kept[t] as number, t === 0 ? 1 : (kept[t - 1] as number)];
  return {
    ofClean: (Math.sqrt(before) * beta) / (1 - now),
    ofNoisy: (Math.sqrt(1 - beta) * (1 - before)) / (1 - now),
    // at time 0 there is none: the published code's floor
    variance: Math.max((beta * (1 - before)) / (1 - now), 1e-20),
  };
}

/** Tells the noise in pictures [N, 1, side, side] that are at these times. */
export type NoisePredictor = (pictures: HostTensor, times: Int32Array) => Promise<Float32Array>;

/** Takes a step back in time. The estimate of the clean picture is not clipped, as in the published code. */
function stepBack(
  process: Process,
  t: number,
  x: Float32Array,
  told: Float32Array,
  noise: Float32Array,
): void {
  const { ofClean, ofNoisy, variance } = posterior(process, t);
  const now = process.kept[t] as number;
  const [share, rest, deviation] = [Math.sqrt(now), Math.sqrt(1 - now), Math.sqrt(variance)];
  for (const [i, value] of x.entries()) {
    const clean = (value - rest * (told[i] as number)) / share;
    x[i] = ofClean * clean + ofNoisy * value + deviation * (noise[i] as number);
  }
}

/**
 * Draws pictures: noise, from which the predicted noise is taken away from the last time to the first.
 *
 * @param shape - [N, 1, side, side].
 * @param random - gives the noise.
 * @returns numbers that pictures have in [-1, 1].
 */
export async function sample(
  process: Process,
  shape: readonly [number, number, number, number],
  random: Random,
  predict: NoisePredictor,
): Promise<Float32Array> {
  const length = shape.reduce((a, b) => a * b);
  const x = normals(random, length);
  for (let t = process.times - 1; t >= 0; t--) {
    const told = await predict({ shape, data: x.slice() }, new Int32Array(shape[0]).fill(t));
    stepBack(process, t, x, told, t > 0 ? normals(random, length) : new Float32Array(length));
  }
  return x;
}
