import { loadCifar10 } from './cifar10.ts';
import type { ImageDataset } from './images.ts';
import { type SyntheticOptions, syntheticImages } from './synthetic.ts';

/** What a task asks for, and where real data may lie. */
export interface LoadImagesOptions extends SyntheticOptions {
  /** The folder that holds CIFAR-10; without one the pictures are generated. */
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
