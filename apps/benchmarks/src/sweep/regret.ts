/** How far samplers stay from the minimum of functions that are known. */

import { median } from 'd3-array';
import { openRandom } from '../random.ts';
import type { TestFunction } from './functions.ts';
import { propose, type SamplerName, type Tried } from './sampler.ts';
import { spaceOf } from './spaces.ts';

/** What a sampler reached. */
export interface Regret {
  readonly function: string;
  readonly sampler: SamplerName;
  readonly seeds: number;
  readonly trials: number;
  /** Median over the seeds of the distance to the minimum, without noise, of the trial that looked best. */
  readonly regret: number;
  /** Longest time that a choice took, in milliseconds. */
  readonly slowestMs: number;
}

/** One study; gives the noise-free distance of the trial that looked best, and the longest time a choice took. */
function study(
  at: TestFunction,
  sampler: SamplerName,
  seed: number,
  trials: number,
): [regret: number, ms: number] {
  const noise = openRandom(seed, 1);
  const tried: Tried[] = [];
  let slowest = 0;
  for (let index = 0; index < trials; index++) {
    const begin = performance.now();
    const choices = propose(sampler, { space: at.space, seed, tried, pending: [], index, trials });
    slowest = Math.max(slowest, performance.now() - begin);
    const objective = at.value(choices as Record<string, number>) + at.noise * noise.normal();
    tried.push({ choices, objective });
  }
  const best = tried.reduce((a, b) => ((b.objective as number) < (a.objective as number) ? b : a));
  return [at.value(best.choices as Record<string, number>) - at.minimum, slowest];
}

/** Measures a sampler on a function, with seeds 1, 2, ... */
export function measureRegret(at: TestFunction, sampler: SamplerName, seeds: number, trials: number): Regret {
  const all = Array.from({ length: seeds }, (_, i) => study(at, sampler, i + 1, trials));
  return {
    function: at.name,
    sampler,
    seeds,
    trials,
    regret: median(all, ([regret]) => regret) as number,
    slowestMs: Math.max(...all.map(([, ms]) => ms)),
  };
}

/**
 * Median time of a choice of the Gaussian process after many trials, in milliseconds.
 *
 * @param trials - that it learns from, in the space of VRAdam: four parameters.
 */
export function measureChoice(trials: number): number {
  const space = spaceOf('paper', 'cifar10-cnn', 'vradam');
  const asked = { space, seed: 1, pending: [], trials };
  const tried: Tried[] = Array.from({ length: trials }, (_, index) => {
    const choices = propose('sobol', { ...asked, tried: [], index });
    const { learningRate, beta3, lrCutoff } = choices as Record<string, number>;
    const bowl = (Math.log10(learningRate as number) + 2.5) ** 2 + ((beta3 as number) - 0.7) ** 2;
    return { choices, objective: bowl + (choices['normGrad'] ? 0.3 : 0) + (lrCutoff as number) / 100 };
  });
  const times = Array.from({ length: 7 }, (_, i) => {
    const begin = performance.now();
    propose('gp', { ...asked, tried, index: trials + i });
    return performance.now() - begin;
  });
  return median(times) as number;
}
