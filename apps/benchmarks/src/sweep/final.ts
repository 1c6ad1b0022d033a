/** After a sweep: the best setting of each optimizer, with seeds that had no part in choosing it. */

import type { OptimizerName } from '../tasks/task.ts';
import type { Executor } from './executor.ts';
import type { FinalLine, Study, StudyConfig } from './study.ts';
import { inParallel, runOrderOf, runToEnd } from './sweep.ts';

/** Folder of the runs, in that of the study. */
export const finalFolder = 'final';

/** What the final runs need besides their study. */
export interface FinalOptions {
  /** Runs of each optimizer. */
  readonly count: number;
  /** Who does them. */
  readonly executor: Executor;
  /** Runs at the same time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** Told of every run that ends. */
  onEnd(line: Omit<FinalLine, 'kind' | 'at'>): void;
}

/** Seeds that come after those of the sweep. */
export const finalSeeds = ({ seed, seeds }: StudyConfig, count: number): number[] =>
  Array.from({ length: count }, (_, i) => seed + seeds + i);

interface Job {
  readonly optimizer: OptimizerName;
  readonly seed: number;
}

async function runJob(study: Study, { optimizer, seed }: Job, options: FinalOptions): Promise<void> {
  const best = study.best(optimizer);
  if (!best) return;
  const order = { folder: finalFolder, runs: [runOrderOf(study.config, best, seed)] };
  const { objectives: _, ...outcome } = await runToEnd(study.config, order, options);
  const line = { optimizer, trial: best.trial, seed, ...outcome };
  await study.final(line);
  await options.executor.forget(order);
  options.onEnd(line);
}

/**
 * Runs the best trial of each optimizer with fresh seeds, as far as the study lacks these runs. An optimizer without a best
 * trial has none.
 *
 * @throws the signal's reason if it was asked to stop; runs that had ended are kept, the others are run again by the next
 *   call, from their checkpoints.
 */
export async function runFinals(study: Study, options: FinalOptions): Promise<void> {
  const { optimizers } = study.config;
  const jobs = finalSeeds(study.config, options.count).flatMap((seed) =>
    optimizers.map((optimizer): Job => ({ optimizer, seed })),
  );
  const isDone = ({ optimizer, seed }: Job) => study.finals(optimizer).some((line) => line.seed === seed);
  const left = jobs.filter((job) => !isDone(job));
  await inParallel(
    options,
    async () => left.shift() ?? null,
    (job) => runJob(study, job, options),
  );
}
