/** A state dict as tfjs's named optimizer weights, for `getWeights`, `setWeights` and `model.save`. */

import type * as tf from '@tensorflow/tfjs-core';
import {
  type OptimizerSpec,
  type OptimizerState,
  type SafeTensor,
  type StateDict,
  stateSchema,
} from '@vradam/core';
import { fail } from './errors.ts';
import { slotsOf } from './loaded.ts';

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

/** Weight name of a slot. */
export const weightName = (slot: string, variable: string): string =>
  `${variable}/${tfjsNames[slot] ?? slot}`;

/** Name of the weight that holds counters, where the number of calls does not say it all. */
export const countersName = 'counters';

/**
 * Counters as one vector, or null where `iterations` steps of every variable is the whole truth.
 *
 * @param variableSteps - gradients received by each variable that has a state tensor, in their order.
 */
export function packCounters(
  { step, skippedSteps, microStep }: OptimizerState<unknown>,
  variableSteps: readonly number[],
  iterations: number,
): number[] | null {
  const isPlain = skippedSteps + microStep === 0 && [step, ...variableSteps].every((n) => n === iterations);
  return isPlain ? null : [step, skippedSteps, microStep, ...variableSteps];
}

function slotAndVariable(name: string, slots: readonly string[]): readonly [slot: string, variable: string] {
  const slot = slots.find((each) => name.endsWith(weightName(each, '')));
  const variable = name.slice(0, name.lastIndexOf('/'));
  if (slot && variable) return [slot, variable];
  return fail(
    'ERR_STATE_MISMATCH',
    `optimizer weight '${name}' does not fit [${slots}]. Load it into one of the same class and options.`,
  );
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/**
 * Optimizer weights as a state dict. Tensors are read and stay the caller's.
 *
 * @throws VRAdamError `ERR_STATE_MISMATCH`.
 */
export async function fromWeights(
  spec: OptimizerSpec,
  weights: readonly NamedWeight[],
): Promise<{ readonly dict: StateDict; readonly iterations: number }> {
  if (weights[0]?.name !== 'iter') fail('ERR_STATE_MISMATCH', "the first optimizer weight must be 'iter'.");
  const slots = slotsOf(spec);
  const values = await Promise.all(weights.map(({ tensor }) => tensor.data()));
  const iterations = values[0]?.[0] as number;
  const tensors: Record<string, SafeTensor> = {};
  const variables = new Set<string>();
  let packed: number[] | null = null;
  for (const [i, { name, tensor }] of weights.entries()) {
    const numbers = values[i] as Float32Array;
    if (name === countersName) packed = [...numbers];
    else if (i > 0) {
      const [slot, variable] = slotAndVariable(name, slots);
      const data = Float32Array.from(numbers);
      variables.add(variable);
      tensors[`${slot}/${variable}`] = { dtype: 'F32', shape: tensor.shape, data };
    }
  }
  const [step = iterations, skippedSteps = 0, microStep = 0, ...given] = packed ?? [];
  const steps = packed ? given : [...variables].map(() => iterations);
  const counters = [iterations, step, skippedSteps, microStep, ...steps];
  if (!counters.every(isCount) || steps.length !== variables.size) {
    fail('ERR_STATE_MISMATCH', `optimizer weights have counters that do not fit: ${counters}.`);
  }
  return {
    iterations,
    dict: {
      schema: stateSchema,
      algorithm: spec.algorithm.name,
      step,
      skippedSteps,
      microStep,
      learningRates: Object.fromEntries(spec.groups.map(({ name }) => [name, null])),
      parameterSteps: Object.fromEntries([...variables].map((name, i) => [name, steps[i] as number])),
      tensors,
    },
  };
}
