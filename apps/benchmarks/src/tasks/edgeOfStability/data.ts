/** Images of the edge of stability: the first ones, in chunks that never change. */

import { type ImageDataset, loadImages } from '../../data/index.ts';
import { benchmarkError } from '../../errors.ts';
import type { Batch } from '../../nn/nn.ts';
import type { EdgePreset } from './presets.ts';

/** Pictures for a run. */
export interface EdgeData {
  /** Chunks of one size; the loss is the mean over all of them. */
  readonly chunks: readonly Batch[];
  /** Those that the Hessian is of. */
  readonly hessianChunks: readonly Batch[];
  /** Pixels in height and width. */
  readonly size: number;
  /** Classes. */
  readonly classes: number;
  /** One plain line saying what data this is. */
  readonly source: string;
  /** For the record. */
  readonly files: ImageDataset['files'];
}

const channels = 3;

/** The first `count` pictures as numbers in [0, 1], each pixel the mean of `reduction` by `reduction`. */
function pixelsOf({ train, shape: [, size] }: ImageDataset, count: number, reduction: number): Float32Array {
  const small = size / reduction;
  const pixels = new Float32Array(count * channels * small * small);
  for (let i = 0; i < pixels.length; i++) {
    const [plane, y, x] = [Math.floor(i / small / small), Math.floor(i / small) % small, i % small];
    let sum = 0;
    for (let dy = 0; dy < reduction; dy++)
      for (let dx = 0; dx < reduction; dx++)
        sum += train.images[(plane * size + y * reduction + dy) * size + x * reduction + dx] as number;
    pixels[i] = sum / (255 * reduction * reduction);
  }
  return pixels;
}

/** Takes from every pixel of every channel its mean over the pictures, and divides it by its deviation, in place. */
function standardize(pixels: Float32Array, count: number): void {
  const features = pixels.length / count;
  for (let j = 0; j < features; j++) {
    let [sum, squares] = [0, 0];
    for (let i = j; i < pixels.length; i += features) sum += pixels[i] as number;
    const mean = sum / count;
    for (let i = j; i < pixels.length; i += features) squares += ((pixels[i] as number) - mean) ** 2;
    const deviation = Math.sqrt(squares / count) || 1; // a pixel that never changes is 0
    for (let i = j; i < pixels.length; i += features) pixels[i] = ((pixels[i] as number) - mean) / deviation;
  }
}

/**
 * Loads the first pictures of CIFAR-10, or generates some; mean and deviation of each pixel are those of these pictures.
 *
 * @throws VRAdamError as `loadImages` does; `ERR_DATA_NOT_FOUND` if there are fewer than the preset needs.
 */
export async function loadEdgeData(
  { images, reduction, chunk, hessianImages }: EdgePreset,
  { seed, directory }: { readonly seed: number; readonly directory: string | undefined },
): Promise<EdgeData> {
  const wanted = { seed, train: images, test: 0, ...(directory !== undefined && { directory }) };
  const dataset = await loadImages(wanted);
  if (dataset.train.count < images) {
    throw benchmarkError('ERR_DATA_NOT_FOUND', {
      wrong: `this preset needs ${images} training pictures`,
      received: dataset.train.count,
      action: 'Choose a smaller --preset, or name a folder with more.',
    });
  }
  const size = dataset.shape[1] / reduction;
  const classes = dataset.classes.length;
  const pixels = pixelsOf(dataset, images, reduction);
  standardize(pixels, images);
  const targets = new Float32Array(images * classes);
  for (let i = 0; i < images; i++) targets[i * classes + (dataset.train.labels[i] as number)] = 1;
  const features = channels * size * size;
  const chunks = Array.from({ length: images / chunk }, (_, i): Batch => {
    const of = (all: Float32Array, each: number) => all.slice(i * chunk * each, (i + 1) * chunk * each);
    return {
      images: { shape: [chunk, channels, size, size], data: of(pixels, features) },
      targets: { shape: [chunk, classes], data: of(targets, classes) },
    };
  });
  const hessianChunks = chunks.slice(0, hessianImages / chunk);
  return { chunks, hessianChunks, size, classes, source: dataset.source, files: dataset.files };
}
