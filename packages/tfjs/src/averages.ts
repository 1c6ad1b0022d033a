/** Averaged weights in the variables, for evaluation. */

import type * as tf from '@tensorflow/tfjs-core';
import { averagedWeights, type OptimizerSpec, type OptimizerState } from '@vradam/core';
import { fail, type Variables } from './gradients.ts';
import { share } from './journal.ts';

/** Whether a spec averages weights. */
export const keepsAverage = ({ transforms }: OptimizerSpec): boolean =>
  transforms.some(({ slots }) => slots.includes('average'));

/** The averages are in the variables as long as this is there. */
export class AveragedWeights {
  readonly #weights: readonly { readonly variable: tf.Variable; readonly weight: tf.Tensor }[];

  /**
   * Swaps in.
   *
   * @throws VRAdamError `ERR_STATE_MISMATCH` if the state keeps no average. Then nothing has changed.
   */
  constructor(state: OptimizerState<tf.Tensor>, variables: Variables) {
    const averages = Object.entries(averagedWeights(state));
    if (averages.length === 0) {
      fail('ERR_STATE_MISMATCH', 'there is no average yet. Use averageWeights, and take a step.');
    }
    const live = averages.flatMap(([name, average]) => {
      const variable = variables[name];
      return variable && !variable.isDisposed ? [{ variable, average }] : [];
    });
    this.#weights = live.map(({ variable, average }) => {
      const weight = share(variable);
      variable.assign(average);
      return { variable, weight };
    });
  }

  /** Swaps out. */
  restore(): void {
    for (const { variable, weight } of this.#weights) {
      if (!variable.isDisposed) variable.assign(weight);
      weight.dispose();
    }
  }

  /** Throws `ERR_UNSUPPORTED`: a step would train the average. */
  refuseStep(): never {
    return fail(
      'ERR_UNSUPPORTED',
      'the averaged weights are in the variables. Call swapOutAverage() before a step.',
    );
  }
}
