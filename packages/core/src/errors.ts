/**
 * Stable, machine-readable reason of a {@link VRAdamError}. Branch on this; never on the message.
 *
 * - `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_OPTION_UNKNOWN`: an option given at construction.
 * - `ERR_PARAMETER_UNKNOWN`, `ERR_SHAPE_MISMATCH`: names or shapes that do not fit the optimizer's parameters.
 * - `ERR_NON_FINITE`: a gradient holds NaN or Infinity while `nonFinite` is `'throw'`.
 * - `ERR_UNSUPPORTED`: this backend cannot do what was asked.
 * - `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH`: a state dict of another version, or for other parameters.
 * - `ERR_FILE_FORMAT`: bytes from outside that are not what they claim to be.
 */
export type VRAdamErrorCode =
  | 'ERR_OPTION_TYPE'
  | 'ERR_OPTION_RANGE'
  | 'ERR_OPTION_UNKNOWN'
  | 'ERR_PARAMETER_UNKNOWN'
  | 'ERR_SHAPE_MISMATCH'
  | 'ERR_NON_FINITE'
  | 'ERR_UNSUPPORTED'
  | 'ERR_STATE_VERSION'
  | 'ERR_STATE_MISMATCH'
  | 'ERR_FILE_FORMAT'
  | `ERR_${string}`;

/** The one error class of every `@vradam` package. */
export class VRAdamError extends Error {
  override readonly name: string = 'VRAdamError';
  /** Stable reason; see {@link VRAdamErrorCode}. */
  readonly code: VRAdamErrorCode;

  /**
   * @param code - stable reason.
   * @param message - `[package] what is wrong. Received: value. What to do.`
   * @param options - `cause`: the error underneath, if there is one.
   */
  constructor(code: VRAdamErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
