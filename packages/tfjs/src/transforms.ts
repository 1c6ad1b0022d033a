/** Transforms as options of a class: imported by those who use them, and found again when a model is loaded. */

import type { AccumulateOptions, AverageOptions, ClipOptions, OptimizerSpec } from '@vradam/core';
import { fail } from './errors.ts';

/** A transform of the core with its options, as it is imported. */
export type TransformOf<O> = (spec: OptimizerSpec, options: O) => OptimizerSpec;

/** A transform of the core with its options, such as `[clipByGlobalNorm, { maxNorm: 1 }]`. */
export type TransformEntry =
  | readonly [transform: TransformOf<ClipOptions>, options: ClipOptions]
  | readonly [transform: TransformOf<AccumulateOptions>, options: AccumulateOptions]
  | readonly [transform: TransformOf<AverageOptions | undefined>, options?: AverageOptions];

/** By the names they have in saved configurations. */
const known = new Map<string, TransformOf<never>>();

/**
 * Makes transforms known by their names, so that a model can be loaded whose optimizer was saved with them. A transform
 * is known, too, once an optimizer of this page was constructed with it.
 *
 * @param transforms - by name: `registerTransforms({ clipByGlobalNorm })`.
 */
export function registerTransforms(transforms: Readonly<Record<string, TransformOf<never>>>): void {
  for (const [name, transform] of Object.entries(transforms)) known.set(name, transform);
}

/** The name of a transform that is known. */
export const transformName = (transform: unknown): string | undefined =>
  [...known].find((entry) => entry[1] === transform)?.[0];

/**
 * The transform of a name.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` if it is not known.
 */
export const transformOf = (name: string): TransformOf<never> =>
  known.get(name) ??
  fail(
    'ERR_UNSUPPORTED',
    `transform ${name} is not loaded. Import it and call registerTransforms({ ${name} }).`,
  );

/**
 * A spec within transforms, the first innermost.
 *
 * @throws VRAdamError `ERR_OPTION_TYPE`, and what the transforms throw.
 */
export function transformed(spec: OptimizerSpec, entries: readonly TransformEntry[]): OptimizerSpec {
  if (!Array.isArray(entries) || !entries.every((entry) => typeof entry?.[0] === 'function')) {
    fail('ERR_OPTION_TYPE', 'transforms must be a list such as [[clipByGlobalNorm, { maxNorm: 1 }]].');
  }
  return entries.reduce((inner: OptimizerSpec, [transform, options]) => {
    const outer = transform(inner, options);
    const added = outer.transforms[inner.transforms.length];
    if (added) known.set(added.kind, transform);
    return outer;
  }, spec);
}
