/** `vradam-bench sweep`: looks for good hyper-parameters, with the same budget for every optimizer. */

import Table from 'cli-table3';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { defaultEngine, engineNames } from '../engines/index.ts';
import { localExecutor } from '../sweep/localExecutor.ts';
import { OptunaJournal } from '../sweep/optunaJournal.ts';
import { type SamplerName, samplerNames } from '../sweep/sampler.ts';
import type { Choices } from '../sweep/space.ts';
import { type SpaceName, spaceNames } from '../sweep/spaces.ts';
import { type EndLine, type ObjectiveName, objectiveNames, Study, studyName } from '../sweep/study.ts';
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
import { interruption } from './races.ts';

interface Flags {
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
  readonly jobs: number;
  readonly timeLimit: number;
  readonly data?: string;
  readonly out?: string;
  readonly optunaJournal?: string;
  readonly resume: boolean;
  readonly json: boolean;
}

/** Numbers as short as a reader needs them. */
const short = (value: unknown): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value);

const describe = (choices: Choices): string =>
  Object.entries(choices)
    .map(([name, value]) => `${name} ${short(value)}`)
    .join(', ');

const lineOf = (
  { optimizer, trial, state, objective, reason, seconds }: Omit<EndLine, 'kind' | 'at'>,
  choices: Choices,
) =>
  `${optimizer} ${trial + 1}: ${objective === null ? `${state}, ${reason}` : short(objective)} (${seconds.toFixed(1)} s; ${describe(choices)})`;

function tableOf(study: Study): string {
  const { objective, seeds } = study.config;
  const what = `${objective === 'last' ? 'last' : 'smallest'} validation loss${seeds > 1 ? `, mean of ${seeds} seeds` : ''}`;
  const table = new Table({
    head: ['optimizer', what, 'with', 'trials', 'failed'],
    style: { head: [], border: [] },
  });
  for (const optimizer of study.config.optimizers) {
    const trials = study.trials(optimizer).filter(({ end }) => end !== null);
    const found = study.best(optimizer);
    const failed = trials.filter(({ end }) => end?.objective === null).length;
    const loss = found ? short(found.end?.objective) : 'none';
    table.push([optimizer, loss, found ? describe(found.choices) : '', trials.length, failed]);
  }
  return table.toString();
}

async function sweep(task: string, flags: Flags): Promise<void> {
  const { optimizer: optimizers, jobs, timeLimit: limit, data, resume, json, optunaJournal } = flags;
  const { trials, sampler, spaces, seeds, seed, objective, preset, engine } = flags;
  const { schedule = findTask(task).schedule, epochs = null, out = `results/sweep-${task}` } = flags;
  const what = { task, preset, engine, optimizers, sampler, spaces, trials, seeds, seed, objective };
  const signal = interruption();
  const study = await Study.open(out, { ...what, schedule, epochs }, resume);
  const journal = optunaJournal === undefined ? undefined : new OptunaJournal(optunaJournal);
  const executor = localExecutor({ folder: out, limit, data, tokenizer: undefined });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const onEnd = (line: Omit<EndLine, 'kind' | 'at'>, choices: Choices) => say(lineOf(line, choices));
  try {
    await runSweep(study, { executor, jobs, signal, journal, onEnd });
  } catch (error) {
    if (!signal.aborted) throw error;
    say('Interrupted. The same call with --resume goes on; no finished trial is lost or repeated.');
    process.exitCode = signal.reason === 'SIGTERM' ? 143 : 130;
    return;
  } finally {
    await executor.close();
  }
  // what draws is slow to load, and the trials need none of it
  const { writeSweepReport } = await import('../report/sweep/write.ts');
  const page = await writeSweepReport(out, out);
  if (!json) return console.log(`${tableOf(study)}\nRecord: ${out}/${studyName}. Report: ${page}`);
  const found = optimizers.map((optimizer) => {
    const trial = study.best(optimizer);
    return {
      optimizer,
      trial: trial?.trial ?? null,
      objective: trial?.end?.objective ?? null,
      choices: trial?.choices ?? null,
    };
  });
  process.stdout.write(`${JSON.stringify({ config: study.config, best: found }, null, 1)}\n`);
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
  program
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
    .option('--resume', 'go on with the study in --out; --trials may be more than before', false)
    .option('--json', 'print what was found as JSON', false)
    .action(sweep);
}
