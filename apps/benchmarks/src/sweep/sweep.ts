/** A sweep: trials are chosen one after another, and run by an executor. */

import { mean } from 'd3-array';
import type { OptimizerName } from '../tasks/task.ts';
import type { EpochReport, Executor, RunOrder, TrialOrder } from './executor.ts';
import type { OptunaJournal } from './optunaJournal.ts';
import { isPruned } from './pruner.ts';
import { propose } from './sampler.ts';
import type { Choices } from './space.ts';
import { spaceOf } from './spaces.ts';
import type { BeginLine, EndLine, ObjectiveName, Study, StudyConfig } from './study.ts';

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

/** A run of a trial with a seed; it finds what it has written before. */
export function runOrderOf(
  config: StudyConfig,
  { optimizer, trial, choices }: Pick<BeginLine, 'optimizer' | 'trial' | 'choices'>,
  seed: number,
): RunOrder {
  const { task, preset, engine, schedule, epochs } = config;
  const { learningRate, ...brake } = choices;
  const common = { task, preset, engine, optimizers: [optimizer], schedule, epochs: epochs ?? undefined };
  return {
    config: { ...common, seed, ...(Object.keys(brake).length > 0 && { brake }) },
    learningRate: learningRate as number,
    name: trialName(optimizer, trial, seed),
  };
}

/** The runs of a trial, one for each seed. */
function orderOf({ config }: Study, job: Job): TrialOrder {
  const seeds = Array.from({ length: config.seeds }, (_, i) => config.seed + i);
  return { folder: 'trials', runs: seeds.map((seed) => runOrderOf(config, job, seed)) };
}

const objectiveOf = (losses: readonly number[], objective: ObjectiveName): number =>
  objective === 'last' ? (losses.at(-1) as number) : Math.min(...losses);

/** Runs an order, and says what came of it as a study keeps it. @param judge - told of each epoch; whether to stop. */
export async function runToEnd(
  { objective }: Pick<StudyConfig, 'objective'>,
  order: TrialOrder,
  { executor, signal }: Pick<SweepOptions, 'executor' | 'signal'>,
  judge: (report: EpochReport) => boolean = () => false,
): Promise<Pick<EndLine, 'state' | 'objective' | 'objectives' | 'reason' | 'seconds'>> {
  const begin = performance.now();
  const stop = new AbortController();
  const onEpoch = (report: EpochReport) => {
    if (judge(report)) stop.abort();
  };
  const outcome = await executor.run(order, { signal, stop: stop.signal, onEpoch });
  const { state, losses, reason } = outcome;
  const ended = state === 'pruned' ? [] : losses;
  const finite = ended.filter((each) => each.length > 0 && each.every(Number.isFinite));
  const objectives = finite.map((each) => objectiveOf(each, objective));
  return {
    state,
    objective: state === 'complete' ? (mean(objectives) ?? null) : null,
    objectives,
    ...(reason !== undefined && { reason }),
    seconds: outcome.seconds ?? Math.round(performance.now() - begin) / 1000,
  };
}

async function runJob(study: Study, job: Job, options: SweepOptions): Promise<void> {
  const order = orderOf(study, job);
  const { optimizer, trial, choices } = job;
  const { pruner } = study.config;
  const seen: number[] = [];
  // a trial is judged by its first seed
  const judge = ({ run, epoch, validationLoss }: EpochReport): boolean => {
    if (run !== 0) return false;
    seen[epoch] = validationLoss;
    return pruner !== undefined && isPruned(pruner, seen.slice(0, epoch + 1), study.epochLosses(optimizer));
  };
  const outcome = await runToEnd(study.config, order, options, judge);
  const reason = outcome.state === 'pruned' && {
    reason: `after ${seen.length} ${seen.length === 1 ? 'epoch' : 'epochs'}`,
  };
  const epochLosses = pruner && { epochLosses: seen.map((loss) => (Number.isFinite(loss) ? loss : null)) };
  const line = { optimizer, trial, ...outcome, ...reason, ...epochLosses };
  await study.end(line);
  await options.executor.forget(order);
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
 * Runs jobs, some at the same time.
 *
 * @param next - the next job; null for no more. It is asked for one at a time, so that each knows what the others are at.
 */
export async function inParallel<Job>(
  { jobs, signal }: Pick<SweepOptions, 'jobs' | 'signal'>,
  next: () => Promise<Job | null>,
  run: (job: Job) => Promise<void>,
): Promise<void> {
  let choosing: Promise<Job | null> = Promise.resolve(null);
  const worker = async (): Promise<void> => {
    for (;;) {
      choosing = choosing.then(() => {
        signal.throwIfAborted();
        return next();
      });
      const job = await choosing;
      if (job === null) return;
      await run(job);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: jobs }, worker));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
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
  const next = async (): Promise<Job | null> => {
    for (const optimizer of optimizers) {
      const job = await nextJob(study, optimizer, running, options.journal);
      if (!job) continue;
      running.add(`${job.optimizer}/${job.trial}`);
      return job;
    }
    return null;
  };
  await inParallel(options, next, async (job) => {
    await runJob(study, job, options);
    running.delete(`${job.optimizer}/${job.trial}`);
  });
}
