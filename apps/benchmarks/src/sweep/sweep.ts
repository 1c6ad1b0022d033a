/** A sweep: trials are chosen one after another, and run by an executor. */

import type { OptimizerName } from '../tasks/task.ts';
import type { Executor, TrialOrder } from './executor.ts';
import type { OptunaJournal } from './optunaJournal.ts';
import { propose } from './sampler.ts';
import type { Choices } from './space.ts';
import { spaceOf } from './spaces.ts';
import type { EndLine, ObjectiveName, Study } from './study.ts';

/** What a sweep needs besides its study. */
export interface SweepOptions {
  /** Who runs the trials. */
  readonly executor: Executor;
  /** Trials at the same time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** Where the study is mirrored, and trials of others are learnt from; undefined for nowhere. */
  readonly journal: OptunaJournal | undefined;
  /** Told of every trial that ends. */
  onEnd(line: Omit<EndLine, 'kind' | 'at'>, choices: Choices): void;
}

/** A trial that is to be run. */
interface Job {
  readonly optimizer: OptimizerName;
  readonly trial: number;
  readonly choices: Choices;
}

/** Name of a run of a trial; its folder lies in the study's `trials`. */
export function trialName(optimizer: OptimizerName, trial: number, seed: number): string {
  return `${optimizer}-${String(trial).padStart(3, '0')}-seed-${seed}`;
}

/** The runs of a trial, one for each seed; each finds what it has written before. */
function orderOf({ config }: Study, { optimizer, trial, choices }: Job): TrialOrder {
  const { task, preset, engine, schedule, epochs, seed, seeds } = config;
  const { learningRate, ...brake } = choices;
  const common = { task, preset, engine, optimizers: [optimizer], schedule, epochs: epochs ?? undefined };
  return {
    folder: 'trials',
    runs: Array.from({ length: seeds }, (_, i) => ({
      config: { ...common, seed: seed + i, ...(Object.keys(brake).length > 0 && { brake }) },
      learningRate: learningRate as number,
      name: trialName(optimizer, trial, seed + i),
    })),
  };
}

const objectiveOf = (losses: readonly number[], objective: ObjectiveName): number =>
  objective === 'last' ? (losses.at(-1) as number) : Math.min(...losses);

const neverStops = new AbortController().signal;

async function runJob(study: Study, job: Job, options: SweepOptions): Promise<void> {
  const begin = performance.now();
  const order = orderOf(study, job);
  const { executor, signal } = options;
  const company = { signal, stop: neverStops, onEpoch() {} };
  const { state, losses, reason } = await executor.run(order, company);
  const finite = losses.filter((each) => each.length > 0 && each.every(Number.isFinite));
  const objectives = finite.map((each) => objectiveOf(each, study.config.objective));
  const mean = objectives.reduce((a, b) => a + b, 0) / objectives.length;
  const { optimizer, trial, choices } = job;
  const line = {
    optimizer,
    trial,
    state,
    objective: state === 'complete' ? mean : null,
    objectives,
    ...(reason !== undefined && { reason }),
    seconds: Math.round(performance.now() - begin) / 1000,
  };
  await study.end(line);
  await executor.forget(order);
  await options.journal?.sync(study);
  options.onEnd(line, choices);
}

/** Chooses the next trial of an optimizer; null if it has all. Trials that were interrupted come first, as they were chosen. */
async function nextJob(
  study: Study,
  optimizer: OptimizerName,
  running: ReadonlySet<string>,
  journal: OptunaJournal | undefined,
): Promise<Job | null> {
  const { sampler, spaces, task, seed, trials } = study.config;
  const begun = study.trials(optimizer);
  const isRunning = ({ trial }: { readonly trial: number }) => running.has(`${optimizer}/${trial}`);
  const left = begun.find((trial) => trial.end === null && !isRunning(trial));
  if (left) return left;
  const index = begun.length;
  if (index >= trials) return null;
  const pending = begun.filter(({ end }) => end === null).map(({ choices }) => choices);
  const space = spaceOf(spaces, task, optimizer);
  const tried = [...study.tried(optimizer), ...(journal?.foreign(task, optimizer) ?? [])];
  const choices = propose(sampler, { space, seed, tried, pending, index, trials });
  await study.begin({ optimizer, trial: index, choices });
  await journal?.sync(study);
  return { optimizer, trial: index, choices };
}

/**
 * Runs all trials that a study still lacks.
 *
 * @throws the signal's reason if it was asked to stop; trials that had ended are kept, the others are run again by the next
 *   call, from their checkpoints.
 */
export async function runSweep(study: Study, options: SweepOptions): Promise<void> {
  const { optimizers, spaces, task } = study.config;
  for (const optimizer of optimizers) spaceOf(spaces, task, optimizer); // refused before anything runs
  await options.journal?.sync(study);
  const running = new Set<string>();
  let choosing: Promise<Job | null> = Promise.resolve(null);
  const next = async (): Promise<Job | null> => {
    options.signal.throwIfAborted();
    for (const optimizer of optimizers) {
      const job = await nextJob(study, optimizer, running, options.journal);
      if (!job) continue;
      running.add(`${job.optimizer}/${job.trial}`);
      return job;
    }
    return null;
  };
  const worker = async (): Promise<void> => {
    for (;;) {
      // one chooses at a time, so that each knows what the others are at
      choosing = choosing.then(next);
      const job = await choosing;
      if (!job) return;
      await runJob(study, job, options);
      running.delete(`${job.optimizer}/${job.trial}`);
    }
  };
  const workers = Array.from({ length: options.jobs }, worker);
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
