/** Parsers of command-line values. */

import { InvalidArgumentError } from 'commander';
import { suggestion } from '../names.ts';

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

/** One of some names; a mistyped one is answered with the nearest. */
export function nameOf<Name extends string>(known: readonly Name[]): (text: string) => Name {
  return (text) => {
    const found = known.find((name) => name === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`${suggestion(text, known)}Choose from ${known.join(', ')}.`);
  };
}

/** Some of some names, separated by commas, each once. */
export function namesOf<Name extends string>(known: readonly Name[]): (text: string) => Name[] {
  return (text) => {
    const names = text.split(',').map((name) => name.trim()) as Name[];
    const wrong = names.find((name, i) => !known.includes(name) || names.indexOf(name) !== i);
    if (wrong === undefined) return names;
    throw new InvalidArgumentError(
      `${suggestion(wrong, known)}Choose each once, separated by commas, from ${known.join(', ')}.`,
    );
  };
}
