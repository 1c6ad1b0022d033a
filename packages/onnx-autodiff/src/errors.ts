/** Errors of this package. */

import { VRAdamError, type VRAdamErrorCode } from '@vradam/core';

/**
 * Throws a {@link VRAdamError}.
 *
 * @param code - `ERR_FILE_FORMAT` (bytes that are no model), `ERR_MODEL_INVALID` (a graph that contradicts itself),
 *   `ERR_OPERATOR_UNSUPPORTED` (an operator without a rule), `ERR_SHAPE_MISMATCH`, `ERR_PARAMETER_UNKNOWN`,
 *   `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_LIMIT` (larger than this package is willing to handle).
 * @param message - what is wrong, `Received: ...`, what to do.
 */
export function fail(code: VRAdamErrorCode, message: string, cause?: unknown): never {
  throw new VRAdamError(code, `[@vradam/onnx-autodiff] ${message}`, cause === undefined ? {} : { cause });
}
