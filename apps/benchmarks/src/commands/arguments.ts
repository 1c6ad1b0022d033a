/** Parsers of command-line values. */

import { InvalidArgumentError } from 'commander';

/** A whole number of at least `least`, below 2^32. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least || value >= 2 ** 32) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to 4294967295.`);
    }
    return value;
  };
}

/** A finite number above 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new InvalidArgumentError('It must be a number > 0.');
}

/** A finite number of at least 0. */
export function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new InvalidArgumentError('It must be a number >= 0.');
}

/** A number in [0, 1). */
export function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value < 1) return value;
  throw new InvalidArgumentError('It must be a number in [0, 1).');
}
