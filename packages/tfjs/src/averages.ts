/** Averaged weights in the variables, for evaluation. */

import type * as tf from '@tensorflow/tfjs-core';
import { averagedWeights, type OptimizerSpec, type OptimizerState } from '@vradam/core';
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
  const averages = Object.entries(averagedWeights(state));
  if (averages.length === 0) {
    fail('ERR_STATE_MISMATCH', 'there is no average yet. Use averageWeights, and take a step.');
  }
  const swapped = averages.flatMap(([name, average]) => {
    const variable = variables[name];
    if (!variable || variable.isDisposed) return [];
    const weight = share(variable);
    variable.assign(average);
    return [{ variable, weight }];
  });
  return () => {
    for (const { variable, weight } of swapped) {
      if (!variable.isDisposed) variable.assign(weight);
      weight.dispose();
    }
  };
}
