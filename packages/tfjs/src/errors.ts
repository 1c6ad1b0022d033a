/** Errors of this package. */

import { VRAdamError, type VRAdamErrorCode } from '@vradam/core';

/** Throws `[@vradam/tfjs] ...` with this code. */
export function fail(code: VRAdamErrorCode, message: string): never {
  throw new VRAdamError(code, `[@vradam/tfjs] ${message}`);
}
