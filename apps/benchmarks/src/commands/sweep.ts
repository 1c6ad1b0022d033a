/** `vradam-bench sweep`: looks for good hyper-parameters, with the same budget for every optimizer. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { defaultEngine, engineNames } from '../engines/index.ts';
import type { Executor } from '../sweep/executor.ts';
import { runFinals } from '../sweep/final.ts';
import { localExecutor } from '../sweep/localExecutor.ts';
import { OptunaJournal } from '../sweep/optunaJournal.ts';
import { type PrunerName, prunerNames } from '../sweep/pruner.ts';
import type { Connection } from '../sweep/queue/connection.ts';
import { type SamplerName, samplerNames } from '../sweep/sampler.ts';
import type { Choices } from '../sweep/space.ts';
import { type SpaceName, spaceNames } from '../sweep/spaces.ts';
import { type EndLine, type FinalLine, type ObjectiveName, objectiveNames, Study } from '../sweep/study.ts';
import { runSweep } from '../sweep/sweep.ts';
import { findTask, tasks } from '../tasks/index.ts';
import {
  defaultOptimizers,
  type OptimizerName,
  optimizerNames,
  type PresetName,
  presetNames,
  type ScheduleName,
  scheduleNames,
} from '../tasks/task.ts';
import { nameOf, namesOf, positive, wholeNumber } from './arguments.ts';
import { addQueueOptions, connectQueue, type QueueFlags, queueExecutor } from './queue.ts';
import { interruption } from './races.ts';
import { finalText, showSweep, trialText } from './sweepOutcome.ts';

interface Flags extends QueueFlags {
  readonly optimizer: readonly OptimizerName[];
  readonly trials: number;
  readonly sampler: SamplerName;
  readonly spaces: SpaceName;
  readonly seeds: number;
  readonly seed: number;
  readonly objective: ObjectiveName;
  readonly preset: PresetName;
  readonly engine: string;
  readonly schedule?: ScheduleName;
  readonly epochs?: number;
  readonly pruner: PrunerName;
  readonly prunerEpochs: number;
  readonly prunerTrials: number;
  readonly finalSeeds: number;
  readonly jobs: number;
  readonly timeLimit: number;
  readonly data?: string;
  readonly out?: string;
  readonly optunaJournal?: string;
  readonly resume: boolean;
  readonly json: boolean;
}

const say = (line: string): boolean => process.stderr.write(`${line}\n`);

/** Who runs the trials: this machine, or workers at a queue. */
function executorOf(
  connection: Connection | null,
  study: Study,
  folder: string,
  { data, timeLimit: limit }: Flags,
  signal: AbortSignal,
): Promise<Executor> {
  if (!connection) return Promise.resolve(localExecutor({ folder, limit, data, tokenizer: undefined }));
  const needsData = data !== undefined;
  return queueExecutor({ connection, study: study.id, folder, limit, needsData, signal, say });
}

/** Absent for none, as in studies of before. */
const prunerOf = ({ pruner: name, prunerEpochs: warmupEpochs, prunerTrials: warmupTrials }: Flags) =>
  name === 'none' ? {} : { pruner: { name, warmupEpochs, warmupTrials } };

async function sweep(task: string, flags: Flags): Promise<void> {
  // before the study: what cannot be run is not begun
  const connection = flags.queue === undefined ? null : await connectQueue(flags.queue, flags, say);
  try {
    await sweepOn(connection, task, flags);
  } finally {
    connection?.close();
  }
}

