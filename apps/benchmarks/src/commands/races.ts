/** Races of some tasks with some seeds, one after another. */

import { setMaxListeners } from 'node:events';
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

/** What a user decides about races. */
export interface RaceFlags extends OwnOptions {
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
  /** Whether runs that are there are continued, or left as they are if completed. */
  readonly resume: boolean;
  /** Steps between two checkpoints of an epoch. */
  readonly checkpointSteps: number;
  /** Whether metrics are written for TensorBoard too. */
  readonly tensorboard: boolean;
  /** Whether the outcome is printed as JSON, and all else to the standard error. */
  readonly json: boolean;
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

const printer = (json: boolean): ((text: string) => void) => (json ? console.error : console.log);

/**
 * Runs one task, or goes on with a run, and shows it.
 *
 * @returns its folder; null if it was interrupted, which is then said, with exit code 130 or 143.
 */
export async function runOne(
  begin: (company: Company) => Promise<RunFolder>,
  signal: AbortSignal,
  { json, checkpointSteps, tensorboard }: Pick<RaceFlags, 'json' | 'checkpointSteps' | 'tensorboard'>,
): Promise<RunFolder | null> {
  const say = printer(json);
  let view: ProgressView | null = null;
  const company: Company = {
    signal,
    checkpointSteps,
    tensorboard,
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
    process.exitCode = signal.reason === 'SIGTERM' ? 143 : 130;
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

/**
 * Runs tasks with seeds, one after another; stops between them if asked to.
 *
 * @returns folders of the runs that are completed.
 */
export async function runAll(
  tasks: readonly string[],
  flags: RaceFlags,
  signal: AbortSignal,
): Promise<RunFolder[]> {
  const folders: RunFolder[] = [];
  for (const task of tasks) {
    for (let seed = flags.seed; seed < flags.seed + flags.seeds && !signal.aborted; seed++) {
      const run = newRun(task, seed, flags, tasks.length > 1);
      const { name } = run;
      const begin = (company: Company) =>
        flags.resume && name !== undefined
          ? startOrResumeRun({ ...run, name }, company)
          : startRun(run, company);
      const folder = await runOne(begin, signal, flags);
      if (folder) folders.push(folder);
    }
  }
  return folders;
}
