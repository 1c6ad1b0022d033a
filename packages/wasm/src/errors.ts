/** Errors of this package. */

import { VRAdamError, type VRAdamErrorCode } from '@vradam/core';

/**
 * Throws a {@link VRAdamError}.
 *
 * @param code - stable reason; those of the core.
 * @param message - what is wrong, `Received: ...`, what to do.
 */
export function fail(code: VRAdamErrorCode, message: string, cause?: unknown): never {
  throw new VRAdamError(code, `[@vradam/wasm] ${message}`, cause === undefined ? {} : { cause });
}

/** A value as an error message shows it. */
export const show = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : String(value);
