/**
 * An optimizer as plain data. A spec holds functions: algorithms and transforms become their names, rules over parameters
 * the names that they choose, and schedules the rates of the steps to come.
 */

import {
  accumulateGradients,
  adamw,
  averageWeights,
  clipByGlobalNorm,
  momentum,
  type OptimizerSpec,
  rmsprop,
  type Schedule,
  sgd,
  vradam,
  vrMomentum,
} from '@vradam/core';
import { benchmarkError } from '../../errors.ts';
import { adam } from '../../tasks/adam.ts';
import { neverZeroGradients } from '../../tasks/languageModel/accumulateBug.ts';

type Algorithm = OptimizerSpec['algorithm'];

const algorithms = new Map<string, Algorithm>(
  [vradam(), adamw(), adam({}), sgd(), rmsprop(), momentum(), vrMomentum()].map(({ algorithm }) => [
    algorithm.name,
    algorithm,
  ]),
);

type Wrap = (spec: OptimizerSpec, options: never) => OptimizerSpec;

const transforms: Readonly<Record<string, Wrap>> = {
  clipByGlobalNorm,
  accumulateGradients,
  averageWeights,
  neverZeroGradients,
};

/** A spec as plain data. */
export interface SpecDescription {
  readonly algorithm: string;
  readonly groups: readonly {
    readonly name: string;
    /** Parameters that belong to it. */
    readonly members: readonly string[];
    /** Its options; without the learning rate, if that is a schedule. */
    readonly options: Readonly<Record<string, unknown>>;
  }[];
  readonly nonFinite: OptimizerSpec['nonFinite'];
  /** Parameters that decay. */
  readonly decaying: readonly string[];
  readonly transforms: readonly {
    readonly kind: string;
    readonly options: Readonly<Record<string, unknown>>;
  }[];
}

/** Learning rates of the groups that have a schedule, by group name, from a step on. */
export interface Rates {
  readonly from: number;
  readonly groups: Readonly<Record<string, readonly number[]>>;
}

function refuse(what: string, name: string): never {
  throw benchmarkError('ERR_UNSUPPORTED', {
    wrong: `an engine in Chromium has no ${what} of that name`,
    received: name,
    action: 'Choose an engine that runs in Node.',
  });
}

/**
 * Describes a spec.
 *
 * @param names - the parameters.
 * @throws VRAdamError `ERR_UNSUPPORTED` for an algorithm or a transform that the page has not.
 */
export function describeSpec(spec: OptimizerSpec, names: readonly string[]): SpecDescription {
  const { algorithm, groups, nonFinite, decays } = spec;
  if (algorithms.get(algorithm.name) !== algorithm) refuse('optimizer', algorithm.name);
  return {
    algorithm: algorithm.name,
    groups: groups.map(({ name, match, options: { learningRate, ...rest } }) => ({
      name,
      members: names.filter(match),
      options: { ...rest, ...(typeof learningRate === 'number' && { learningRate }) },
    })),
    nonFinite,
    decaying: names.filter(decays),
    transforms: spec.transforms.map(({ kind, options }) => {
      if (!Object.hasOwn(transforms, kind)) refuse('transform', kind);
      return { kind, options: { ...options } };
    }),
  };
}

/** Rates that a step may ask for, and a few more. */
const ahead = 3;

/** The rates of a spec's schedules at a step and at those around it. */
export function ratesAround({ groups }: OptimizerSpec, step: number): Rates {
  const from = Math.max(0, step - 1);
  const scheduled = groups.flatMap(({ name, options: { learningRate } }) =>
    typeof learningRate === 'function'
      ? [[name, Array.from({ length: ahead }, (_, i) => learningRate(from + i))] as const]
      : [],
  );
  return { from, groups: Object.fromEntries(scheduled) };
}

/** The rates that were sent so far. */
export class RateTable {
  readonly #rates = new Map<string, number>();

  /** Takes some more. */
  add({ from, groups }: Rates): void {
    for (const [name, rates] of Object.entries(groups)) {
      for (const [i, rate] of rates.entries()) this.#rates.set(`${from + i} ${name}`, rate);
    }
  }

  /** The schedule of a group, for as far as it is known. */
  scheduleOf(name: string): Schedule {
    return (step) => {
      const rate = this.#rates.get(`${step} ${name}`);
      if (rate === undefined) throw new Error(`the rate of step ${step} was not sent`);
      return rate;
    };
  }
}

/** The spec that was described. */
export function specOf(description: SpecDescription, rates: RateTable): OptimizerSpec {
  const { algorithm, groups, nonFinite, decaying } = description;
  const plain: OptimizerSpec = {
    algorithm: algorithms.get(algorithm) as Algorithm,
    groups: groups.map(({ name, members, options }) => ({
      name,
      match: (parameter) => members.includes(parameter),
      options: {
        learningRate: rates.scheduleOf(name),
        ...options,
      } as OptimizerSpec['groups'][number]['options'],
    })),
    nonFinite: nonFinite ?? undefined,
    decays: (parameter) => decaying.includes(parameter),
    transforms: [],
  };
  return description.transforms.reduce(
    (spec, { kind, options }) => (transforms[kind] as Wrap)(spec, options as never),
    plain,
  );
}
