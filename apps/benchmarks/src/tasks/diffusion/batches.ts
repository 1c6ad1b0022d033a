/** From bytes to batches: splitting, shuffling, shrinking, and noise. */

import { shuffler } from 'd3-array';
import type { ImageSet } from '../../data/index.ts';
import type { Batch } from '../../nn/nn.ts';
import { openRandom, type Random } from '../../random.ts';
import { streams } from '../streams.ts';
import { addNoise, normals, type Process } from './process.ts';

/** Height and width of a picture as it is stored, in pixels. */
const storedSide = 28;

/** Seed of the noise that pictures are judged with: the same for all runs. */
const evaluationSeed = 42;

/** Which pictures are judged. */
const judged = { validation: streams.validation(0), test: streams.validation(1) };

/**
 * Splits pictures into training and validation at random, 9 to 1.
 *
 * @param wanted - training pictures at most.
 */
export function split(
  { count }: ImageSet,
  wanted: number,
  seed: number,
): { readonly train: readonly number[]; readonly validation: readonly number[] } {
  const train = Math.min(wanted, Math.floor(count * 0.9));
  const numbers = Array.from({ length: count }, (_, i) => i);
  const order = shuffler(openRandom(seed, streams.split).next)(numbers);
  return { train: order.slice(0, train), validation: order.slice(train) };
}

/** Writes a picture as numbers from -1 to 1, each the mean of a square of pixels. */
export function shrink(pixels: Uint8Array, side: number, out: Float32Array): void {
  const factor = storedSide / side;
  for (let i = 0; i < side * side; i++) {
    const corner = (Math.floor(i / side) * storedSide + (i % side)) * factor;
    let sum = 0;
    for (let row = 0; row < factor; row++) {
      for (let column = 0; column < factor; column++) {
        sum += pixels[corner + row * storedSide + column] as number;
      }
    }
    out[i] = sum / (factor * factor * 127.5) - 1;
  }
}

/** Pictures with noise of their times. */
function batchOf(
  { images }: ImageSet,
  rows: readonly number[],
  times: Int32Array,
  side: number,
  process: Process,
  random: Random,
): Batch {
  const [stored, pixels] = [storedSide ** 2, side ** 2];
  const shape = [rows.length, 1, side, side];
  const noise = normals(random, rows.length * pixels);
  const noisy = new Float32Array(rows.length * pixels);
  const picture = new Float32Array(pixels);
  for (const [i, row] of rows.entries()) {
    const own = [i * pixels, (i + 1) * pixels] as const;
    shrink(images.subarray(row * stored, (row + 1) * stored), side, picture);
    addNoise(process, times[i] as number, picture, noise.subarray(...own), noisy.subarray(...own));
  }
  return {
    noisy: { shape, data: noisy },
    noise: { shape, data: noise },
    times: { shape: [rows.length], data: times },
  };
}

function* chunks(rows: readonly number[], size: number): Generator<readonly number[]> {
  for (let begin = 0; begin < rows.length; begin += size) yield rows.slice(begin, begin + size);
}

/** Batches in random order at random times; the last one may be smaller. Order, times and noise are the seed's. */
export function* trainBatches(
  set: ImageSet,
  rows: readonly number[],
  size: number,
  { side, process, random }: { readonly side: number; readonly process: Process; readonly random: Random },
): Generator<Batch> {
  const order = shuffler(random.next)([...rows]);
  for (const chunk of chunks(order, size)) {
    const times = Int32Array.from(chunk, () => random.integer(process.times));
    yield batchOf(set, chunk, times, side, process, random);
  }
}

/**
 * Batches to judge by: pictures in order, their times evenly apart from the first to the last, their noise always the
 * same.
 */
export function* evaluationBatches(
  set: ImageSet,
  rows: readonly number[],
  size: number,
  { side, process, split: part }: { side: number; process: Process; split: keyof typeof judged },
): Generator<Batch> {
  const random = openRandom(evaluationSeed, judged[part]);
  let done = 0;
  for (const chunk of chunks(rows, size)) {
    const times = Int32Array.from(chunk, (_, i) =>
      Math.floor(((done + i + 0.5) * process.times) / rows.length),
    );
    yield batchOf(set, chunk, times, side, process, random);
    done += chunk.length;
  }
}
