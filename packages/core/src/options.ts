/** Options are checked once, at the border. A range is written as mathematics writes it and is its own message. */

import { VRAdamError } from './errors.ts';

/**
 * Legal values of an option: an interval such as `'[0, 1)'`, a choice in JSON such as `'true|false'`, or `'rate'`: a
 * number in [0, Infinity) or a schedule.
 */
export type Range = string;

/** Throws `[@vradam/core] ...` with this code. */
export function fail(code: VRAdamError['code'], message: string): never {
  throw new VRAdamError(code, `[@vradam/core] ${message}`);
}

/** Shows a value as an error message should: text quoted, the rest as it prints. */
export function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function inside(value: number, range: Range): boolean {
  const [low, high] = range.slice(1, -1).split(', ').map(Number) as [number, number];
  return value === low
    ? range[0] === '['
    : value === high
      ? range.at(-1) === ']'
      : value > low && value < high;
}

function check(what: string, value: unknown, range: Range): void {
  const isRate = range === 'rate';
  if (isRate && typeof value === 'function') return;
  const legal = isRate ? '[0, Infinity)' : range;
  const isNumber = typeof value === 'number';
  if (!isNumber && legal.includes(', ')) {
    fail('ERR_OPTION_TYPE', `${what} must be a number. Received: ${show(value)}.`);
  }
  if (!(isNumber ? inside(value, legal) : legal.split('|').includes(JSON.stringify(value)))) {
    fail('ERR_OPTION_RANGE', `${what} must be in ${legal}. Received: ${show(value)}.`);
  }
}

/**
 * Checks options against their ranges. Defaults are filled in before: `undefined` is a missing option.
 *
 * @param where - what the options belong to; begins the message.
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 */
export function checkOptions(where: string, options: object, ranges: Readonly<Record<string, Range>>): void {
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(ranges, key)) {
      fail(
        'ERR_OPTION_UNKNOWN',
        `${where}: unknown option. Received: ${show(key)}. Known: ${Object.keys(ranges).join(', ')}.`,
      );
    }
    check(`${where}: ${key}`, value, ranges[key] as Range);
  }
}