async function sweepOn(connection: Connection | null, task: string, flags: Flags): Promise<void> {
  const { optimizer: optimizers, jobs, finalSeeds: count, resume, json, optunaJournal } = flags;
  const { trials, sampler, spaces, seeds, seed, objective, preset, engine } = flags;
  const { schedule = findTask(task).schedule, epochs = null, out = `results/sweep-${task}` } = flags;
  const what = { task, preset, engine, optimizers, sampler, spaces, trials, seeds, seed, objective };
  const signal = interruption();
  const study = await Study.open(out, { ...what, schedule, epochs, ...prunerOf(flags) }, resume);
  const journal = optunaJournal === undefined ? undefined : new OptunaJournal(optunaJournal);
  const executor = await executorOf(connection, study, out, flags, signal);
  const onEnd = (line: Omit<EndLine, 'kind' | 'at'>, choices: Choices) => say(trialText(line, choices));
  try {
    await runSweep(study, { executor, jobs, signal, journal, onEnd });
    const onFinal = (line: Omit<FinalLine, 'kind' | 'at'>) => say(finalText(line));
    await runFinals(study, { count, executor, jobs, signal, onEnd: onFinal });
  } catch (error) {
    if (!signal.aborted) throw error;
    say('Interrupted. The same call with --resume goes on; no finished trial is lost or repeated.');
    process.exitCode = signal.reason === 'SIGTERM' ? 143 : 130;
    return;
  } finally {
    await executor.close();
  }
  await showSweep(study, out, json);
}

const choice = (flag: string, description: string, names: readonly string[]): Option =>
  new Option(flag, description).choices(names).argParser(nameOf(names));

function taskName(text: string): string {
  try {
    return findTask(text).name;
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Adds the command. Over 40 lines: the list of its options. */
export function addSweepCommand(program: Command): void {
  const command = program
    .command('sweep')
    .description('look for good hyper-parameters of each optimizer, with the same number of trials for all')
    .argument('<task>', tasks.map(({ name }) => name).join(', '), taskName)
    .option('--optimizer <names>', 'optimizers, separated by commas', namesOf(optimizerNames), [
      ...defaultOptimizers,
    ])
    .option('--trials <n>', 'trials of each optimizer', wholeNumber(1), 10)
    .addOption(choice('--sampler <name>', 'how trials are chosen', samplerNames).default('gp'))
    .addOption(
      choice(
        '--spaces <name>',
        'what they are chosen from: the paper’s ranges, or some for short runs',
        spaceNames,
      ).default('quick'),
    )
    .option('--seeds <n>', 'runs of each trial, whose losses are averaged', wholeNumber(1), 1)
    .option('--seed <n>', 'the first seed, and that of the choices', wholeNumber(0), 0)
    .addOption(
      choice(
        '--objective <which>',
        'validation loss of the last epoch, or of the best one',
        objectiveNames,
      ).default('last'),
    )
    .addOption(choice('--preset <name>', 'size', presetNames).default('quick'))
    .addOption(choice('--engine <name>', 'engine', engineNames).default(defaultEngine))
    .addOption(
      choice('--schedule <name>', 'learning rate over the epochs (default: the task’s own)', scheduleNames),
    )
    .option('--epochs <n>', 'epochs in place of the preset’s', wholeNumber(1))
    .addOption(
      choice(
        '--pruner <name>',
        'ends trials early whose loss is above the median of the others’ after as many epochs, or by successive halving',
        prunerNames,
      ).default('none'),
    )
    .option('--pruner-epochs <n>', 'epochs that no trial is ended in', wholeNumber(1), 1)
    .option('--pruner-trials <n>', 'trials that must have come as far before one is ended', wholeNumber(1), 4)
    .option(
      '--final-seeds <n>',
      'after all trials, run the best of each optimizer with as many seeds that had no part in choosing it',
      wholeNumber(0),
      0,
    )
    .option('--jobs <n>', 'trials at the same time', wholeNumber(1), 1)
    .option(
      '--time-limit <seconds>',
      'a trial that takes longer is ended, and counts as failed',
      positive,
      Number.POSITIVE_INFINITY,
    )
    .addOption(new Option('--data <dir>', 'folder of real data').env('VRADAM_DATA'))
    .option('--out <dir>', 'folder of the study (default: results/sweep-TASK)')
    .option(
      '--optuna-journal <file>',
      'mirror the study in a journal of Optuna, and learn from trials that Optuna adds',
    )
    .option(
      '--resume',
      'go on with the study in --out; --trials may be more than before, and --final-seeds added',
      false,
    )
    .option('--json', 'print what was found as JSON', false)
    .action(sweep);
  addQueueOptions(command, 'a queue whose workers run the trials');
}
