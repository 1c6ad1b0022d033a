/** Errors of this package. */

import { VRAdamError, type VRAdamErrorCode } from '@vradam/core';

/**
 * Throws a {@link VRAdamError}.
 *
 * @param code - stable reason. Besides those of the core: `ERR_FEED_UNKNOWN`, `ERR_FEED_MISSING`, `ERR_FEED_TYPE`,
 *   `ERR_FEED_SHAPE`, `ERR_FEED_RANGE` for a call's inputs, `ERR_RUNTIME` for a failure of onnxruntime,
 *   `ERR_DISPOSED` after `dispose()`.
 * @param message - what is wrong, `Received: ...`, what to do.
 */
export function fail(code: VRAdamErrorCode, message: string, cause?: unknown): never {
  throw new VRAdamError(code, `[@vradam/onnxruntime] ${message}`, cause === undefined ? {} : { cause });
}

/** A value as an error message shows it. */
export const show = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : String(value);
