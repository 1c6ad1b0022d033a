/** Races of some tasks with some seeds, one after another or some at the same time. */

import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import colors from 'picocolors';
import { collect } from '../report/analysis/collect.ts';
import { racesOf } from '../report/analysis/races.ts';
import { notes, summarizeRun } from '../report/summary.ts';
import { type ProgressView, progressView, seedsTable, terminalTable } from '../report/terminal.ts';
import { encode, type RunFolder } from '../run/records.ts';
import { type Company, type NewRun, startOrResumeRun, startRun } from '../run/run.ts';
import { findTask } from '../tasks/index.ts';
import {
  type OptimizerName,
  type OwnOptions,
  ownDefaults,
  type PresetName,
  type ScheduleName,
} from '../tasks/task.ts';
import { runTogether } from './parallelRaces.ts';

/** How a race is run and shown, whatever it is. */
export interface RaceManner {
  /** Whether runs that are there are continued, or left as they are if completed. */
  readonly resume: boolean;
  /** Steps between two checkpoints of an epoch. */
  readonly checkpointSteps: number;
  /** Whether metrics are written for TensorBoard too. */
  readonly tensorboard: boolean;
  /** Whether the outcome is printed as JSON, and all else to the standard error. */
  readonly json: boolean;
  /** Threads of the engine; undefined for the machine's cores. */
  readonly threads?: number | undefined;
}

/** What a user decides about races. */
export interface RaceFlags extends OwnOptions, RaceManner {
  readonly preset: PresetName;
  readonly engine: string;
  readonly optimizer: readonly OptimizerName[];
  /** The first seed. */
  readonly seed: number;
  /** How many there are. */
  readonly seeds: number;
  readonly schedule?: ScheduleName;
  readonly epochs?: number;
  readonly learningRate?: number;
  readonly data?: string;
  readonly tokenizer?: string;
  /** Folder of the runs. */
  readonly results: string;
  readonly name?: string;
  /** Whether a run is named by task and seed alone, so that the same call finds it again. */
  readonly stableNames: boolean;
  /** How many races run at the same time. */
  readonly jobs: number;
}

/** Stops the race at the first Ctrl-C, after the step in progress, and the process at the second. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort(signal));
  }
  return controller.signal;
}

/** Name of a run; undefined for one that is named by the time. */
function nameOfRun(task: string, seed: number, flags: RaceFlags, isOneOfMany: boolean): string | undefined {
  const { name, seeds, stableNames } = flags;
  if (stableNames) return `${task}-seed-${seed}`;
  if (name === undefined) return undefined;
  return `${name}${isOneOfMany ? `-${task}` : ''}${seeds > 1 ? `-seed-${seed}` : ''}`;
}

/** What the run of one task with one seed begins with. */
function newRun(task: string, seed: number, flags: RaceFlags, isOneOfMany: boolean): NewRun {
  const { preset, engine, optimizer, schedule = findTask(task).schedule, epochs } = flags;
  const { data, tokenizer, learningRate, results } = flags;
  const common = { task, preset, engine, optimizers: optimizer, seed, schedule, epochs };
  const own = Object.keys(ownDefaults).map((key) => [key, flags[key as keyof OwnOptions]]);
  return {
    config: { ...common, ...(Object.fromEntries(own) as OwnOptions) },
    data,
    tokenizer,
    learningRate,
    results,
    name: nameOfRun(task, seed, flags, isOneOfMany),
  };
}

/** As a shell has it for a process that a signal ended. */
const exitCodeOf = ({ reason }: AbortSignal): number => (reason === 'SIGTERM' ? 143 : 130);

const printer = (json: boolean): ((text: string) => void) => (json ? console.error : console.log);

/**
 * Runs one task, or goes on with a run, and shows it.
 *
 * @returns its folder; null if it was interrupted, which is then said, with exit code 130 or 143.
 */
