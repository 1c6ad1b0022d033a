/** Errors of this package. */

import { VRAdamError, type VRAdamErrorCode } from '@vradam/core';

/** Makes a {@link VRAdamError} of this package. */
export function failure(code: VRAdamErrorCode, message: string, cause?: unknown): VRAdamError {
  return new VRAdamError(code, `[@vradam/webgpu] ${message}`, cause === undefined ? {} : { cause });
}

/**
 * Throws a {@link VRAdamError}.
 *
 * @param code - stable reason: those of the core, and `ERR_BUFFER`, `ERR_DEVICE_LOST`, `ERR_DEVICE_LIMIT`,
 *   `ERR_VALIDATION`, `ERR_DISPOSED`.
 * @param message - what is wrong, `Received: ...`, what to do.
 */
export function fail(code: VRAdamErrorCode, message: string, cause?: unknown): never {
  throw failure(code, message, cause);
}

/** A value as an error message shows it. */
export const show = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : String(value);
