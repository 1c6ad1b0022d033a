/** The next trial by a Gaussian process: where the improvement over the best so far is expected to be largest. */

import type { Random } from '../random.ts';
import { type Belief, GaussianProcess } from './gaussianProcess.ts';
import type { Question, Tried } from './sampler.ts';
import { type Choices, choicesAt, features } from './space.ts';

/** Error function, to 1.5e-7. Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const polynomial =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
}

/** Expected improvement below `best`, of a normal belief. */
export function expectedImprovement({ mean, deviation }: Belief, best: number): number {
  if (deviation === 0) return Math.max(0, best - mean);
  const z = (best - mean) / deviation;
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  return (best - mean) * 0.5 * (1 + erf(z / Math.SQRT2)) + deviation * density;
}

/**
 * Objectives as the process sees them. A failed trial counts as the worst that was seen: then its neighbourhood is left
 * alone, and nothing breaks. Very bad ones count as little more than bad: how bad does not matter, and the scale must fit
 * where it is good.
 */
export function standardized(tried: readonly Tried[]): number[] {
  const known = tried.flatMap(({ objective }) =>
    objective === null || !Number.isFinite(objective) ? [] : [objective],
  );
  if (known.length === 0) return tried.map(() => 0);
  const sorted = [...known].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] as number;
  const [low, middle] = [sorted[0] as number, at(0.5)];
  const ceiling = middle + 2 * (middle - low);
  const worst = Math.min(sorted.at(-1) as number, Math.max(ceiling, middle));
  const clipped = tried.map(({ objective }) =>
    objective === null || !Number.isFinite(objective) ? worst : Math.min(objective, worst),
  );
  const mean = clipped.reduce((a, b) => a + b, 0) / clipped.length;
  const deviation = Math.sqrt(clipped.reduce((sum, y) => sum + (y - mean) ** 2, 0) / clipped.length) || 1;
  return clipped.map((y) => (y - mean) / deviation);
}

/** Points everywhere, around the best, and how often the best of them is looked around once more. */
const [everywhere, around, rounds] = [600, 200, 4];

/** A point near another: one or all of its coordinates moved. */
function near(point: readonly number[], reach: number, random: Random): number[] {
  const only = random.next() < 0.5 ? random.integer(point.length) : -1;
  return point.map((x, i) =>
    only === -1 || only === i ? Math.min(1, Math.max(0, x + reach * random.normal())) : x,
  );
}

/**
 * Chooses by expected improvement. Trials under way are taken to come out as is believed of them, so that the next one goes
 * elsewhere.
 *
 * @see Jones, Schonlau and Welch, "Efficient global optimization of expensive black-box functions", 1998; Ginsbourger,
 *   Le Riche and Carraro, "Kriging is well-suited to parallelize optimization", 2010
 */
export function proposeByGaussianProcess(
  { space, tried, pending }: Pick<Question, 'space' | 'tried' | 'pending'>,
  random: Random,
): Choices {
  const points = tried.map(({ choices }) => features(space, choices));
  const values = standardized(tried);
  let process = new GaussianProcess(points, values);
  const { hyperparameters } = process;
  if (pending.length > 0) {
    const waiting = pending.map((choices) => features(space, choices));
    const believed = waiting.map((point) => process.at(point).mean);
    process = new GaussianProcess([...points, ...waiting], [...values, ...believed], hyperparameters);
  }
  // the best that is believed, as a noisy trial may have been lucky
  const best = Math.min(...points.map((point) => process.at(point).mean));
  const gain = (point: readonly number[]): number =>
    expectedImprovement(process.at(features(space, choicesAt(space, point))), best);
  const draw = () => space.map(() => random.next());
  let top = Array.from({ length: everywhere }, draw)
    .map((point) => ({ point, gain: gain(point) }))
    .sort((a, b) => b.gain - a.gain)
    .slice(0, 5);
  for (let round = 0; round < rounds; round++) {
    const reach = 0.1 * 0.35 ** round;
    const more = Array.from({ length: around }, (_, i) =>
      near(top[i % top.length]?.point ?? draw(), reach, random),
    );
    const next = more.map((point) => ({ point, gain: gain(point) }));
    top = [...top, ...next].sort((a, b) => b.gain - a.gain).slice(0, 5);
  }
  return choicesAt(space, top[0]?.point ?? draw());
}
