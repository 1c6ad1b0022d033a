/** `vradam-bench run`: trains, shows, records. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import colors from 'picocolors';
import { defaultEngine, engineNames } from '../engines/index.ts';
import { benchmarkError } from '../errors.ts';
import { notes, summarizeRun } from '../report/summary.ts';
import { type ProgressView, progressView, terminalTable } from '../report/terminal.ts';
import type { RunFolder } from '../run/records.ts';
import { type Company, type NewRun, resumeRun, startRun } from '../run/run.ts';
import { findTask, tasks } from '../tasks/index.ts';
import {
  defaultOptimizers,
  maskings,
  type OptimizerName,
  type OwnOption,
  type OwnOptions,
  optimizerNames,
  ownDefaults,
  type PresetName,
  presetNames,
  type ScheduleName,
  scheduleNames,
} from '../tasks/task.ts';
import { positive, wholeNumber } from './arguments.ts';

interface Flags extends OwnOptions {
  readonly preset: PresetName;
  readonly engine: string;
  readonly optimizer: readonly OptimizerName[];
  readonly seed: number;
  readonly schedule?: ScheduleName;
  readonly epochs?: number;
  readonly learningRate?: number;
  readonly data?: string;
  readonly tokenizer?: string;
  readonly results: string;
  readonly name?: string;
  readonly resume?: string;
}

function optimizerList(text: string): OptimizerName[] {
  const names = text.split(',').map((name) => name.trim()) as OptimizerName[];
  const wrong = names.find((name, i) => !optimizerNames.includes(name) || names.indexOf(name) !== i);
  if (wrong === undefined) return names;
  throw new InvalidArgumentError(`Choose each once, separated by commas, from ${optimizerNames.join(', ')}.`);
}

function runName(text: string): string {
  if (/^[\w][\w.-]*$/.test(text)) return text;
  throw new InvalidArgumentError('It must be a plain folder name: letters, digits, dots, dashes.');
}

/** Stops the race at the first Ctrl-C, after the step in progress, and the process at the second. */
function interruption(): AbortController {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort(signal));
  }
  return controller;
}

async function showResult(folder: RunFolder): Promise<void> {
  const summary = await summarizeRun(folder);
  const { peakMemoryMiB, dataLine } = summary.record;
  console.log(`\n${terminalTable(summary)}`);
  for (const line of notes(summary)) console.log(line);
  console.log(`Data: ${dataLine}`);
  console.log(`Peak memory ${peakMemoryMiB} MiB. Record: ${folder.path}`);
}

/** What the run of one task begins with. */
function newRun(task: string, flags: Flags, isOneOfMany: boolean): NewRun {
  const { preset, engine, optimizer, seed, schedule = findTask(task).schedule, epochs } = flags;
  const { data, tokenizer, learningRate, results, name } = flags;
  const common = { task, preset, engine, optimizers: optimizer, seed, schedule, epochs };
  const own = Object.keys(ownDefaults).map((key) => [key, flags[key as keyof OwnOptions]]);
  return {
    config: { ...common, ...(Object.fromEntries(own) as OwnOptions) },
    data,
    tokenizer,
    learningRate,
    results,
    name: name && isOneOfMany ? `${name}-${task}` : name,
  };
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

/** Runs one task, or goes on with a run, and shows what came of it. */
async function runOne(
  begin: (company: Company) => Promise<RunFolder>,
  signal: AbortSignal,
  optimizers: number,
): Promise<void> {
  let view: ProgressView | null = null;
  const company: Company = {
    signal,
    started({ name, dataLine, network }, { epochs, stepsPerEpoch }) {
      console.log(
        `${colors.bold(name)}: ${network.parameters} parameters, ${epochs} epochs of ${stepsPerEpoch} steps`,
      );
      console.log(`Data: ${dataLine}`);
      view = progressView(epochs * stepsPerEpoch, optimizers);
      return view;
    },
  };
  try {
    const folder = await begin(company);
    (view as ProgressView | null)?.close();
    await showResult(folder);
  } catch (error) {
    (view as ProgressView | null)?.close();
    if (!signal.aborted) throw error;
    console.log(`\nInterrupted. What was measured is kept; go on with --resume and the name above.`);
    process.exitCode = 130;
  }
}

async function run(names: readonly string[], flags: Flags, command: Command): Promise<void> {
  const { signal } = interruption();
  const { results, resume, data, tokenizer, optimizer } = flags;
  if (resume !== undefined) {
    const path = existsSync(resume) ? resume : join(results, resume);
    const again = (company: Company) => resumeRun(path, { data, tokenizer }, company);
    return runOne(again, signal, optimizer.length);
  }
  checkOwnOptions(names, command);
  for (const task of new Set(names)) {
    if (signal.aborted) return;
    const start = newRun(task, flags, names.length > 1);
    await runOne((company) => startRun(start, company), signal, optimizer.length);
  }
}

/** Adds the command. */
export function addRunCommand(program: Command): void {
  const names = tasks.map(({ name, title }) => `  ${name}  ${title}`).join('\n');
  program
    .command('run', { isDefault: true })
    .description('train a task with several optimizers: same seed, same weights, same batches')
    .argument(
      '[tasks...]',
      'tasks, one after another',
      tasks.slice(0, 1).map(({ name }) => name),
    )
    .addOption(new Option('--preset <name>', 'size').choices(presetNames).default('quick'))
    .addOption(new Option('--engine <name>', 'engine').choices(engineNames).default(defaultEngine))
    .option('--optimizer <names>', 'optimizers, separated by commas', optimizerList, [...defaultOptimizers])
    .option('--seed <n>', 'seed of weights, batches and augmentation', wholeNumber(0), 0)
    .addOption(
      new Option('--schedule <name>', 'learning rate over the epochs (default: the task’s own)').choices(
        scheduleNames,
      ),
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
      new Option(
        '--masking <how>',
        'language-model: what a position may look at; as published, it sees the word that it has to tell',
      )
        .choices(maskings)
        .default(ownDefaults.masking),
    )
    .option(
      '--accumulate-bug',
      'language-model: never clear the gradients, as the paper’s code does not',
      false,
    )
    .option(
      '--tokenizer <file>',
      'language-model: a tokenizer.json, with the tokenizer_config.json beside it, in place of words',
    )
    .option('--results <dir>', 'folder of all runs', 'results')
    .option('--name <name>', 'name of the run (default: task, preset, engine, time)', runName)
    .option(
      '--resume <run>',
      'continue an interrupted run, by name or folder; of the other options only --data and --tokenizer count',
    )
    .addHelpText('after', `\nTasks:\n${names}\n`)
    .action(run);
}
