/** Samplers: what to try next, from what has been tried. */

import { openRandom, type Random } from '../random.ts';
import { proposeByGaussianProcess } from './expectedImprovement.ts';
import { openSobol } from './sobol.ts';
import { type Choices, checkSpace, choicesAt, type Space } from './space.ts';
import { proposeByTpe } from './tpe.ts';

/** What came of a choice: the smaller, the better. `null`: it failed, or its loss was no number. */
export interface Tried {
  readonly choices: Choices;
  readonly objective: number | null;
}

/** Names of the samplers. */
export const samplerNames = ['gp', 'tpe', 'random', 'sobol', 'grid'] as const;

/** One of {@link samplerNames}. */
export type SamplerName = (typeof samplerNames)[number];

/** What a sampler knows. */
export interface Question {
  readonly space: Space;
  /** Of everything random. */
  readonly seed: number;
  /** Finished trials, in the order in which they were begun. */
  readonly tried: readonly Tried[];
  /** Choices of trials under way. */
  readonly pending: readonly Choices[];
  /** Number of the trial that is asked for, from 0: with it and the seed, a random choice is the same again. */
  readonly index: number;
  /** Trials in all, which a grid is divided by. */
  readonly trials: number;
}

/** Trials before a model is asked. */
const startUp = 4;

const randomPoint = (random: Random, space: Space): number[] => space.map(() => random.next());

/** The points of a grid with as many steps for each parameter as the trials allow, and the trial's place on it. */
function gridPoint({ space, index, trials }: Question): number[] {
  const sizes = space.map((parameter) =>
    parameter.kind === 'boolean' ? 2 : parameter.kind === 'categorical' ? parameter.choices.length : 1,
  );
  const numeric = space.flatMap((parameter, i) =>
    parameter.kind === 'float' || parameter.kind === 'integer' ? [i] : [],
  );
  const product = () => sizes.reduce((a, b) => a * b, 1);
  for (let next = 0; numeric.length > 0; next++) {
    const i = numeric[next % numeric.length] as number;
    sizes[i] = (sizes[i] as number) + 1;
    if (product() <= trials) continue;
    sizes[i] = (sizes[i] as number) - 1;
    break;
  }
  let rest = index % product();
  return sizes.map((size) => {
    const step = rest % size;
    rest = Math.floor(rest / size);
    return (step + 0.5) / size;
  });
}

/**
 * Chooses what to try next. The same question has the same answer.
 *
 * @throws VRAdamError `ERR_OPTION_RANGE` for a space that makes no sense.
 */
export function propose(sampler: SamplerName, question: Question): Choices {
  const { space, seed, index, tried } = question;
  checkSpace(space);
  // a seed of its own for each trial
  const random = openRandom((seed + 0x9e3779b9 * (index + 1)) | 0, 1);
  const sobol = () => choicesAt(space, openSobol(space.length, seed)(index));
  switch (sampler) {
    case 'random':
      return choicesAt(space, randomPoint(random, space));
    case 'sobol':
      return sobol();
    case 'grid':
      return choicesAt(space, gridPoint(question));
    case 'gp':
      return index < startUp || tried.length === 0 ? sobol() : proposeByGaussianProcess(question, random);
    case 'tpe':
      return index < 2 * startUp || tried.length === 0 ? sobol() : proposeByTpe(question, random);
    default:
      return sampler satisfies never;
  }
}
