/** `vradam-bench tune`: learning rates on a grid. */

import { basename, dirname } from 'node:path';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import type { Engine } from '../engines/engine.ts';
import { defaultEngine, engineNames, withEngine } from '../engines/index.ts';
import { writeAll } from '../run/files.ts';
import { attempt } from '../sweep/attempt.ts';
import { bestRate, hasTry, readTuning, type TuningRecord, withTry } from '../sweep/tuning.ts';
import { findTask, tasks } from '../tasks/index.ts';
import {
  defaultOptimizers,
  type OptimizerName,
  optimizerNames,
  ownDefaults,
  type PresetName,
  type Problem,
  presetNames,
} from '../tasks/task.ts';
import { nameOf, namesOf, positive, wholeNumber } from './arguments.ts';

interface Flags {
  readonly preset: PresetName;
  readonly engine: string;
  readonly optimizer: readonly OptimizerName[];
  readonly rate: readonly number[];
  readonly seed: readonly number[];
  readonly epochs?: number;
  readonly data?: string;
  readonly json?: string;
}

/** Half decades. */
const usualRates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1];

/** Some values, separated by commas. */
function listOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => {
    const values = text.split(',').map((part) => parse(part.trim()));
    if (new Set(values).size === values.length) return values;
    throw new InvalidArgumentError('Give each value once.');
  };
}

function prepare(name: string, { preset, epochs, data }: Flags, seed: number): Promise<Problem> {
  const task = findTask(name);
  const { schedule } = task;
  return task.prepare({ ...ownDefaults, preset, seed, data, schedule, epochs, tokenizer: undefined });
}

/** Tries what the file has not yet, and says what is best. */
async function tryAll(name: string, flags: Flags, path: string, engine: Engine): Promise<void> {
  const { preset, optimizer: optimizers, rate: rates, seed: seeds } = flags;
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort('SIGINT'));
  const { epochs, dataLine } = await prepare(name, flags, seeds[0] as number);
  const note = 'validation loss of the last epoch';
  let record: TuningRecord = await readTuning(path, {
    schema: 'vradam-tuning/1',
    task: name,
    preset,
    epochs,
    note,
    rows: [],
  });
  for (const seed of seeds) {
    const problem = await prepare(name, flags, seed);
    for (const optimizer of optimizers) {
      for (const learningRate of rates) {
        const one = { data: problem.dataLine, optimizer, learningRate, seed };
        if (hasTry(record, one)) continue;
        const { spec } = problem.optimizer(optimizer, learningRate);
        const { validationLosses, failure } = await attempt(problem, engine, spec, seed, controller.signal);
        const last = failure === null ? (validationLosses.at(-1) as number) : Number.NaN;
        record = withTry(record, one, Number.isFinite(last) ? last : null);
        await writeAll(dirname(path), { [basename(path)]: `${JSON.stringify(record, null, 1)}\n` });
        console.log(
          `${optimizer}  learning rate ${learningRate}  seed ${seed}  validation loss ${last.toFixed(4)}`,
        );
      }
    }
  }
  for (const optimizer of optimizers)
    console.log(`${optimizer}: best at ${bestRate(record, dataLine, optimizer)}`);
}

async function tune(name: string, flags: Flags): Promise<void> {
  const path = flags.json ?? `results/${name}-${flags.preset}-tuning.json`;
  await withEngine(flags.engine, (engine) => tryAll(name, flags, path, engine));
  console.log(`Written: ${path}`);
}

/** Adds the command. */
export function addTuneCommand(program: Command): void {
  const names = tasks.map((task) => task.name);
  program
    .command('tune')
    .description(
      'try learning rates on a grid, the same for all optimizers; tries that the file has are left out',
    )
    .addArgument(new Argument('<task>', 'task').argParser(nameOf(names)))
    .addOption(new Option('--preset <name>', 'size').argParser(nameOf(presetNames)).default('quick'))
    .addOption(new Option('--engine <name>', 'engine').argParser(nameOf(engineNames)).default(defaultEngine))
    .option('--optimizer <names>', 'optimizers, separated by commas', namesOf(optimizerNames), [
      ...defaultOptimizers,
    ])
    .option('--rate <list>', 'learning rates, separated by commas', listOf(positive), usualRates)
    .option('--seed <list>', 'seeds, separated by commas', listOf(wholeNumber(0)), [1, 2])
    .option('--epochs <n>', 'epochs in place of the preset’s', wholeNumber(1))
    .addOption(new Option('--data <dir>', 'folder of real data').env('VRADAM_DATA'))
    .option('--json <file>', 'file to write and to go on with (default: results/TASK-PRESET-tuning.json)')
    .action(tune);
}
