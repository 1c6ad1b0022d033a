/**
 * Callbacks for `model.fit`. Plain objects of the shape that tfjs-layers takes, so that this package need not import
 * it.
 */

import type { Schedule } from '@vradam/core';
import type { TfjsOptimizer } from './optimizer.ts';
import type { StepStats } from './stats.ts';

/** What `model.fit` reports with an epoch or a batch; what a callback adds to an epoch's appears in the history. */
export type FitLogs = Record<string, unknown>;

/** The callbacks of `model.fit` that are used here. */
export interface FitCallbacks {
  /** At the begin of an epoch. */
  onEpochBegin?(epoch: number, logs?: FitLogs): Promise<void>;
  /** At the end of an epoch. */
  onEpochEnd?(epoch: number, logs?: FitLogs): Promise<void>;
  /** At the end of a batch. */
  onBatchEnd?(batch: number, logs?: FitLogs): Promise<void>;
}

/** Options of {@link logStats}. */
export interface LogOptions {
  /** Called with the stats of each epoch or batch. Default: none; the history has them. */
  readonly log?: (stats: StepStats, at: number) => void;
  /** When to look: each look waits for the backend. Default `'epoch'`. */
  readonly every?: 'epoch' | 'batch';
}

/**
 * Logs what the optimizer does, at the end of each epoch or batch. With epochs, `effectiveLearningRate`,
 * `velocityNorm`, `cutoffHit` (0 or 1) and `skippedSteps` of the last step of each appear in the history of
 * `model.fit`.
 *
 * @returns an element of the `callbacks` of `model.fit`.
 */
export function logStats(optimizer: TfjsOptimizer, { log, every = 'epoch' }: LogOptions = {}): FitCallbacks {
  const look = async (at: number, logs?: FitLogs): Promise<void> => {
    const stats = await optimizer.stats();
    const { effectiveLearningRate, velocityNorm, skippedSteps } = stats;
    log?.(stats, at);
    if (logs && every === 'epoch')
      Object.assign(logs, {
        effectiveLearningRate: effectiveLearningRate ?? Number.NaN,
        velocityNorm: velocityNorm ?? Number.NaN,
        cutoffHit: Number(stats.cutoffHit),
        skippedSteps,
      });
  };
  return every === 'batch' ? { onBatchEnd: look } : { onEpochEnd: look };
}

/**
 * Sets the learning rate at the begin of each epoch.
 *
 * @param schedule - of the epoch, from 0 on: `warmupCosine({ learningRate, warmup, total })` with both in epochs.
 * @param group - name of one group; default all.
 * @returns an element of the `callbacks` of `model.fit`.
 */
export function scheduleByEpoch(optimizer: TfjsOptimizer, schedule: Schedule, group?: string): FitCallbacks {
  return {
    onEpochBegin: async (epoch) => optimizer.setLearningRate(schedule(epoch), group),
  };
}
