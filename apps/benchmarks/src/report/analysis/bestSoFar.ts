/** How a search comes along: the best objective after each trial, and how much of that is luck. */

import { quantileSorted } from 'd3-array';
import { openRandom } from '../../random.ts';
import type { Point } from './series.ts';

/** What came of a trial. */
export interface Ended {
  /** Null where there is none. */
  readonly objective: number | null;
  /** Of each seed. */
  readonly objectives: readonly number[];
}

const resamples = 1000;
const level = 0.8;

/** The smallest of each beginning of a list. */
function runningLeast(values: readonly number[]): number[] {
  let least = Number.POSITIVE_INFINITY;
  return values.map((value) => {
    least = Math.min(least, value);
    return least;
  });
}

/**
 * Interval of the best after as many trials, if each were drawn from all of them, with replacement, 1,000 times: what the
 * same trials would give in other orders, 80 % of them.
 */
function resampled(values: readonly number[]): readonly (readonly [low: number, high: number])[] {
  const random = openRandom(0, 2);
  const draws = Array.from({ length: resamples }, () =>
    runningLeast(values.map(() => values[random.integer(values.length)] as number)),
  );
  return values.map((_, i) => {
    const sorted = draws.map((draw) => draw[i] as number).sort((a, b) => a - b);
    const at = (p: number) => quantileSorted(sorted, p) as number;
    return [at((1 - level) / 2), at((1 + level) / 2)];
  });
}

/**
 * The best objective after each trial, from the first that has one.
 *
 * The band is of the seeds of the trial that is best so far, from the least to the most of them; where trials have one seed,
 * of other orders of the trials. It is cut at `worst`, as a trial that failed is infinitely bad.
 *
 * @param trials - in the order in which they were begun.
 * @param worst - where the band ends at most.
 */
export function bestSoFar(trials: readonly Ended[], worst: number): Point[] {
  const values = trials.map(({ objective }) => objective ?? Number.POSITIVE_INFINITY);
  const best = runningLeast(values);
  const seen = values.map((value) => Math.min(value, worst));
  const bands = trials.some(({ objectives }) => objectives.length > 1)
    ? best.map((value) => spanOf(trials[values.indexOf(value)]?.objectives ?? []))
    : resampled(seen);
  return best.flatMap((mean, i) => {
    const [low, high] = bands[i] as readonly [number, number];
    if (!Number.isFinite(mean)) return [];
    return [{ step: i + 1, mean, low: Math.min(low, worst), high: Math.min(high, worst) }];
  });
}

const spanOf = (values: readonly number[]): readonly [number, number] => [
  Math.min(...values),
  Math.max(...values),
];
