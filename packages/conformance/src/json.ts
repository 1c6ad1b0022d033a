/** Reading JSON from outside: every access says where it is, and a wrong shape is an error, not an exception. */

import { VRAdamError } from '@vradam/core';

/** Throws `ERR_FILE_FORMAT` for something inside a file. */
export function malformed(path: string, wanted: string, received: unknown): never {
  const text = JSON.stringify(received)?.slice(0, 60) ?? String(received);
  throw new VRAdamError(
    'ERR_FILE_FORMAT',
    `[@vradam/conformance] ${path} must be ${wanted}. Received: ${text}.`,
  );
}

/** An object with string keys. */
export function asObject(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    malformed(path, 'an object', value);
  return value as Readonly<Record<string, unknown>>;
}

/** An array, each element read by `read`. */
export function asArray<R>(value: unknown, path: string, read: (element: unknown, path: string) => R): R[] {
  if (!Array.isArray(value)) malformed(path, 'an array', value);
  return value.map((element, i) => read(element, `${path}[${i}]`));
}

/** A text. */
export function asString(value: unknown, path: string): string {
  return typeof value === 'string' ? value : malformed(path, 'a text', value);
}

/** A number; `"Infinity"`, `"-Infinity"` and `"NaN"` stand for what JSON cannot say. */
export function asNumber(value: unknown, path: string): number {
  if (value === 'Infinity' || value === '-Infinity' || value === 'NaN') return Number(value);
  return typeof value === 'number' ? value : malformed(path, 'a number', value);
}

/** A whole number >= 0. */
export function asCount(value: unknown, path: string): number {
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : malformed(path, 'a whole number >= 0', value);
}

/** An array of numbers. */
export function asNumbers(value: unknown, path: string): number[] {
  return asArray(value, path, asNumber);
}
