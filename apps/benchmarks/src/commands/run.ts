/** `vradam-bench run`: trains, shows, records. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import colors from 'picocolors';
import { defaultEngine, engineNames } from '../engines/index.ts';
import { summarizeRun } from '../report/summary.ts';
import { type ProgressView, progressView, terminalTable } from '../report/terminal.ts';
import type { RunFolder } from '../run/records.ts';
import { type Company, resumeRun, startRun } from '../run/run.ts';
import { tasks } from '../tasks/index.ts';
import {
  type OptimizerName,
  optimizerNames,
  type PresetName,
  presetNames,
  type ScheduleName,
  scheduleNames,
} from '../tasks/task.ts';
import { positive, wholeNumber } from './arguments.ts';

interface Flags {
  readonly preset: PresetName;
  readonly engine: string;
  readonly optimizer: readonly OptimizerName[];
  readonly seed: number;
  readonly schedule: ScheduleName;
  readonly epochs?: number;
  readonly learningRate?: number;
  readonly data?: string;
  readonly augmentValidation: boolean;
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
  console.log(`Data: ${dataLine}`);
  console.log(`Peak memory ${peakMemoryMiB} MiB. Record: ${folder.path}`);
}

async function run(task: string, flags: Flags): Promise<void> {
  const { signal } = interruption();
  let view: ProgressView | null = null;
  const company: Company = {
    signal,
    started({ name, dataLine, network }, { epochs, stepsPerEpoch }) {
      console.log(
        `${colors.bold(name)}: ${network.parameters} parameters, ${epochs} epochs of ${stepsPerEpoch} steps`,
      );
      console.log(`Data: ${dataLine}`);
      view = progressView(epochs * stepsPerEpoch, flags.optimizer.length);
      return view;
    },
  };
  const { preset, engine, seed, schedule, epochs, augmentValidation, data, learningRate, results, name } =
    flags;
  const config = {
    task,
    preset,
    engine,
    optimizers: flags.optimizer,
    seed,
    schedule,
    epochs,
    augmentValidation,
  };
  const resumed = flags.resume && (existsSync(flags.resume) ? flags.resume : join(results, flags.resume));
  try {
    const folder = resumed
      ? await resumeRun(resumed, data, company)
      : await startRun({ config, data, learningRate, results, name }, company);
    (view as ProgressView | null)?.close();
    await showResult(folder);
  } catch (error) {
    (view as ProgressView | null)?.close();
    if (!signal.aborted) throw error;
    console.log(`\nInterrupted. What was measured is kept; go on with --resume and the name above.`);
    process.exitCode = 130;
  }
}

/** Adds the command. */
export function addRunCommand(program: Command): void {
  const names = tasks.map(({ name, title }) => `  ${name}  ${title}`).join('\n');
  program
    .command('run', { isDefault: true })
    .description('train a task with several optimizers: same seed, same weights, same batches')
    .argument('[task]', 'task', tasks[0]?.name)
    .addOption(new Option('--preset <name>', 'size').choices(presetNames).default('quick'))
    .addOption(new Option('--engine <name>', 'engine').choices(engineNames).default(defaultEngine))
    .option('--optimizer <names>', 'optimizers, separated by commas', optimizerList, [...optimizerNames])
    .option('--seed <n>', 'seed of weights, batches and augmentation', wholeNumber(0), 0)
    .addOption(
      new Option('--schedule <name>', 'learning rate over the epochs')
        .choices(scheduleNames)
        .default('warmup-cosine'),
    )
    .option('--epochs <n>', 'epochs in place of the preset’s', wholeNumber(1))
    .option('--learning-rate <x>', 'peak learning rate in place of the preset’s', positive)
    .addOption(
      new Option('--data <dir>', 'folder of real data; without it pictures are generated').env('VRADAM_DATA'),
    )
    .option('--augment-validation', 'augment validation images too, as the paper’s code does', false)
    .option('--results <dir>', 'folder of all runs', 'results')
    .option('--name <name>', 'name of the run (default: task, preset, engine, time)', runName)
    .option(
      '--resume <run>',
      'continue an interrupted run, by name or folder; of the other options only --data counts',
    )
    .addHelpText('after', `\nTasks:\n${names}\n`)
    .action(run);
}
