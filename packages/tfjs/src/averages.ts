/** Averaged weights in the variables, for evaluation. */

import type * as tf from '@tensorflow/tfjs-core';
import type { OptimizerSpec, OptimizerState } from '@vradam/core';
import { fail } from './errors.ts';
import type { Variables } from './gradients.ts';
import { share } from './journal.ts';

/** Whether a spec averages weights. */
export const keepsAverage = ({ transforms }: OptimizerSpec): boolean =>
  transforms.some(({ slots }) => slots.includes('average'));

/**
 * Puts the averages into the variables.
 *
 * @returns what puts the weights back.
 * @throws VRAdamError `ERR_STATE_MISMATCH` if the state keeps no average. Then nothing has changed.
 */
export function swapIn(state: OptimizerState<tf.Tensor>, variables: Variables): () => void {
  const swapped = [...state.parameters].flatMap(([name, { slots }]) => {
    const [variable, average] = [variables[name], slots['average']];
    if (!variable || variable.isDisposed || !average) return [];
    const weight = share(variable);
    variable.assign(average);
    return [{ variable, weight }];
  });
  if (swapped.length === 0) {
    fail('ERR_STATE_MISMATCH', 'there is no average yet. Use averageWeights, and take a step.');
  }
  return () => {
    for (const { variable, weight } of swapped) {
      if (!variable.isDisposed) variable.assign(weight);
      weight.dispose();
    }
  };
}
