/** All that the figure shows, as numbers. */

import { VRAdamError } from '@vradam/core';
import { benchmarkError } from '../../errors.ts';
import { type Brakes, energy, orbit, paperFlow } from './flow.ts';
import type { Phase } from './rk4.ts';
import { braked, descend, type Step, unbraked } from './steps.ts';

/** What a user decides. */
export interface PortraitOptions extends Brakes {
  /** First x of both optimizers. */
  readonly start: number;
  /** Steps of both. */
  readonly steps: number;
}

/** The paper gives none of these; see the task's README. */
export const portraitDefaults: PortraitOptions = {
  learningRate: 5,
  beta1: 0.9,
  beta3: 1,
  lrCutoff: 19,
  start: 4,
  steps: 60,
};

/** A continuous trajectory. */
export interface Orbit {
  /** What it conserves. */
  readonly energy: number;
  /** Once around the origin. */
  readonly path: readonly Phase[];
}

/** An arrow of the vector field. */
export interface Arrow extends Phase {
  /** Derivatives there. */
  readonly dx: number;
  /** Derivative of v. */
  readonly dv: number;
}

/** Contents of `phase-portrait.json`, but for where it was made. */
export interface Portrait {
  /** Always `vradam-phase-portrait/1`. */
  readonly schema: 'vradam-phase-portrait/1';
  /** What was asked for. */
  readonly options: PortraitOptions;
  /** Algorithm 1 without second moment. */
  readonly vrMomentum: readonly Step[];
  /** The same without the brake. */
  readonly momentum: readonly Step[];
  /** Of the paper's flow. */
  readonly orbits: readonly Orbit[];
  /** Of the paper's flow, on a grid over the figure. */
  readonly field: readonly Arrow[];
}

const grid = (low: number, high: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));

function arrows(reach: number, speed: number): Arrow[] {
  return grid(-reach, reach, 19).flatMap((x) =>
    grid(-speed, speed, 15).map((v) => {
      const slope = paperFlow({ x, v });
      return { x, v, dx: slope.x, dv: slope.v };
    }),
  );
}

/** Refuses a way that leaves every figure. */
function checkFinite(name: string, path: readonly Step[], { learningRate }: PortraitOptions): void {
  const lost = path.findIndex(({ x }) => !(Math.abs(x) < 1e6));
  if (lost < 0) return;
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: `${name} runs away at step ${lost}`,
    received: `a learning rate of ${learningRate}`,
    action: 'Momentum on x^2/2 needs one below 2 (1 + beta1) / (1 - beta1): choose a smaller one.',
  });
}

/** The steps, or the error above where they became too large for the core. */
function way(name: string, spec: Parameters<typeof descend>[0], options: PortraitOptions): Step[] {
  try {
    const path = descend(spec, options.start, options.steps);
    checkFinite(name, path, options);
    return path;
  } catch (error) {
    if (!(error instanceof VRAdamError) || error.code !== 'ERR_NON_FINITE') throw error;
    checkFinite(name, [{ x: Number.NaN, v: 0, effectiveLearningRate: null }], options);
    throw error;
  }
}

/**
 * Computes the portrait.
 *
 * @param options - {@link portraitDefaults} where not given.
 * @throws VRAdamError `ERR_OPTION_RANGE` if an optimizer runs away, or as the core's optimizers do.
 */
export function computePortrait(options: Partial<PortraitOptions> = {}): Portrait {
  const all = { ...portraitDefaults, ...options };
  const { start } = all;
  const orbits = [0.25, 0.5, 0.75, 1].map((part): Orbit => {
    const path = orbit(part * start, Math.min(0.01, 0.01 * Math.abs(start)));
    return { energy: energy(path[0]!), path: thin(path) };
  });
  const speed = Math.max(...orbits.at(-1)!.path.map(({ v }) => Math.abs(v)));
  return {
    schema: 'vradam-phase-portrait/1',
    options: all,
    vrMomentum: way('VRMomentum', braked(all), all),
    momentum: way('Momentum', unbraked(all), all),
    orbits,
    field: arrows(1.1 * Math.abs(start), 1.1 * speed),
  };
}

/** Points enough to draw a smooth line, the ends among them. */
function thin(path: readonly Phase[]): Phase[] {
  const every = Math.max(1, Math.floor(path.length / 400));
  return path.filter((_, i) => i % every === 0 || i === path.length - 1);
}
