/** `vradam-bench run`: trains, shows, records. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { defaultEngine, engineNames } from '../engines/index.ts';
import { benchmarkError } from '../errors.ts';
import { defaultCheckpointSteps, resumeRun } from '../run/run.ts';
import { findTask, tasks } from '../tasks/index.ts';
import {
  defaultOptimizers,
  gflownetLosses,
  maskings,
  type OwnOption,
  optimizerNames,
  ownDefaults,
  presetNames,
  scheduleNames,
  usualSeeds,
} from '../tasks/task.ts';
import { nameOf, namesOf, positive, wholeNumber } from './arguments.ts';
import { interruption, type RaceFlags, runAll, runOne, showOutcome } from './races.ts';

interface Flags extends Omit<RaceFlags, 'resume' | 'stableNames' | 'seeds' | 'threads'> {
  /** By default as many as the preset usually has. */
  readonly seeds?: number;
  readonly out?: string;
  /** A run by name or folder; true for all of this call. */
  readonly resume?: string | true;
}

function runName(text: string): string {
  if (/^[\w][\w.-]*$/.test(text)) return text;
  throw new InvalidArgumentError('It must be a plain folder name: letters, digits, dots, dashes.');
}

/** Refuses options that none of the tasks has: they would be ignored in silence. */
function checkOwnOptions(names: readonly string[], command: Command): void {
  const all = tasks.flatMap(({ ownOptions }) => ownOptions);
  const own = names.flatMap((name) => findTask(name).ownOptions);
  const given = (option: OwnOption) => command.getOptionValueSource(option) === 'cli';
  const stray = all.find((option) => given(option) && !own.includes(option));
  if (stray === undefined) return;
  throw benchmarkError('ERR_OPTION_UNKNOWN', {
    wrong: `${names.join(' and ')} has no option of that name`,
    received: `--${stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    action: 'Leave it out, or choose another task.',
  });
}

/** Continues one run, named by the user. */
async function resumeOne(resume: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const { results, data, tokenizer, json } = flags;
  const path = existsSync(resume) ? resume : join(results, resume);
  const folder = await runOne((company) => resumeRun(path, { data, tokenizer }, company), signal, {
    ...flags,
    resume: true,
  });
  await showOutcome(folder ? [folder] : [], json);
}

async function run(names: readonly string[], flags: Flags, command: Command): Promise<void> {
  const { resume, out, name, results } = flags;
  const signal = interruption();
  if (typeof resume === 'string') return resumeOne(resume, flags, signal);
  checkOwnOptions(names, command);
  if (resume && out === undefined && name === undefined) {
    throw benchmarkError('ERR_OPTION_RANGE', {
      wrong: '--resume needs to know what to go on with',
      received: 'neither a run, nor --out, nor --name',
      action:
        'Give --resume the name of a run, or repeat the call that was interrupted, with its --out or --name.',
    });
  }
  const stableNames = out !== undefined;
  const seeds = flags.seeds ?? usualSeeds[flags.preset];
  const all = { ...flags, seeds, results: out ?? results, resume: resume === true, stableNames };
  const folders = await runAll([...new Set(names)], all, signal);
  await showOutcome(folders, flags.json);
}

/** An option with a fixed set of names, the nearest of which is suggested for a mistyped one. */
const choice = (flag: string, description: string, names: readonly string[]): Option =>
  new Option(flag, description).choices(names).argParser(nameOf(names));

/** Adds the command. Over 40 lines: the list of its options. */
export function addRunCommand(program: Command): void {
  const names = tasks.map(({ name, title }) => `  ${name}  ${title}`).join('\n');
  program
    .command('run', { isDefault: true })
    .description('train a task with several optimizers: same seed, same weights, same batches')
    .addArgument(
      new Argument('[tasks...]', 'tasks, one after another').default(
        tasks.slice(0, 1).map(({ name }) => name),
      ),
    )
    .addOption(choice('--preset <name>', 'size', presetNames).default('quick'))
    .addOption(choice('--engine <name>', 'engine', engineNames).default(defaultEngine))
    .option('--optimizer <names>', 'optimizers, separated by commas', namesOf(optimizerNames), [
      ...defaultOptimizers,
    ])
    .option(
      '--seed <n>',
      'seed of weights, batches and augmentation; the first, if there are several',
      wholeNumber(0),
      0,
    )
    .option(
      '--seeds <n>',
      `how many seeds, one run each (default: ${presetNames.map((name) => `${usualSeeds[name]} for ${name}`).join(', ')})`,
      wholeNumber(1),
    )
    .option('--jobs <n>', 'runs at the same time, each in a process of its own', wholeNumber(1), 1)
    .addOption(
      choice('--schedule <name>', 'learning rate over the epochs (default: the task’s own)', scheduleNames),
    )
    .option('--epochs <n>', 'epochs in place of the preset’s', wholeNumber(1))
    .option('--learning-rate <x>', 'peak learning rate in place of the preset’s', positive)
    .addOption(
      new Option(
        '--data <dir>',
        'folder of real data; without it pictures are generated, and the text is Moby Dick',
      ).env('VRADAM_DATA'),
    )
    .option(
      '--augment-validation',
      'cifar10-cnn: augment validation images too, as the paper’s code does',
      false,
    )
    .addOption(
      choice(
        '--masking <how>',
        'language-model: what a position may look at; as published, it sees the word that it has to tell',
        maskings,
      ).default(ownDefaults.masking),
    )
    .option(
      '--accumulate-bug',
      'language-model: never clear the gradients, as the paper’s code does not',
      false,
    )
    .addOption(
      new Option(
        '--gflownet-loss <kind>',
        'gflownet: balance of each transition, or what the paper’s code computes in its place',
      )
        .choices(gflownetLosses)
        .default(ownDefaults.gflownetLoss),
    )
    .option(
      '--tokenizer <file>',
      'language-model: a tokenizer.json, with the tokenizer_config.json beside it, in place of words',
    )
    .option('--results <dir>', 'folder of all runs', 'results')
    .option('--name <name>', 'name of the run (default: task, preset, engine, time, seed)', runName)
    .option('--out <dir>', 'folder of this call alone, in place of --results and --name')
    .option(
      '--resume [run]',
      'continue an interrupted run, by name or folder, where of the other options only --data and --tokenizer count; ' +
        'without a run, go on with this very call, which has --out or --name',
    )
    .option(
      '--checkpoint-steps <n>',
      'steps between two checkpoints of an epoch; there is one at its end, and where a run is stopped',
      wholeNumber(1),
      defaultCheckpointSteps,
    )
    .option('--tensorboard', 'write event files for TensorBoard beside the metrics', false)
    .option('--json', 'print what came of it as JSON; all else goes to the standard error', false)
    .addHelpText('after', `\nTasks:\n${names}\n`)
    .action(run);
}
