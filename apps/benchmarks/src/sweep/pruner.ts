/** Pruners: whether a trial that learns worse than others is worth its remaining epochs. */

import { median } from 'd3-array';

/** Names of the pruners. */
export const prunerNames = ['none', 'median', 'halving'] as const;

/** One of {@link prunerNames}. */
export type PrunerName = (typeof prunerNames)[number];

/** How trials are pruned. */
export interface PrunerConfig {
  readonly name: Exclude<PrunerName, 'none'>;
  /** Epochs that every trial has. */
  readonly warmupEpochs: number;
  /** Trials that have come as far before one is judged. */
  readonly warmupTrials: number;
}

/** Successive halving: rungs are this factor apart in epochs, and one of as many trials goes on. */
const reduction = 3;

/** Whether an epoch is a rung: the warm-up, and three times as many epochs each time. */
function isRung(epochs: number, warmup: number): boolean {
  let rung = Math.max(1, warmup);
  while (rung < epochs) rung *= reduction;
  return rung === epochs;
}

/**
 * Whether a trial is to be ended after the epochs it has had: by the best of its losses, as a loss may jump.
 *
 * - `median`: it is above the median of what the others had after as many epochs.
 * - `halving`: at a rung, it is not among the best third of those that came to it.
 *
 * @param own - validation losses of its epochs.
 * @param others - those of the trials of the same optimizer that have ended, pruned ones too.
 * @see Li and others, "A system for massively parallel hyperparameter tuning", 2020, for halving that waits for nobody
 */
export function isPruned(
  { name, warmupEpochs, warmupTrials }: PrunerConfig,
  own: readonly number[],
  others: readonly (readonly number[])[],
): boolean {
  const epochs = own.length;
  const longest = Math.max(0, ...others.map(({ length }) => length));
  // after the last epoch there is nothing to save
  if (epochs < warmupEpochs || epochs >= longest) return false;
  const least = (losses: readonly number[]) =>
    Math.min(
      ...losses.slice(0, epochs).map((loss) => (Number.isNaN(loss) ? Number.POSITIVE_INFINITY : loss)),
    );
  const come = others.filter(({ length }) => length >= epochs).map(least);
  if (come.length < Math.max(1, warmupTrials)) return false;
  const loss = least(own);
  if (name === 'median') return loss > (median(come) as number);
  if (!isRung(epochs, warmupEpochs)) return false;
  const room = Math.max(1, Math.floor((come.length + 1) / reduction));
  return come.filter((other) => other < loss).length >= room;
}
