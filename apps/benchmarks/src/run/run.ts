/** A run from beginning to end: new or resumed, with its record kept true whatever happens. */

import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import type { Engine } from '../engines/engine.ts';
import { withEngine } from '../engines/index.ts';
import { benchmarkError } from '../errors.ts';
import { summarize } from '../nn/shapes.ts';
import { findTask } from '../tasks/index.ts';
import { type OptimizerName, ownDefaults, type Problem, type TaskOptions } from '../tasks/task.ts';
import type { Checkpoint } from './checkpoint.ts';
import { commit, hardware, peakMemoryMiB } from './environment.ts';
import { restore, runRace, type Watcher } from './race.ts';
import { type RunConfig, RunFolder, type RunRecord } from './records.ts';

/** What a run reads, which a record does not keep: it may lie elsewhere next time. */
export interface Sources {
  /** Folder of real data; undefined for data that need none. */
  readonly data: string | undefined;
  /** A `tokenizer.json`; undefined for words. */
  readonly tokenizer: string | undefined;
}

/** What the user decides about a new run. */
export interface NewRun extends Sources {
  /** The race. */
  readonly config: Omit<RunConfig, 'epochs'> & { readonly epochs: number | undefined };
  /** Learning rate in place of the preset's, for all optimizers of the race. */
  readonly learningRate: number | undefined;
  /** Folder of all runs. */
  readonly results: string;
  /** Name of the run; by default task, preset, engine, time and seed. */
  readonly name: string | undefined;
}

/** Steps between two checkpoints, unless a user says otherwise. */
export const defaultCheckpointSteps = 200;

/** How a run is accompanied. */
export interface Company {
  /** Told once the data are there. */
  started(record: RunRecord, problem: Problem): Watcher;
  /** Asks the run to stop after the step in progress. */
  readonly signal: AbortSignal;
  /** A checkpoint after as many steps of an epoch, and at its end. Default {@link defaultCheckpointSteps}. */
  readonly checkpointSteps?: number;
  /** Whether metrics are written for TensorBoard too; a resumed run that has them goes on with them. Default false. */
  readonly tensorboard?: boolean;
  /** Threads of the engine of a new run; a resumed one has those it began with. Default the machine's cores. */
  readonly threads?: number;
}

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

function defaultName({ task, preset, engine, seed }: NewRun['config'], now: Date): string {
  const time = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  return `${task}-${preset}-${engine}-${time}-seed-${seed}`;
}

async function prepare(config: NewRun['config'], { data, tokenizer }: Sources): Promise<Problem> {
  const options: TaskOptions = { ...ownDefaults, ...config, data, tokenizer };
  return findTask(config.task).prepare(options);
}

/** Runs the race of a record and keeps the record true, whatever happens. */
async function drive(
  record: RunRecord,
  problem: Problem,
  engine: Engine,
  folder: RunFolder,
  company: Company,
  from: Checkpoint | null,
): Promise<void> {
  const { config } = record;
  if (company.tensorboard || (await folder.hasEvents())) await folder.openEvents(record.startedAt);
  const rates = Object.entries(record.optimizers).map(([name, { learningRate }]) => [name, learningRate]);
  const race = {
    config,
    problem,
    network: summarize(problem.network),
    learningRates: Object.fromEntries(rates) as Record<OptimizerName, number>,
    engine,
    folder,
    watcher: company.started(record, problem),
    signal: company.signal,
    checkpointSteps: company.checkpointSteps ?? defaultCheckpointSteps,
  };
  const close = (status: RunRecord['status']) =>
    folder.writeRecord({
      ...record,
      status,
      finishedAt: new Date().toISOString(),
      peakMemoryMiB: peakMemoryMiB(),
    });
  try {
    await runRace(race, from);
  } catch (error) {
    // on a full disk this fails too, and the first error says why
    await close('interrupted').catch(() => null);
    throw error;
  }
  await close('completed');
}

