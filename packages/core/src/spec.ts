/** What a user asks for, checked and resolved, before any backend is known. */

import type { Algorithm, CommonOptions } from './algorithm.ts';
import { checkOptions, fail, type Range, show } from './options.ts';
import type { Transform } from './phases.ts';

/** Chooses parameters by name: one name, several, a regular expression, or a rule. */
export type NameMatch = string | readonly string[] | RegExp | ((name: string) => boolean);

/**
 * What happens when a gradient holds NaN or Infinity.
 *
 * - `'throw'`: `ERR_NON_FINITE` names the parameter, the step and the count; parameters and state are unchanged.
 * - `'skip'`: the step is not taken and `skippedSteps` grows; everything else is bit-identical.
 * - `'propagate'`: no check; the arithmetic takes its course, as in PyTorch.
 */
export type NonFinitePolicy = 'throw' | 'skip' | 'propagate';

/** Options of one group of parameters; those not given are the optimizer's. */
export type GroupOptions<O> = O & {
  /** Names the group in stats and state dicts. Default `group0`, `group1`, ... */
  readonly name?: string;
  /** Which parameters belong to it. The first group that matches takes the parameter. */
  readonly match: NameMatch;
};

/** What every optimizer factory accepts: its hyper-parameters, groups, and the non-finite policy. */
export type OptimizerOptions<O> = O & {
  /** Groups with their own options and norm. Parameters that no group matches form the group `default`. */
  readonly groups?: readonly GroupOptions<O>[];
  /** Default `'throw'` on backends that see values on the CPU, else `'propagate'`. */
  readonly nonFinite?: NonFinitePolicy;
};

/** A group, resolved. */
export interface Group {
  /** Its name; the last group of a spec is `default` and matches everything. */
  readonly name: string;
  /** Whether a parameter of this name belongs here, if no earlier group took it. */
  readonly match: (name: string) => boolean;
  /** Every option of the algorithm. */
  readonly options: Required<CommonOptions>;
}

/**
 * An optimizer that is not bound to a backend yet: what `vradam()` and the transforms return and what adapters
 * take. Plain data and pure functions; one spec may serve any number of backends.
 */
export interface OptimizerSpec {
  /** The rules. */
  readonly algorithm: Algorithm;
  /** At least one; the last one is `default`. */
  readonly groups: readonly Group[];
  /** As asked for; undefined lets the backend choose. */
  readonly nonFinite: NonFinitePolicy | undefined;
  /** Whether weight decay applies to the parameter of this name. */
  readonly decays: (name: string) => boolean;
  /** Transforms around the algorithm, innermost first. */
  readonly transforms: readonly Transform[];
}

/** Makes a predicate of a {@link NameMatch}. */
export function matcher(where: string, match: NameMatch): (name: string) => boolean {
  if (typeof match === 'function') return match;
  if (typeof match === 'string') return (name) => name === match;
  if (Array.isArray(match)) return (name) => match.includes(name);
  if (match instanceof RegExp) return (name) => name.search(match) >= 0; // unlike test(), keeps no lastIndex
  return fail(
    'ERR_OPTION_TYPE',
    `${where}: match must be names, RegExp or function. Received: ${show(match)}.`,
  );
}

/** Drops `undefined`, so that an option given as undefined takes its default. */
function defined(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** An algorithm's options, each with its default and its legal values, e.g. `beta1: [0.9, '[0, 1)']`. */
export type OptionTable<O> = { readonly [K in keyof O]-?: readonly [value: NonNullable<O[K]>, range: Range] };

/**
 * Checks options and groups and resolves them into a spec. For authors of new algorithms.
 *
 * @param table - the options there are.
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`.
 */
export function defineOptimizer<O extends CommonOptions, K extends string>(
  algorithm: Algorithm<Required<O>, K>,
  table: OptionTable<O>,
  options: OptimizerOptions<O>,
): OptimizerSpec {
  const where = algorithm.name;
  const column = (i: 0 | 1): object =>
    Object.fromEntries(Object.entries<readonly unknown[]>(table).map(([key, row]) => [key, row[i]]));
  const ranges = column(1) as Record<string, Range>;
  const { groups = [], nonFinite, ...base } = Object(options) as typeof options;
  if (Object(options) !== options || !Array.isArray(groups)) {
    fail('ERR_OPTION_TYPE', `${where} needs an object, groups an array. Received: ${show(options)}.`);
  }
  const shared = { ...column(0), ...defined(base) } as Required<CommonOptions>;
  checkOptions(where, shared, ranges);
  checkOptions(where, defined({ nonFinite }), { nonFinite: '"throw"|"skip"|"propagate"' });
  const resolved = groups.map(({ name: given, match, ...own }, i): Group => {
    const name = given ?? `group${i}`;
    const all = { ...shared, ...defined(own) };
    checkOptions(`${where}: group ${name}`, all, ranges);
    return { name, match: matcher(where, match), options: all };
  });
  resolved.push({ name: 'default', match: () => true, options: shared });
  if (new Set(resolved.map(({ name }) => name)).size < resolved.length)
    fail('ERR_OPTION_RANGE', `${where}: group names must differ.`);
  return { algorithm, groups: resolved, nonFinite, decays: () => true, transforms: [] };
}
