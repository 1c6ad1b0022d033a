/** A state dict as tfjs's named optimizer weights, for `getWeights`, `setWeights` and `model.save`. */

import type * as tf from '@tensorflow/tfjs-core';
import { type OptimizerSpec, type StateDict, stateSchema } from '@vradam/core';
import { fail } from './gradients.ts';

/** `{ name, tensor }`, as tfjs has it. */
export type NamedWeight = Awaited<ReturnType<tf.Optimizer['getWeights']>>[number];

/** tfjs's names of state tensors, so that weights of `tf.train.adam` and its siblings fit; others go by our own. */
const tfjsNames: Readonly<Record<string, string>> = {
  velocity: 'm',
  secondMoment: 'v',
  momentumBuffer: 'momentum',
  meanSquare: 'rms',
  mean: 'mg',
};

/** The slot names that a spec's state may have, in the order of their weights. */
export function slotsOf({ algorithm, groups, transforms }: OptimizerSpec): string[] {
  const own = groups.flatMap(({ options }) => algorithm.slots(options));
  return [...new Set([...own, ...transforms.flatMap(({ slots }) => slots)])];
}

/** Weight name of a slot. */
export const weightName = (slot: string, variable: string): string =>
  `${variable}/${tfjsNames[slot] ?? slot}`;

/** Name of the weight that holds counters, where the number of calls does not say it all. */
export const countersName = 'counters';

/** Counters that tfjs has no place for. */
export interface Counters {
  readonly step: number;
  readonly skippedSteps: number;
  readonly microStep: number;
  /** Gradients received by each variable that has a state tensor, in their order. */
  readonly variableSteps: readonly number[];
}

/** Counters as one vector, or null where `iterations` steps of every variable is the whole truth. */
export function packCounters(
  { step, skippedSteps, microStep, variableSteps }: Counters,
  iterations: number,
): number[] | null {
  const plain = step === iterations && skippedSteps === 0 && microStep === 0;
  if (plain && variableSteps.every((steps) => steps === iterations)) return null;
  return [step, skippedSteps, microStep, ...variableSteps];
}

function slotAndVariable(name: string, slots: readonly string[]): [slot: string, variable: string] {
  const cut = name.lastIndexOf('/');
  const ending = name.slice(cut + 1);
  const slot = slots.find((candidate) => (tfjsNames[candidate] ?? candidate) === ending);
  if (cut > 0 && slot !== undefined) return [slot, name.slice(0, cut)];
  return fail(
    'ERR_STATE_MISMATCH',
    `optimizer weight ${JSON.stringify(name)} does not fit. This optimizer keeps ` +
      `${slots.map((each) => weightName(each, 'NAME')).join(', ') || 'no tensors'}. Load it into one of the same class ` +
      'and options. Nothing changed.',
  );
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function readCounters(iterations: number, packed: readonly number[] | undefined, count: number): Counters {
  const [step, skippedSteps, microStep, ...variableSteps] = packed ?? [iterations, 0, 0];
  if (packed === undefined) variableSteps.push(...Array(count).fill(iterations));
  const all = [iterations, step, skippedSteps, microStep, ...variableSteps];
  if (!all.every(isCount) || variableSteps.length !== count) {
    fail('ERR_STATE_MISMATCH', `optimizer weights have counters that do not fit: ${all}. Nothing changed.`);
  }
  return { step, skippedSteps, microStep, variableSteps } as Counters;
}

/**
 * Optimizer weights as a state dict. Tensors are read and stay the caller's.
 *
 * @param learningRates - set on the live optimizer, by group: weights do not hold them.
 * @throws VRAdamError `ERR_STATE_MISMATCH`.
 */
export async function fromWeights(
  spec: OptimizerSpec,
  weights: readonly NamedWeight[],
  learningRates: StateDict['learningRates'],
): Promise<{ readonly dict: StateDict; readonly iterations: number }> {
  const [first, ...rest] = weights;
  if (first?.name !== 'iter') fail('ERR_STATE_MISMATCH', "the first optimizer weight must be 'iter'.");
  const slots = slotsOf(spec);
  const owners = rest
    .filter(({ name }) => name !== countersName)
    .map(({ name, tensor }) => ({ parts: slotAndVariable(name, slots), tensor }));
  const values = await Promise.all(owners.map(async ({ tensor }) => Float32Array.from(await tensor.data())));
  const tensors = owners.map(({ parts, tensor: { shape } }, i) => {
    return [parts.join('/'), { dtype: 'F32', shape, data: values[i] }] as const;
  });
  const variables = [...new Set(owners.map(({ parts: [, variable] }) => variable))];
  const iterations = (await first.tensor.data())[0] as number;
  const packed = await rest.find(({ name }) => name === countersName)?.tensor.data();
  const { variableSteps, ...counters } = readCounters(iterations, packed && [...packed], variables.length);
  const dict = {
    schema: stateSchema,
    algorithm: spec.algorithm.name,
    ...counters,
    learningRates,
    parameterSteps: Object.fromEntries(variables.map((name, i) => [name, variableSteps[i] as number])),
    tensors: Object.fromEntries(tensors),
  };
  return { dict: dict as StateDict, iterations };
}