/** The record of a run that begins. */
function newRecord(
  { config, learningRate, name }: NewRun,
  problem: Problem,
  engine: Engine,
  threads: number | undefined,
  now: Date,
): RunRecord {
  const { parameterCount, macs } = summarize(problem.network);
  const optimizers = config.optimizers.map((one) => [
    one,
    problem.optimizer(one, learningRate, config.brake).options,
  ]);
  return {
    schema: 'vradam-run/1',
    name: name ?? defaultName(config, now),
    status: 'running',
    config: { ...config, epochs: problem.epochs },
    taskConfig: problem.config,
    optimizers: Object.fromEntries(optimizers),
    dataLine: problem.dataLine,
    data: problem.data,
    ...(problem.baselines && { baselines: problem.baselines }),
    ...(problem.perplexity && { perplexity: true }),
    network: { parameters: parameterCount, macs },
    versions: { '@vradam/benchmarks': version, node: process.versions.node, ...engine.versions },
    ...(threads !== undefined && { threads }),
    hardware: hardware(),
    commit: commit(),
    startedAt: now.toISOString(),
    finishedAt: null,
    peakMemoryMiB: null,
  };
}

/**
 * Starts a run.
 *
 * @returns its folder. If it is interrupted the signal's reason is thrown, and all that was measured is on disk.
 */
export async function startRun(run: NewRun, company: Company): Promise<RunFolder> {
  const now = new Date();
  const { config, results } = run;
  const problem = await prepare(config, run);
  const race = async (engine: Engine): Promise<RunFolder> => {
    const record = newRecord(run, problem, engine, company.threads, now);
    const folder = new RunFolder(join(results, record.name));
    await folder.create(record);
    await drive(record, problem, engine, folder, company, null);
    return folder;
  };
  return withEngine(config.engine, race, company.threads);
}

/**
 * Continues a run from its last checkpoint; its metrics are those of a run that was never interrupted.
 *
 * @param path - the run's folder.
 * @param sources - what it reads.
 * @throws VRAdamError `ERR_RUN_COMPLETED`, `ERR_STATE_MISMATCH` if the data are not those it began with.
 */
export async function resumeRun(path: string, sources: Sources, company: Company): Promise<RunFolder> {
  const folder = new RunFolder(path);
  const record = await folder.readRecord();
  if (record.status === 'completed') {
    throw benchmarkError('ERR_RUN_COMPLETED', {
      wrong: 'there is nothing to resume',
      received: `${basename(path)}, which is completed`,
      action: 'Start a new run.',
    });
  }
  const problem = await prepare(record.config, sources);
  if (JSON.stringify(problem.data) !== JSON.stringify(record.data)) {
    throw benchmarkError('ERR_STATE_MISMATCH', {
      wrong: 'the data must be those that the run began with',
      received: problem.dataLine,
      action: `It began with: ${record.dataLine} Give the same --data and --tokenizer.`,
    });
  }
  const race = async (engine: Engine): Promise<RunFolder> => {
    const from = await restore(folder);
    await folder.writeRecord({ ...record, status: 'running' });
    await drive(record, problem, engine, folder, company, from);
    return folder;
  };
  return withEngine(record.config.engine, race, record.threads);
}

/** A setting of a run that is there, and another that was asked for. */
function disagreement(
  { config, optimizers }: RunRecord,
  { config: asked, learningRate }: NewRun,
): string | null {
  const wanted = Object.entries({ ...asked, epochs: asked.epochs ?? config.epochs });
  const is = (value: unknown) => JSON.stringify(value);
  // records of before lack options that came later
  const other = wanted.find(
    ([key, value]) => key in config && is(config[key as keyof RunConfig]) !== is(value),
  );
  if (other) return `${other[0]} ${is(config[other[0] as keyof RunConfig])} instead of ${is(other[1])}`;
  const rates = Object.values(optimizers).map((options) => options['learningRate']);
  if (learningRate === undefined || rates.every((rate) => rate === learningRate)) return null;
  return `learningRate ${rates.join(', ')} instead of ${learningRate}`;
}

/**
 * Starts a run, or continues it if it is there, or leaves it as it is if it is completed.
 *
 * @throws VRAdamError `ERR_STATE_MISMATCH` if the run that is there was begun with other settings.
 */
export async function startOrResumeRun(
  run: NewRun & { readonly name: string },
  company: Company,
): Promise<RunFolder> {
  const folder = new RunFolder(join(run.results, run.name));
  if (!(await folder.exists())) return startRun(run, company);
  const record = await folder.readRecord();
  const other = disagreement(record, run);
  if (other) {
    throw benchmarkError('ERR_STATE_MISMATCH', {
      wrong: `the run ${run.name} was begun with other settings`,
      received: other,
      action: 'Give the options it was begun with, or another --out or --name.',
    });
  }
  return record.status === 'completed' ? folder : resumeRun(folder.path, run, company);
}
