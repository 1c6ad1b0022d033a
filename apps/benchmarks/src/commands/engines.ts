/** `vradam-bench engines`: what a training step costs on each engine. */

import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { median } from 'd3-array';
import type { Engine } from '../engines/engine.ts';
import { engineNames, engineTitle, whatIsMissing, withEngine } from '../engines/index.ts';
import { initialParameters, summarize } from '../nn/shapes.ts';
import { commit, hardware } from '../run/environment.ts';
import { cifar10Cnn } from '../tasks/cifar10Cnn/index.ts';
import { streams } from '../tasks/streams.ts';
import { ownDefaults, type Problem } from '../tasks/task.ts';
import { namesOf, wholeNumber } from './arguments.ts';

/** What a step of the quick CNN took on an engine. */
interface EngineTimes {
  readonly name: string;
  readonly title: string;
  readonly versions: Engine['versions'];
  /** From the call to an engine that has its session, in milliseconds. */
  readonly startMs: number;
  /** The first step, which compiles what is compiled, in milliseconds. */
  readonly firstStepMs: number;
  /** Median of the steps after it, in milliseconds. */
  readonly stepMs: number;
  /** Loss of the last step: the same for all of them, nearly. */
  readonly loss: number;
}

interface Flags {
  readonly engine: readonly string[];
  readonly steps: number;
  readonly json?: string;
}

const quick = () =>
  cifar10Cnn.prepare({
    ...ownDefaults,
    preset: 'quick',
    seed: 0,
    data: undefined,
    schedule: 'constant',
    epochs: undefined,
    tokenizer: undefined,
  });

/** Steps of a new session of the task. */
async function measure(engine: Engine, problem: Problem, steps: number, begin: number): Promise<EngineTimes> {
  const network = summarize(problem.network);
  const session = await engine.createSession({
    network: problem.network,
    parameters: initialParameters(network, 0, streams.initial),
    buffers: network.buffers,
    optimizer: problem.optimizer('vradam').spec,
  });
  const startMs = performance.now() - begin;
  const reports: { readonly loss: number; readonly stepMs: number }[] = [];
  for await (const batch of problem.trainBatches(0, session)) {
    reports.push(await session.trainStep(batch));
    if (reports.length > steps) break;
  }
  session.dispose();
  const [first, ...rest] = reports.map(({ stepMs }) => stepMs);
  const { name, versions } = engine;
  return {
    name,
    title: engineTitle(name),
    versions,
    startMs,
    firstStepMs: first as number,
    stepMs: median(rest) as number,
    loss: reports.at(-1)?.loss as number,
  };
}

const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 10_000 ? 3 : 1);

async function engines({ engine: names, steps, json }: Flags): Promise<void> {
  const problem = await quick();
  const times: EngineTimes[] = [];
  for (const name of names) {
    const lacks = whatIsMissing(name);
    if (lacks !== null) {
      console.log(`${name}: ${lacks}`);
      continue;
    }
    const begin = performance.now();
    const one = await withEngine(name, (engine) => measure(engine, problem, steps, begin));
    times.push(one);
    const { startMs, firstStepMs, stepMs, loss } = one;
    const parts = `start ${seconds(startMs)} s, first step ${seconds(firstStepMs)} s, step ${seconds(stepMs)} s`;
    console.log(`${name}: ${parts}, loss after ${steps} steps ${loss.toFixed(5)}`);
  }
  if (json === undefined) return;
  const at = { node: process.versions.node, hardware: hardware(), commit: commit() };
  const record = {
    schema: 'vradam-engines/1',
    task: 'cifar10-cnn',
    preset: 'quick',
    steps,
    ...at,
    engines: times,
  };
  await writeFile(json, `${JSON.stringify(record, null, 2)}\n`);
}

/** Adds the command. */
export function addEnginesCommand(program: Command): void {
  program
    .command('engines')
    .description('measure a training step of the quick CNN on each engine that is installed')
    .addOption(
      new Option('--engine <names>', 'engines, separated by commas')
        .argParser(namesOf(engineNames))
        .default([...engineNames], 'all'),
    )
    .option('--steps <n>', 'steps after the first', wholeNumber(1), 5)
    .option('--json <file>', 'write a record')
    .action(engines);
}
