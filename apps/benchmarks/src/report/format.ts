/** Numbers as a reader of a report meets them. */

import type { Estimate, PairedDifference } from './analysis/statistics.ts';

/** With a true minus sign. */
const minus = (text: string): string => text.replace('-', '−');

/** A loss or another number: four significant digits, and exponents only where they are needed. NaN is NaN. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return minus(String(value).replace('Infinity', '∞'));
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e5 || size < 1e-3) return minus(value.toExponential(2));
  return minus(value.toFixed(Math.max(0, 3 - Math.max(0, Math.floor(Math.log10(size))))));
}

/** A share as percents. */
export const percentText = (value: number): string =>
  Number.isFinite(value) ? `${minus((100 * value).toFixed(1))} %` : numberText(value);

/** `mean ± deviation`; how many seeds are NaN, where some are; a dash where nothing was measured. */
export function estimateText(
  found: Estimate | undefined,
  text: (value: number) => string = numberText,
): string {
  if (!found || found.values.length === 0) return '–';
  const { mean, sd, notFinite, values } = found;
  if (notFinite > 0) return values.length > 1 ? `NaN (${notFinite} of ${values.length} seeds)` : 'NaN';
  return Number.isNaN(sd) ? text(mean) : `${text(mean)} ± ${text(sd).replace(' %', '')}`;
}

const signed = (value: number): string => (value > 0 ? `+${numberText(value)}` : numberText(value));

/** A difference with its interval and the seeds on either side. */
export function differenceText({ difference, lower, higher, seeds }: PairedDifference): string {
  if (seeds.length === 0) return '–';
  const interval = difference.interval ? ` (${difference.interval.map(signed).join(' … ')})` : '';
  const sides = `vradam lower with ${lower} of ${seeds.length}${higher + lower < seeds.length ? ', some equal' : ''}`;
  return `${signed(difference.mean)}${interval}; ${sides}`;
}
