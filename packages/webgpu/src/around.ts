/** The transforms around an algorithm, as the kernels do them. */

import type { OptimizerSpec } from '@vradam/core';
import { fail, show } from './errors.ts';

/** What is done around the algorithm. */
export interface Around {
  /** Largest norm of each batch's gradients, where batches are gathered. */
  readonly clipBatch: number | undefined;
  /** Largest norm of the gradients of a step. */
  readonly clip: number | undefined;
  /** Batches of a step. */
  readonly batches: number;
  /** Share of the old average; undefined keeps none. */
  readonly average: number | undefined;
  /** Whether a gradient with NaN or Infinity keeps the step from being taken. */
  readonly skips: boolean;
  /** Whether the device must find out in each call if that one completes a step, as earlier ones may have been skipped. */
  readonly judges: boolean;
}

function checkPolicy({ nonFinite }: OptimizerSpec): boolean {
  if (nonFinite === 'throw') {
    fail(
      'ERR_UNSUPPORTED',
      `nonFinite 'throw' would have to read from the GPU in every step. Use 'skip', and stats().`,
    );
  }
  return nonFinite === 'skip';
}

/**
 * Reads the transforms of a spec.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` for a transform that is not the core's, and for a combination without kernels.
 */
export function resolveTransforms(spec: OptimizerSpec): Around {
  let [clipBatch, clip, average, batches] = [undefined, undefined, undefined, 1] as [
    number | undefined,
    number | undefined,
    number | undefined,
    number,
  ];
  for (const { kind, options } of spec.transforms) {
    // one clip after another is as one clip to the least of the norms
    const least = (before: number | undefined): number =>
      Math.min(before ?? Infinity, options['maxNorm'] as number);
    if (kind === 'clipByGlobalNorm' && batches > 1) clipBatch = least(clipBatch);
    else if (kind === 'clipByGlobalNorm') clip = least(clip);
    else if (kind === 'accumulateGradients' && batches === 1) batches = options['steps'] as number;
    else if (kind === 'averageWeights' && average === undefined) average = options['decay'] as number;
    else
      fail(
        'ERR_UNSUPPORTED',
        `there are no kernels for this transform, or for two of it. Received: ${show(kind)}.`,
      );
  }
  const skips = checkPolicy(spec);
  return { clipBatch, clip, batches, average, skips, judges: skips && batches > 1 };
}
