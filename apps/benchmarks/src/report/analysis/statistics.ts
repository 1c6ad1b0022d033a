/** What some seeds say of an optimizer, and how sure one can be of it. */

import { deviation, mean, quantileSorted } from 'd3-array';
import { openRandom } from '../../random.ts';

/** An interval. */
export type Interval = readonly [low: number, high: number];

/** What is known of a mean. */
export interface Estimate {
  /** The values, in the order given. */
  readonly values: readonly number[];
  /** Their mean. NaN if any value is not finite: seeds that failed are never left out in silence. */
  readonly mean: number;
  /** Standard deviation over the values, with n - 1 below; NaN for fewer than two. */
  readonly sd: number;
  /** 95 % bootstrap interval of the mean; null for fewer than two values, or if any is not finite. */
  readonly interval: Interval | null;
  /** How many values are not finite. */
  readonly notFinite: number;
}

const level = 0.95;
const resamples = 10_000;

/**
 * Percentile bootstrap interval of the mean: means of samples drawn from the values, with replacement, 10,000 times.
 *
 * @param values - finite; two or more. Their order does not matter.
 * @param seed - of the draws. Default 0, so that a report is the same each time.
 * @see Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13.
 */
export function bootstrapInterval(values: readonly number[], seed = 0): Interval {
  const [sorted, random] = [Float64Array.from(values).sort(), openRandom(seed, 0)];
  const count = sorted.length;
  const means = Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += sorted[Math.floor(random.next() * count)] as number;
    return sum / count;
  }).sort((a, b) => a - b);
  const at = (p: number) => quantileSorted(means, p) as number;
  return [at((1 - level) / 2), at((1 + level) / 2)];
}

/** Estimates a mean. */
export function estimate(values: readonly number[]): Estimate {
  const notFinite = values.filter((value) => !Number.isFinite(value)).length;
  const known = notFinite === 0;
  return {
    values,
    mean: known ? (mean(values) ?? Number.NaN) : Number.NaN,
    sd: known ? (deviation(values) ?? Number.NaN) : Number.NaN,
    interval: known && values.length > 1 ? bootstrapInterval(values) : null,
    notFinite,
  };
}

/** How another compares with a reference, seed by seed. */
export interface PairedDifference {
  /** Seeds that both have. */
  readonly seeds: readonly number[];
  /** Other minus reference, a difference for each seed: above 0 the reference's loss is lower. */
  readonly difference: Estimate;
  /** Seeds for which the reference is lower; one that is finite is lower than one that is not. */
  readonly lower: number;
  /** Seeds for which it is higher. */
  readonly higher: number;
}

const order = (value: number): number => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value);

/**
 * Differences by seed: chance that both share, as weights and batches, is taken out.
 *
 * @param reference - values by seed.
 * @param other - values by seed.
 */
export function pairedDifference(
  reference: ReadonlyMap<number, number>,
  other: ReadonlyMap<number, number>,
): PairedDifference {
  const seeds = [...reference.keys()].filter((seed) => other.has(seed)).sort((a, b) => a - b);
  const pairs = seeds.map((seed) => [reference.get(seed), other.get(seed)] as [number, number]);
  return {
    seeds,
    difference: estimate(pairs.map(([a, b]) => b - a)),
    lower: pairs.filter(([a, b]) => order(a) < order(b)).length,
    higher: pairs.filter(([a, b]) => order(a) > order(b)).length,
  };
}
