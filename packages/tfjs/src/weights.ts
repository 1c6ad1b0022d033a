/** State as tfjs's named optimizer weights, for `getWeights`, `setWeights` and `model.save`. */

import * as tf from '@tensorflow/tfjs-core';
import type { OptimizerSpec, OptimizerState, ParameterState } from '@vradam/core';
import { fail } from './errors.ts';
import { atomically, keep } from './journal.ts';
import { handOut } from './kernels.ts';
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
const weightName = (slot: string, variable: string): string => `${variable}/${tfjsNames[slot] ?? slot}`;

/** Name of the weight that holds counters, where the number of calls does not say it all. */
export const countersName = 'counters';

/**
 * The state tensors as weights, slot by slot; they stay the state's.
 *
 * @returns also the counters as one vector, or null where `iterations` steps of every variable is the whole truth.
 */
export function toWeights(
  spec: OptimizerSpec,
  { step, skippedSteps, microStep, parameters }: OptimizerState<tf.Tensor>,
  iterations: number,
): { readonly weights: NamedWeight[]; readonly counters: number[] | null } {
  const steps = new Map<string, number>(); // in the order in which the variables appear
  const weights = slotsOf(spec).flatMap((slot) =>
    [...parameters].flatMap(([variable, { slots, step }]) => {
      const tensor = slots[slot];
      if (!tensor) return [];
      steps.set(variable, step);
      return [{ name: weightName(slot, variable), tensor: handOut(tensor) }];
    }),
  );
  const counters = [step, skippedSteps, microStep, ...steps.values()];
  const isPlain = counters.every((n, i) => n === (i === 1 || i === 2 ? 0 : iterations));
  return { weights, counters: isPlain ? null : counters };
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
 * The state that optimizer weights hold, with tensors of its own; the weights stay the caller's.
 *
 * @throws VRAdamError `ERR_STATE_MISMATCH`. Then nothing was made.
 */
export async function fromWeights(
  spec: OptimizerSpec,
  weights: readonly NamedWeight[],
): Promise<{ readonly state: OptimizerState<tf.Tensor>; readonly iterations: number }> {
  if (weights[0]?.name !== 'iter') fail('ERR_STATE_MISMATCH', "the first optimizer weight must be 'iter'.");
  const slots = slotsOf(spec);
  const others = weights.slice(1).filter(({ name }) => name !== countersName);
  const kept = others.map(({ name, tensor }) => [tensor, ...slotAndVariable(name, slots)] as const);
  const read = async (wanted: string): Promise<number[]> => [
    ...((await weights.find(({ name }) => name === wanted)?.tensor.data()) ?? []),
  ];
  const [[iterations = 0], packed] = await Promise.all([read('iter'), read(countersName)]);
  const [step = iterations, skippedSteps = 0, microStep = 0, ...given] = packed;
  const names = [...new Set(kept.map(([, , variable]) => variable))];
  const steps = new Map(
    names.map((name, i) => [name, packed.length > 0 ? (given[i] as number) : iterations]),
  );
  const counters = [iterations, step, skippedSteps, microStep, ...steps.values()];
  if (!counters.every(isCount) || given.length > names.length) {
    fail('ERR_STATE_MISMATCH', `counters do not fit: ${packed}.`);
  }
  const parameters = new Map<string, ParameterState<tf.Tensor>>();
  atomically(() => {
    for (const [tensor, slot, name] of kept) {
      const own = { ...parameters.get(name)?.slots, [slot]: keep(tf.cast(tensor, 'float32')) };
      // the group is known when a variable takes it
      parameters.set(name, { shape: tensor.shape, group: 0, step: steps.get(name) as number, slots: own });
    }
  });
  const learningRates = spec.groups.map(() => null);
  return { state: { step, skippedSteps, microStep, learningRates, parameters }, iterations };
}
