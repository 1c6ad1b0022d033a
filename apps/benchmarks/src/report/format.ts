/** Numbers as a reader of a report meets them. */

import type { Choice, Choices } from '../sweep/space.ts';
import type { Estimate, PairedDifference } from './analysis/statistics.ts';

/** With a true minus sign. */
const minus = (text: string): string => text.replace('-', '−');

/** A loss or another number: four significant digits, and exponents only where they are needed. NaN is NaN. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return minus(String(value).replace('Infinity', '∞'));
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e5 || size < 1e-3) return minus(value.toExponential(2));
  return minus(value.toFixed(Math.max(0, 3 - Math.max(0, Math.floor(Math.log10(size))))));
}

/** A number on an axis: all of its digits, but for those of rounding. */
export const tickText = (value: number): string => minus(String(Number(value.toPrecision(6))));

/** A value that was chosen: of a number three significant digits. */
export const choiceText = (value: Choice): string =>
  typeof value === 'number' ? minus(String(Number(value.toPrecision(3)))) : String(value);

/** All values that were chosen. */
export const choicesText = (choices: Choices): string =>
  Object.entries(choices)
    .map(([name, value]) => `${name} ${choiceText(value)}`)
    .join(', ');

/** A share as percents. */
export const percentText = (value: number): string =>
  Number.isFinite(value) ? `${minus((100 * value).toFixed(1))} %` : numberText(value);

/** A rate or another small number: two significant digits. */
export const rateText = (value: number): string =>
  Number.isFinite(value) ? minus(String(Number(value.toPrecision(2)))) : numberText(value);

/** A number with as many decimals as another has. */
function likeText(value: number, shown: string): string {
  if (shown.includes('e')) return numberText(value);
  return value.toFixed(shown.split('.')[1]?.length ?? 0);
}

/** `mean ± deviation`; how many seeds are NaN, where some are; a dash where nothing was measured. */
export function estimateText(
  found: Estimate | undefined,
  text: (value: number) => string = numberText,
): string {
  if (!found || found.values.length === 0) return '–';
  const { mean, sd, notFinite, values } = found;
  if (notFinite > 0) return values.length > 1 ? `NaN (${notFinite} of ${values.length} seeds)` : 'NaN';
  if (Number.isNaN(sd)) return text(mean);
  const [shown, unit] = text(mean).split(' ') as [string, string | undefined];
  return `${shown} ± ${likeText(sd * (unit === '%' ? 100 : 1), shown)}${unit === undefined ? '' : ` ${unit}`}`;
}

/** `low .. high`, or a dash. */
export const intervalText = (
  found: Pick<Estimate, 'interval'> | undefined,
  text: (value: number) => string = numberText,
): string => (found?.interval ? found.interval.map(text).join(' … ') : '–');

const signed = (value: number): string => (value > 0 ? `+${numberText(value)}` : numberText(value));

/** A difference with its interval. */
export function differenceText({ difference, seeds }: PairedDifference): string {
  if (seeds.length === 0) return '–';
  const interval = difference.interval ? ` (${difference.interval.map(signed).join(' … ')})` : '';
  return `${signed(difference.mean)}${interval}`;
}

/** Milliseconds. */
export const millisecondsText = (value: number): string =>
  Number.isNaN(value) ? '–' : value < 10 ? value.toFixed(1) : value.toFixed(0);

/** Seconds, or minutes where these are many. */
export function secondsText(value: number): string {
  if (!Number.isFinite(value)) return numberText(value);
  return value < 120 ? `${value.toFixed(value < 10 ? 1 : 0)} s` : `${(value / 60).toFixed(1)} min`;
}
