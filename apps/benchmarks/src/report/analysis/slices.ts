/** What a Gaussian process believes of one parameter, the others as in the best trial. */

import { deviation, least, mean } from 'd3-array';
import { GaussianProcess } from '../../sweep/gaussianProcess.ts';
import type { Tried } from '../../sweep/sampler.ts';
import { type Choice, features, type Parameter, placeOf, type Space, valueAt } from '../../sweep/space.ts';

/** What is believed where a parameter has a value. */
export interface SlicePoint {
  readonly value: Choice;
  /** On the parameter's axis, from 0 to 1. */
  readonly place: number;
  readonly mean: number;
  /** One standard deviation below, and above. */
  readonly low: number;
  readonly high: number;
}

/** Values that a number is looked at. */
const points = 61;
/** Trials with an objective that a process needs at least. */
const fewest = 3;

/** Every value of a parameter, or some of them evenly apart. */
function valuesOf(parameter: Parameter): Choice[] {
  if (parameter.kind === 'boolean') return [false, true];
  if (parameter.kind === 'categorical') return [...parameter.choices];
  const all = Array.from({ length: points }, (_, i) => valueAt(parameter, i / (points - 1)));
  return [...new Set(all)];
}

/** A scale on which a process sees objectives: logarithms where all are above 0, of mean 0 and deviation 1. */
function scaleOf(objectives: readonly number[]): { to(y: number): number; from(z: number): number } {
  const isPositive = objectives.every((y) => y > 0);
  const [there, back] = isPositive ? [Math.log, Math.exp] : [(y: number) => y, (y: number) => y];
  const seen = objectives.map((y) => there(y));
  const [center, unit] = [mean(seen) ?? 0, deviation(seen) || 1];
  return { to: (y) => (there(y) - center) / unit, from: (z) => back(center + unit * z) };
}

/**
 * A slice through the best trial for each parameter, by a Gaussian process with the kernel of the sampler `gp`, fitted to
 * all trials.
 *
 * @param worst - what an objective counts as at most, so that the scale fits where it is good; and what a failed trial is.
 * @returns slices by parameter; none for a parameter that does not count in the best trial, and none at all for fewer than
 *   three trials with an objective.
 */
export function slicesOf(
  space: Space,
  tried: readonly Tried[],
  worst: number,
): ReadonlyMap<string, readonly SlicePoint[]> {
  const known = tried.filter(({ objective }) => objective !== null);
  const best = least(known, ({ objective }) => objective as number);
  if (!best || known.length < fewest) return new Map();
  const objectives = tried.map(({ objective }) => Math.min(objective ?? worst, worst));
  const scale = scaleOf(objectives);
  const points = tried.map(({ choices }) => features(space, choices));
  const process = new GaussianProcess(points, objectives.map(scale.to));
  const at = (parameter: Parameter, value: Choice): SlicePoint => {
    const belief = process.at(features(space, { ...best.choices, [parameter.name]: value }));
    const [low, middle, high] = [-1, 0, 1].map((times) => scale.from(belief.mean + times * belief.deviation));
    return {
      ...{ value, place: placeOf(parameter, value) },
      ...{ low: low as number, mean: middle as number, high: high as number },
    };
  };
  const counting = space.filter(({ name }) => best.choices[name] !== undefined);
  return new Map(
    counting.map((parameter) => [parameter.name, valuesOf(parameter).map((value) => at(parameter, value))]),
  );
}
