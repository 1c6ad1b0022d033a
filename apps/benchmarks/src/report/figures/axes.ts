/** Axes of the panels of a report: domains, ticks, and labels that stand beside what they name. */

import { ticks } from 'd3-array';

/** How a quantity is laid out. */
export interface Axis {
  readonly type: 'linear' | 'log';
  readonly domain: readonly [low: number, high: number];
  /** Values with a label; undefined for Plot's own choice. */
  readonly ticks: readonly number[] | undefined;
}

/**
 * Ticks of a logarithmic axis: all digits of each power of ten, or fewer where these are many; round numbers where
 * there are fewer than three.
 */
export function logTicks(low: number, high: number): number[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const of = (digits: readonly number[]) =>
    powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)));
  const inside = (values: readonly number[]) => values.filter((value) => value >= low && value <= high);
  const choices = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]].map((digits) => inside(of(digits)));
  const [all, , , fewest] = choices as [number[], number[], number[], number[]];
  if (all.length < 3) return ticks(low, high, 4);
  const every = Math.ceil(fewest.length / 6);
  return choices.find((values) => values.length <= 6) ?? fewest.filter((_, i) => i % every === 0);
}

/** An axis on which values are far enough apart for a logarithm, and all above 0. */
const isWide = (low: number, high: number): boolean => low > 0 && high / low > 30;

/**
 * Lays out a quantity.
 *
 * @param values - finite. None: the axis goes from 0 to 1.
 * @param log - whether it is logarithmic where it can be; by default where the values span a factor over 30.
 */
export function axisOf(values: readonly number[], log?: boolean): Axis {
  const [low, high] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  if (low > 0 && (log ?? isWide(low, high))) {
    const domain = [low / 1.15, high * 1.15] as const;
    return { type: 'log', domain, ticks: logTicks(...domain) };
  }
  // values that differ in their last digits only are taken as one
  const isOne = high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high));
  const pad = 0.05 * (isOne ? Math.abs(high) : high - low) || 1;
  return { type: 'linear', domain: [low - pad, high + pad], ticks: undefined };
}

/** Where a value lies on an axis: 0 at its low end, 1 at its high end; beyond them, at the end. */
export function share({ type, domain: [low, high] }: Axis, value: number): number {
  const at = type === 'log' ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.min(1, Math.max(0, at));
}

/**
 * Moves labels apart.
 *
 * @param wanted - where each would stand, in pixels from the top.
 * @param gap - least distance of two.
 * @param bottom - the lowest place.
 * @returns places in the same order, as near to what was wanted as a pass down and one up get them.
 */
export function spread(wanted: readonly number[], gap: number, bottom: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] as number) - (wanted[b] as number));
  const places = [...wanted];
  let last = Number.NEGATIVE_INFINITY;
  for (const i of order) {
    last = Math.max(places[i] as number, last + gap);
    places[i] = last;
  }
  let next = bottom + gap;
  for (const i of order.reverse()) {
    next = Math.min(places[i] as number, next - gap);
    places[i] = next;
  }
  return places;
}

/**
 * An axis for the objectives of a sweep. Bad trials must not flatten the good ones, so it ends where three quarters of the
 * trials and as much again have room; what is beyond lies at its end.
 */
export function objectiveAxis(objectives: readonly number[]): Axis {
  const sorted = [...objectives].sort((a, b) => a - b);
  const [low, upper] = [sorted[0] ?? 0, sorted[Math.floor(0.75 * (sorted.length - 1))] ?? 1];
  const most = low + 2 * (upper - low);
  return axisOf(sorted.filter((value) => value <= most));
}

/** Round values inside of an axis. */
export function ticksOf({ ticks: own, domain: [low, high] }: Axis): readonly number[] {
  return own ?? ticks(low, high, 5).filter((value) => value >= low && value <= high);
}
