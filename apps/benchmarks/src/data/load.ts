import { loadCifar10 } from './cifar10.ts';
import type { ImageDataset } from './images.ts';
import { loadMnist } from './mnist.ts';
import { type SyntheticOptions, syntheticDigits, syntheticImages } from './synthetic.ts';

/** What a task asks for, and where real data may lie. */
export interface LoadImagesOptions extends SyntheticOptions {
  /** The folder that holds the real pictures; without one they are generated. */
  readonly directory?: string;
}

/**
 * Gives the pictures of the image task: real ones where a folder is named, else generated ones. Never falls
 * back from one to the other by itself, so a result cannot be about other data than its reader thinks.
 *
 * @param options - `train` and `test` are exact counts for generated pictures and the most for real ones;
 *   `seed` decides generated pictures only.
 * @throws VRAdamError as {@link loadCifar10} if there is a folder, as {@link syntheticImages} if not.
 */
export async function loadImages(options: LoadImagesOptions): Promise<ImageDataset> {
  const { directory, seed, train, test } = options;
  if (directory !== undefined) return loadCifar10(directory, { train, test });
  return syntheticImages({ seed, train, test });
}

/**
 * Gives digits: MNIST where a folder is named, else written by strokes; never one for the other.
 *
 * @param options - as of {@link loadImages}.
 * @throws VRAdamError as {@link loadMnist} if there is a folder, as {@link syntheticDigits} if not.
 */
export async function loadDigits(options: LoadImagesOptions): Promise<ImageDataset> {
  const { directory, seed, train, test } = options;
  if (directory !== undefined) return loadMnist(directory, { train, test });
  return syntheticDigits({ seed, train, test });
}
