/** From bytes to batches: splitting, shuffling, augmenting, normalising. */

import { shuffler } from 'd3-array';
import type { ImageDataset, ImageSet } from '../../data/index.ts';
import type { Batch } from '../../nn/nn.ts';
import { openRandom, type Random } from '../../random.ts';
import { streams } from '../streams.ts';

const mean = [0.4914, 0.4822, 0.4465] as const;
const deviation = [0.247, 0.243, 0.261] as const;
const channels = 3;

/** What each value of a pixel is, normalised, by channel: a picture has far more pixels than a pixel has values. */
const normalised = mean.map((m, c) =>
  Float64Array.from({ length: 256 }, (_, value) => (value / 255 - m) / (deviation[c] as number)),
);

/** Numbers 0 .. count - 1 in random order. */
function shuffled(count: number, random: Random): number[] {
  return shuffler(random.next)(Array.from({ length: count }, (_, i) => i));
}

/**
 * Splits images into training and validation at random, 4 to 1.
 *
 * @param wanted - training images at most.
 */
export function split(
  set: ImageSet,
  wanted: number,
  seed: number,
): { train: number[]; validation: number[] } {
  const train = Math.min(wanted, Math.floor(set.count * 0.8));
  const order = shuffled(set.count, openRandom(seed, streams.split));
  return { train: order.slice(0, train), validation: order.slice(train, train + Math.round(train / 4)) };
}

/** Where a picture is cut from its padded self: whether mirrored, and how far moved, in pixels. */
interface Cut {
  readonly mirrored: boolean;
  readonly down: number;
  readonly right: number;
}

const whole: Cut = { mirrored: false, down: 0, right: 0 };

/** Mirrored with chance 1/2, and moved by up to 4 pixels. */
function randomCut(random: Random): Cut {
  return { mirrored: random.next() < 0.5, down: random.integer(9) - 4, right: random.integer(9) - 4 };
}

/** Writes one normalised picture. Beyond its edge it is black, as zeros before the normalisation are. */
function write(pixels: Uint8Array, size: number, { mirrored, down, right }: Cut, out: Float32Array): void {
  const [first, end] = [Math.max(0, -right), Math.min(size, size - right)];
  const stride = mirrored ? -1 : 1;
  for (let c = 0; c < channels; c++) {
    const values = normalised[c] as Float64Array;
    out.fill(values[0] as number, c * size * size, (c + 1) * size * size);
    for (let y = Math.max(0, -down); y < Math.min(size, size - down); y++) {
      const begin = (c * size + y + down) * size;
      let from = begin + (mirrored ? size - 1 - first - right : first + right);
      for (let to = (c * size + y) * size + first; to < (c * size + y) * size + end; to++) {
        out[to] = values[pixels[from] as number] as number;
        from += stride;
      }
    }
  }
}

function batchOf({ images, labels }: ImageSet, rows: readonly number[], size: number, cut: () => Cut): Batch {
  const pixels = channels * size * size;
  const data = new Float32Array(rows.length * pixels);
  for (const [i, row] of rows.entries()) {
    const picture = images.subarray(row * pixels, (row + 1) * pixels);
    write(picture, size, cut(), data.subarray(i * pixels, (i + 1) * pixels));
  }
  return {
    images: { shape: [rows.length, channels, size, size], data },
    labels: { shape: [rows.length], data: Int32Array.from(rows, (row) => labels[row] as number) },
  };
}

function* chunks(rows: readonly number[], size: number): Generator<readonly number[]> {
  for (let begin = 0; begin < rows.length; begin += size) yield rows.slice(begin, begin + size);
}

/** Batches in random order, each picture mirrored and moved at random; the last batch may be smaller. */
export function* trainBatches(
  { train, shape: [, size] }: ImageDataset,
  rows: readonly number[],
  batchSize: number,
  random: Random,
): Generator<Batch> {
  const order = shuffler(random.next)([...rows]);
  for (const chunk of chunks(order, batchSize)) yield batchOf(train, chunk, size, () => randomCut(random));
}

/** Batches in order, as the pictures are or, with a random stream, augmented. */
export function* plainBatches(
  set: ImageSet,
  size: number,
  rows: readonly number[],
  batchSize: number,
  random?: Random,
): Generator<Batch> {
  for (const chunk of chunks(rows, batchSize)) {
    yield batchOf(set, chunk, size, () => (random ? randomCut(random) : whole));
  }
}
