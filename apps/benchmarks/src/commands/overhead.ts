/** `vradam-bench overhead`: what the suite costs besides training. */

import { basename, dirname } from 'node:path';
import Table from 'cli-table3';
import { type Command, Option } from 'commander';
import type { Engine } from '../engines/engine.ts';
import { defaultEngine, engineNames, withEngine } from '../engines/index.ts';
import { measurePipeline, type Pipeline } from '../overhead/pipeline.ts';
import { measureStart, type Start } from '../overhead/start.ts';
import { median } from '../report/summary.ts';
import { commit, hardware } from '../run/environment.ts';
import { writeAll } from '../run/files.ts';
import { tasks } from '../tasks/index.ts';
import { nameOf, wholeNumber } from './arguments.ts';

interface Flags {
  readonly engine: string;
  readonly epochs: number;
  readonly starts: number;
  readonly json?: string;
}

/** Contents of an `overhead.json`. */
export interface OverheadRecord {
  /** Always `vradam-overhead/1`. */
  readonly schema: 'vradam-overhead/1';
  readonly engine: string;
  readonly epochs: number;
  readonly node: string;
  readonly hardware: Readonly<Record<string, unknown>>;
  readonly commit: string | null;
  readonly pipelines: readonly Pipeline[];
  /** From the start of a process to its first step, start by start. */
  readonly starts: readonly Start[];
}

function tableOf(pipelines: readonly Pipeline[]): string {
  const head = ['task', 'batch, ms', 'model’s part, ms', 'step, ms', 'batch / step', 'memory by epoch, MiB'];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const { task, batchMs, modelMs, stepMs, share, memoryMiB } of pipelines) {
    const times = [batchMs, modelMs, stepMs].map((ms) => ms.toFixed(2));
    table.push([task, ...times, `${(100 * share).toFixed(1)} %`, memoryMiB.join(', ')]);
  }
  return table.toString();
}

function startText(starts: readonly Start[]): string {
  const seconds = starts.map((start) => start.seconds);
  const processor = starts.flatMap((start) => start.processorSeconds ?? []);
  const spent =
    processor.length > 0 ? `, of which the processor worked ${median(processor).toFixed(2)} s` : '';
  return `From the start to the first step of cifar10-cnn: ${median(seconds).toFixed(2)} s${spent}; medians of ${starts.length}.`;
}

async function overhead({ engine: name, epochs, starts: count, json }: Flags): Promise<void> {
  const starts: Start[] = [];
  for (let i = 0; i < count; i++) starts.push(await measureStart(name));
  const pipelines: Pipeline[] = [];
  const measure = async (engine: Engine): Promise<void> => {
    for (const task of tasks) pipelines.push(await measurePipeline(task, engine, epochs));
  };
  await withEngine(name, measure, 1);
  console.log(tableOf(pipelines));
  console.log(
    'Times of the processor, medians over the steps; a batch without what the model has a part in.',
  );
  console.log(startText(starts));
  if (json === undefined) return;
  const where = { node: process.versions.node, hardware: hardware(), commit: commit() };
  const record: OverheadRecord = {
    schema: 'vradam-overhead/1',
    engine: name,
    epochs,
    ...where,
    pipelines,
    starts,
  };
  await writeAll(dirname(json), { [basename(json)]: `${JSON.stringify(record, null, 2)}\n` });
}

/** Adds the command. */
export function addOverheadCommand(program: Command): void {
  program
    .command('overhead')
    .description(
      'measure what making batches and starting cost beside training, and whether memory stays flat',
    )
    .addOption(
      new Option('--engine <name>', 'engine, on one thread')
        .choices(engineNames)
        .argParser(nameOf(engineNames))
        .default(defaultEngine),
    )
    .option('--epochs <n>', 'epochs of each task; the first only warms up', wholeNumber(2), 6)
    .option('--starts <n>', 'how often the command is started', wholeNumber(1), 7)
    .option('--json <file>', 'write the results as JSON too')
    .action(overhead);
}
