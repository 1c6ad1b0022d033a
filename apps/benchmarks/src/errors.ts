import { VRAdamError, type VRAdamErrorCode } from '@vradam/core';

/** The three sentences of an error message, and what caused it. */
export interface Complaint {
  /** What is wrong, without a full stop. */
  readonly wrong: string;
  /** The offending value. */
  readonly received: unknown;
  /** What the reader should do, as a sentence. */
  readonly action: string;
  /** The error underneath, if there is one. */
  readonly cause?: unknown;
}

/**
 * Builds an error of this package: `[@vradam/benchmarks] what is wrong. Received: value. What to do.`
 *
 * @param code - stable reason.
 * @param complaint - the parts of the message.
 */
export function benchmarkError(
  code: VRAdamErrorCode,
  { wrong, received, action, cause }: Complaint,
): VRAdamError {
  const message = `[@vradam/benchmarks] ${wrong}. Received: ${received}. ${action}`;
  return new VRAdamError(code, message, cause === undefined ? {} : { cause });
}

/**
 * Whether an error came from the disk: its own system call failed. Network failures come from `fetch` as
 * errors without one.
 */
export function isFileSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/**
 * Says that a file or folder cannot be read or written.
 *
 * @param path - which.
 * @param cause - the error of the file system.
 */
export function fileSystemError(path: string, cause: unknown): VRAdamError {
  const received = cause instanceof Error ? cause.message : cause;
  const action = 'Check its rights and the free space, or name another folder.';
  return benchmarkError('ERR_FILE_SYSTEM', {
    wrong: `${path} cannot be read or written`,
    received,
    action,
    cause,
  });
}

/**
 * Refuses an option that is not a whole number of a range.
 *
 * @param name - the option, for the message.
 * @param value - what was given.
 * @param low - smallest value allowed.
 * @param high - largest value allowed.
 * @throws VRAdamError ERR_OPTION_RANGE.
 */
export function checkInteger(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: `${name} must be a whole number in [${low}, ${high}]`,
    received: value,
    action: `Give ${name} a value in that range.`,
  });
}
