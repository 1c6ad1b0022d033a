/** The state of an optimizer: host numbers, and tensors by parameter name. */

import type { TensorOps } from './ops.ts';
import { checkOptions, fail, show } from './options.ts';
import type { OptimizerSpec } from './spec.ts';

/** Tensors by name. */
export type NamedTensors<T> = Readonly<Record<string, T>>;

/** Gradients by parameter name; a missing one may be left out, `null` or `undefined`. */
export type Gradients<T> = Readonly<Record<string, T | null | undefined>>;

/** State of one parameter. */
export interface ParameterState<T> {
  /** Shape of the parameter. */
  readonly shape: readonly number[];
  /** Index of its group in the spec. */
  readonly group: number;
  /** Gradients received so far. */
  readonly step: number;
  /** State tensors by slot; those of the algorithm are absent before the first gradient. */
  readonly slots: Readonly<Record<string, T>>;
}

/** State of an optimizer: host numbers and, by parameter name, tensors that it owns. */
export interface OptimizerState<T> {
  /** Steps taken; what a schedule is called with. */
  readonly step: number;
  /** Steps not taken because of non-finite gradients. */
  readonly skippedSteps: number;
  /** Gradients gathered since the last step, where gradients are accumulated. */
  readonly microStep: number;
  /** Learning rate set on the live optimizer, by group; null where the spec's holds. */
  readonly learningRates: readonly (number | null)[];
  /** By parameter name. */
  readonly parameters: ReadonlyMap<string, ParameterState<T>>;
}

/** The gradients that are there. */
export function present<T>(gradients: Gradients<T>): [name: string, gradient: T][] {
  return Object.entries(gradients).filter((entry): entry is [string, T] => entry[1] != null);
}

/** A look-up by name, quickest where names come in the order of the tensors: hashing takes as long as a small kernel. */
export function finder<T>(tensors: Gradients<T>): (name: string) => T | null | undefined {
  const names = Object.keys(tensors);
  const values = Object.values(tensors);
  let next = 0;
  return (name) =>
    names[next] === name ? values[next++] : Object.hasOwn(tensors, name) ? tensors[name] : null;
}

/** Compares names and shapes with the state's, so that a bad call changes nothing. Parameters must all be there. */
export function checkTensors<T>(
  what: 'parameter' | 'gradient',
  ops: TensorOps<T, unknown>,
  tensors: Gradients<T>,
  { parameters }: OptimizerState<T>,
): void {
  const find = finder(tensors);
  let known = 0;
  parameters.forEach(({ shape }, name) => {
    const tensor = find(name);
    if (tensor != null) {
      known++;
      const received = ops.shape(tensor);
      if (received.length !== shape.length || received.some((size, i) => size !== shape[i])) {
        fail(
          'ERR_SHAPE_MISMATCH',
          `${what} ${show(name)} must have shape [${shape}]. Received: [${received}].`,
        );
      }
    } else if (what === 'parameter') fail('ERR_PARAMETER_UNKNOWN', `${what} ${show(name)} is missing.`);
  });
  const names = Object.keys(tensors);
  for (const name of known < names.length ? names : [])
    if (!parameters.has(name)) fail('ERR_PARAMETER_UNKNOWN', `${what} ${show(name)} is unknown.`);
}

const finiteRate = { learningRate: '[0, Infinity)' };

/** The base learning rate of every group in this step. */
export function learningRatesOf<T>(
  { groups }: OptimizerSpec,
  { step, learningRates }: OptimizerState<T>,
): number[] {
  return groups.map(({ name, options: { learningRate } }, i) => {
    const rate = learningRates[i] ?? (typeof learningRate === 'function' ? learningRate(step) : learningRate);
    checkOptions(`group ${name}`, { learningRate: rate }, finiteRate);
    return rate;
  });
}

/**
 * Sets the learning rate of a live optimizer; it survives save and load.
 *
 * @param learningRate - from the next step on; null returns to the spec's number or schedule. Range [0, Infinity).
 * @param group - name of one group; default all.
 * @returns the new state; tensors move over to it.
 * @throws VRAdamError `ERR_OPTION_RANGE`, `ERR_PARAMETER_UNKNOWN` for a group that is not there.
 */
export function setLearningRate<T>(
  { spec }: { readonly spec: OptimizerSpec },
  state: OptimizerState<T>,
  learningRate: number | null,
  group?: string,
): OptimizerState<T> {
  if (learningRate !== null) checkOptions('setLearningRate', { learningRate }, finiteRate);
  if (group !== undefined && !spec.groups.some(({ name }) => name === group)) {
    fail('ERR_PARAMETER_UNKNOWN', `setLearningRate: no group ${show(group)}.`);
  }
  const learningRates = state.learningRates.map((old, i) =>
    group === undefined || spec.groups[i]?.name === group ? learningRate : old,
  );
  return { ...state, learningRates };
}

/** Releases every tensor of a state. */
export function disposeState<T>(
  { ops }: { readonly ops: TensorOps<T, unknown> },
  state: OptimizerState<T>,
): void {
  for (const { slots } of state.parameters.values())
    for (const tensor of Object.values(slots)) ops.dispose(tensor);
}