export async function runOne(
  begin: (company: Company) => Promise<RunFolder>,
  signal: AbortSignal,
  { json, checkpointSteps, tensorboard, threads }: RaceManner,
): Promise<RunFolder | null> {
  const say = printer(json);
  let view: ProgressView | null = null;
  const company: Company = {
    signal,
    checkpointSteps,
    tensorboard,
    ...(threads !== undefined && { threads }),
    started({ name, dataLine, network, config }, { epochs, stepsPerEpoch }) {
      const size = `${network.parameters} parameters, ${epochs} epochs of ${stepsPerEpoch} steps`;
      say(`${colors.bold(name)}: ${size}, seed ${config.seed}`);
      say(`Data: ${dataLine}`);
      view = progressView(epochs * stepsPerEpoch, config.optimizers.length, say);
      return view;
    },
  };
  try {
    const folder = await begin(company);
    (view as ProgressView | null)?.close();
    await showRun(folder, say);
    return folder;
  } catch (error) {
    (view as ProgressView | null)?.close();
    if (!signal.aborted) throw error;
    say('\nInterrupted. What was measured is kept; go on with --resume and the name above.');
    process.exitCode = exitCodeOf(signal);
    return null;
  }
}

async function showRun(folder: RunFolder, say: (text: string) => void): Promise<void> {
  const summary = await summarizeRun(folder);
  const { peakMemoryMiB, dataLine } = summary.record;
  say(`\n${terminalTable(summary)}`);
  for (const line of notes(summary)) say(line);
  say(`Data: ${dataLine}`);
  say(`Peak memory ${peakMemoryMiB} MiB. Record: ${folder.path}`);
}

/** Says what came of runs: with several seeds a table over them, or all of it as JSON. */
export async function showOutcome(folders: readonly RunFolder[], json: boolean): Promise<void> {
  if (json) {
    const summaries = await Promise.all(folders.map(summarizeRun));
    return void process.stdout.write(`${JSON.stringify(summaries, encode, 2)}\n`);
  }
  if (folders.length < 2) return;
  const { runs } = await collect(folders.map(({ path }) => path));
  for (const race of racesOf(runs)) if (race.seeds.length > 1) console.log(`\n${seedsTable(race)}`);
}

/** How a run begins, or goes on if it may be there. */
export function begin(run: NewRun, resume: boolean): (company: Company) => Promise<RunFolder> {
  const { name } = run;
  return (company) =>
    resume && name !== undefined ? startOrResumeRun({ ...run, name }, company) : startRun(run, company);
}

/** Several at once share the cores: an engine with threads for all of them would wait for them most of the time. */
async function runSome(runs: readonly NewRun[], flags: RaceFlags, signal: AbortSignal): Promise<RunFolder[]> {
  const { resume, checkpointSteps, tensorboard, json } = flags;
  const jobs = Math.min(flags.jobs, runs.length);
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  const manner = { resume, checkpointSteps, tensorboard, json, threads };
  const folders = await runTogether(runs, { jobs, manner, signal, say: printer(json) });
  if (signal.aborted) process.exitCode = exitCodeOf(signal); // what is kept, each race has said itself
  return folders;
}

/**
 * Runs tasks with seeds; none begins after it was asked to stop.
 *
 * @returns folders of the runs that are completed.
 */
export async function runAll(
  tasks: readonly string[],
  flags: RaceFlags,
  signal: AbortSignal,
): Promise<RunFolder[]> {
  const seeds = Array.from({ length: flags.seeds }, (_, i) => flags.seed + i);
  const runs = tasks.flatMap((task) => seeds.map((seed) => newRun(task, seed, flags, tasks.length > 1)));
  if (flags.jobs > 1 && runs.length > 1) return runSome(runs, flags, signal);
  const folders: RunFolder[] = [];
  for (const run of runs) {
    if (signal.aborted) break;
    const folder = await runOne(begin(run, flags.resume), signal, flags);
    if (folder) folders.push(folder);
  }
  return folders;
}
