/** Axes of the panels of a report: domains, ticks, and labels that stand beside what they name. */

/** How a quantity is laid out. */
export interface Axis {
  readonly type: 'linear' | 'log';
  readonly domain: readonly [low: number, high: number];
  /** Values with a label; undefined for Plot's own choice. */
  readonly ticks: readonly number[] | undefined;
}

/** Ticks of a logarithmic axis: 1, 2 and 5 of each power of ten, or fewer where these are many. */
export function logTicks(low: number, high: number): number[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const of = (digits: readonly number[]) =>
    powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)));
  const inside = (values: readonly number[]) => values.filter((value) => value >= low && value <= high);
  const choices = [[1, 2, 5], [1, 3], [1]].map((digits) => inside(of(digits)));
  const fewest = choices[2] as number[];
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
  const pad = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
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
