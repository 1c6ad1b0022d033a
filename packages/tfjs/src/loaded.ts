/**
 * State that was loaded and waits for its variables.
 *
 * When tfjs loads an optimizer it does not say which variables belong to it, and in a page that has had the model
 * before they go by new names. So a loaded state waits for the first step, and is matched to what comes then.
 */

import type * as tf from '@tensorflow/tfjs-core';
import type { Gradients, OptimizerSpec, OptimizerState, ParameterState } from '@vradam/core';
import { keepsAverage } from './averages.ts';
import { fail } from './errors.ts';
import type { Variables } from './gradients.ts';

/** State by the name of its parameter. */
export type Loaded = OptimizerState<tf.Tensor>['parameters'];

/** Those of them that have state tensors, and so a shape that is known. */
const holders = (loaded: Loaded): [name: string, state: ParameterState<tf.Tensor>][] =>
  [...loaded].filter(([, { slots }]) => Object.keys(slots).length > 0);

/** The slot names that a spec's state may have, in the order of their weights. */
export function slotsOf({ algorithm, groups, transforms }: OptimizerSpec): string[] {
  const own = groups.flatMap(({ options }) => algorithm.slots(options));
  return [...new Set([...own, ...transforms.flatMap(({ slots }) => slots)])];
}

/** Names of loaded parameters in the variables' places, if number and shapes fit. */
function byPosition(loaded: Loaded, names: readonly string[], variables: Variables): string[] | null {
  const kept = holders(loaded);
  const fits = names.every((name, i) => String(kept[i]?.[1].shape) === String(variables[name]?.shape));
  return fits && kept.length === names.length ? kept.map(([name]) => name) : null;
}

/** Whether a state has all tensors that it must have, and all of this shape. */
function fits(
  spec: OptimizerSpec,
  group: number,
  { step, slots }: ParameterState<tf.Tensor>,
  shape: readonly number[],
): boolean {
  const { options } = spec.groups[group] as OptimizerSpec['groups'][number];
  const required = [
    ...(step > 0 ? spec.algorithm.slots(options) : []),
    ...(keepsAverage(spec) ? ['average'] : []),
  ];
  return [...required, ...Object.keys(slots)].every((slot) => String(slots[slot]?.shape) === String(shape));
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
  spec: OptimizerSpec,
): { readonly claimed: Loaded; readonly waiting: Loaded } {
  const all = Object.keys(variables);
  let names = all.filter((name) => loaded.has(name));
  let owners = names;
  if (names.length === 0 && isFirst && loaded.size > 0) {
    const moving = all.filter((name) => gradients[name] != null);
    const found = [all, moving].map((some) => byPosition(loaded, some, variables));
    [names, owners] = found[0] ? [all, found[0]] : [moving, found[1] ?? refuse(loaded, all)];
  }
  const claimed = names.map((name, i) => {
    const state = loaded.get(owners[i] as string) as ParameterState<tf.Tensor>;
    const { shape } = variables[name] as tf.Variable;
    const group = spec.groups.findIndex(({ match }) => match(name));
    if (!fits(spec, group, state, shape)) refuse(loaded, [`${name} of shape [${shape}]`]);
    return [name, { ...state, shape, group }] as const;
  });
  return {
    claimed: new Map(claimed),
    waiting: new Map([...loaded].filter(([name]) => !owners.includes(name))),
  };
}

const refuse = (loaded: Loaded, names: readonly string[]): never =>
  fail(
    'ERR_STATE_MISMATCH',
    `the loaded state is for other variables: ${[...loaded.keys()]}. Received: ${names}. Load what was saved with this ` +
      'model, or call optimizer.dispose() to begin anew.',
  );
