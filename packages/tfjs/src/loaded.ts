/**
 * State that was loaded and waits for its variables.
 *
 * When tfjs loads an optimizer it does not say which variables belong to it, and in a page that has had the model
 * before they go by new names. So a loaded state waits for the first step, and is matched to what comes then.
 */

import {
  type Gradients,
  type OptimizerSpec,
  type OptimizerState,
  type SafeTensor,
  type StateDict,
  stateSchema,
} from '@vradam/core';
import { fail } from './errors.ts';
import type { Variables } from './gradients.ts';

/** Loaded parameters by name: gradients received so far, and tensors by slot. */
export type Loaded = ReadonlyMap<
  string,
  { readonly step: number; readonly slots: Readonly<Record<string, SafeTensor>> }
>;

/** The slot names that a spec's state may have, in the order of their weights. */
export function slotsOf({ algorithm, groups, transforms }: OptimizerSpec): string[] {
  const own = groups.flatMap(({ options }) => algorithm.slots(options));
  return [...new Set([...own, ...transforms.flatMap(({ slots }) => slots)])];
}

/**
 * The parameters of a state dict.
 *
 * @throws VRAdamError `ERR_STATE_MISMATCH` if there is a tensor of a slot or parameter that is not there.
 */
export function parametersOf({ parameterSteps, tensors }: StateDict, spec: OptimizerSpec): Loaded {
  const known = slotsOf(spec);
  const loaded = new Map(
    Object.entries(parameterSteps).map(([name, step]) => [
      name,
      { step, slots: {} as Record<string, SafeTensor> },
    ]),
  );
  for (const [key, tensor] of Object.entries(tensors)) {
    const cut = key.indexOf('/');
    const [slot, owner] = [key.slice(0, cut), loaded.get(key.slice(cut + 1))];
    if (!owner || !known.includes(slot)) {
      return fail('ERR_STATE_MISMATCH', `this optimizer keeps no ${JSON.stringify(key)}. Nothing changed.`);
    }
    owner.slots[slot] = tensor;
  }
  return loaded;
}

/** Parameters as a state dict holds them. */
export function entriesOf(loaded: Loaded): Pick<StateDict, 'parameterSteps' | 'tensors'> {
  const tensors = [...loaded].flatMap(([name, { slots }]) =>
    Object.entries(slots).map(([slot, tensor]) => [`${slot}/${name}`, tensor]),
  );
  return {
    parameterSteps: Object.fromEntries([...loaded].map(([name, { step }]) => [name, step])),
    tensors: Object.fromEntries(tensors),
  };
}

/** A state dict of loaded parameters, without learning rates. */
export function dictOf(
  { algorithm, groups }: OptimizerSpec,
  { step, skippedSteps, microStep }: Pick<OptimizerState<never>, 'step' | 'skippedSteps' | 'microStep'>,
  loaded: Loaded,
): StateDict {
  return {
    schema: stateSchema,
    algorithm: algorithm.name,
    step,
    skippedSteps,
    microStep,
    learningRates: Object.fromEntries(groups.map(({ name }) => [name, null])),
    ...entriesOf(loaded),
  };
}

/** Names of loaded parameters in the variables' places, if number and shapes fit. */
function byPosition(loaded: Loaded, names: readonly string[], variables: Variables): string[] | null {
  const kept = [...loaded].flatMap(([name, { slots }]) =>
    Object.values(slots)
      .slice(0, 1)
      .map(({ shape }) => ({ name, shape: String(shape) })),
  );
  const fits = names.every((name, i) => kept[i]?.shape === String(variables[name]?.shape));
  return fits && kept.length === names.length ? kept.map(({ name }) => name) : null;
}

/**
 * Gives loaded parameters to the variables of a step that have no state yet.
 *
 * By name, in part or as a whole. If no name fits and this is the first step: by position, where number and shapes fit,
 * since tfjs gives a model's variables new names when it is loaded beside its original. Then all variables are tried, and
 * those with a gradient.
 *
 * @returns what was claimed, by the variables' names, and what still waits.
 * @throws VRAdamError `ERR_STATE_MISMATCH` if this is the first step and neither fits.
 */
export function claim(
  loaded: Loaded,
  variables: Variables,
  gradients: Gradients<unknown>,
  isFirst: boolean,
): { readonly claimed: Loaded; readonly waiting: Loaded } {
  const all = Object.keys(variables);
  let names = all.filter((name) => loaded.has(name));
  let owners = names;
  if (names.length === 0 && isFirst && loaded.size > 0) {
    const moving = all.filter((name) => gradients[name] != null);
    const found = [all, moving].map((some) => byPosition(loaded, some, variables));
    [names, owners] = found[0] ? [all, found[0]] : [moving, found[1] ?? refuse(loaded, all)];
  }
  const claimed = names.map((name, i) => [name, loaded.get(owners[i] as string)] as const);
  return {
    claimed: new Map(claimed) as Loaded,
    waiting: new Map([...loaded].filter(([name]) => !owners.includes(name))),
  };
}

const refuse = (loaded: Loaded, names: readonly string[]): never =>
  fail(
    'ERR_STATE_MISMATCH',
    `the loaded state is for other variables: ${[...loaded.keys()]}. Received: ${names}. Nothing changed. Load the state ` +
      'that was saved with this model, or call optimizer.dispose() to begin anew.',
  );
