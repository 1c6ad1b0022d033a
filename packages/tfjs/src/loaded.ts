/**
 * State that was loaded and waits for its variables.
 *
 * When tfjs loads an optimizer it does not say which variables belong to it, and in a page that has had the model
 * before they go by new names. So a loaded state waits for the first step, and is matched to what comes then.
 */

import type { StateDict } from '@vradam/core';
import { fail, type Variables } from './gradients.ts';

/** Name of a loaded parameter by the name of the variable that takes it. */
export type Matching = ReadonlyMap<string, string>;

/** Loaded names by tensor, `slot/name`. */
const nameOf = (key: string): string => key.slice(key.indexOf('/') + 1);

/** Shapes of a loaded parameter's tensors, as text. */
function shapesOf(dict: StateDict): Map<string, string> {
  return new Map(Object.entries(dict.tensors).map(([key, { shape }]) => [nameOf(key), String(shape)]));
}

function byPosition(dict: StateDict, names: readonly string[], variables: Variables): Matching | null {
  const shapes = shapesOf(dict);
  const loaded = Object.keys(dict.parameterSteps).filter((name) => shapes.has(name));
  const fits = (name: string, i: number) =>
    shapes.get(loaded[i] as string) === String(variables[name]?.shape);
  if (loaded.length !== names.length || !names.every(fits)) return null;
  return new Map(names.map((name, i) => [name, loaded[i] as string]));
}

/**
 * Which of the loaded parameters the variables of a step take.
 *
 * By name, in part or as a whole. If no name fits and this is the first step: by position, where number and shapes fit,
 * since tfjs gives a model's variables new names when it is loaded beside its original.
 *
 * @param fresh - names that have no state yet, those with a gradient in this step marked.
 * @throws VRAdamError `ERR_STATE_MISMATCH` if this is the first step and neither fits.
 */
export function matchLoaded(
  dict: StateDict,
  fresh: readonly { readonly name: string; readonly hasGradient: boolean }[],
  variables: Variables,
  isFirst: boolean,
): Matching {
  const names = fresh.map(({ name }) => name);
  const known = names.filter((name) => Object.hasOwn(dict.parameterSteps, name));
  const loaded = Object.keys(dict.parameterSteps);
  if (known.length > 0 || !isFirst || loaded.length === 0) return new Map(known.map((name) => [name, name]));
  const moving = fresh.filter(({ hasGradient }) => hasGradient).map(({ name }) => name);
  return (
    byPosition(dict, names, variables) ??
    byPosition(dict, moving, variables) ??
    fail(
      'ERR_STATE_MISMATCH',
      `the loaded state is for other variables. Loaded: ${loaded.join(', ')}. Received: ${names.join(', ')}. Nothing ` +
        'changed. Load the state that was saved with this model, or call optimizer.dispose() to begin anew.',
    )
  );
}

const pick = <V>(record: Readonly<Record<string, V>>, rename: (key: string) => string | undefined) =>
  Object.fromEntries(
    Object.entries(record).flatMap(([key, value]) => {
      const name = rename(key);
      return name === undefined ? [] : [[name, value]];
    }),
  ) as Record<string, V>;

function renamed(dict: StateDict, nameFor: (loaded: string) => string | undefined): StateDict {
  const ofTensor = (key: string) => {
    const name = nameFor(nameOf(key));
    return name === undefined ? undefined : `${key.slice(0, key.indexOf('/'))}/${name}`;
  };
  return {
    ...dict,
    parameterSteps: pick(dict.parameterSteps, nameFor),
    tensors: pick(dict.tensors, ofTensor),
  };
}

/** The matched part of a loaded state under the variables' names, and the part that still waits. */
export function takeLoaded(dict: StateDict, matching: Matching): { taken: StateDict; waiting: StateDict } {
  const variableOf = new Map([...matching].map(([variable, loaded]) => [loaded, variable]));
  return {
    taken: renamed(dict, (loaded) => variableOf.get(loaded)),
    waiting: renamed(dict, (loaded) => (variableOf.has(loaded) ? undefined : loaded)),
  };
}

/** A state dict with the parameters of a loaded one that still wait. */
export function withWaiting(dict: StateDict, waiting: StateDict | null): StateDict {
  return {
    ...dict,
    parameterSteps: { ...waiting?.parameterSteps, ...dict.parameterSteps },
    tensors: { ...waiting?.tensors, ...dict.tensors },
  };
}
