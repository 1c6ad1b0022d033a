/** `vradam-conformance`: holds a backend against golden files, a training reference, or the whole suite. */

import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { VRAdamError } from '@vradam/core';
import { Command, InvalidArgumentError } from 'commander';
import type { ConformanceBackend } from './backend.ts';
import { runChecks } from './check.ts';
import { optimizerChecks } from './checks/optimizer.ts';
import { tensorOpsChecks } from './checks/tensorOps.ts';
import { coreBackends } from './coreBackends.ts';
import { type ReplayResult, replay, replaySchedule } from './golden/replay.ts';
import { parseSchedule, parseTrajectory } from './golden/trajectory.ts';
import { malformed } from './json.ts';
import { goldenDirectory, listGolden, readJson } from './node.ts';
import { schemaOf } from './suite.ts';
import { parseTrainFile } from './train/model.ts';
import { replayTraining } from './train/replayTraining.ts';

type Outcome = 'passed' | 'failed' | 'skipped';

/** One line of the report. */
interface Row {
  readonly backend: string;
  readonly name: string;
  readonly outcome: Outcome;
  readonly deviations?: Readonly<Record<string, number>>;
  readonly reasons: readonly string[];
}

interface Flags {
  readonly golden?: string;
  readonly train?: string;
  readonly suite?: boolean;
  readonly backend?: readonly string[];
  readonly backends?: readonly string[];
  readonly tolerance?: number;
  readonly json?: string;
  readonly list?: boolean;
}

const short: Readonly<Record<string, string>> = {
  parameters: 'params',
  state: 'state',
  effectiveLearningRate: 'eta',
  norm: 'norm',
  loss: 'loss',
};

function print({ backend, name, outcome, deviations = {}, reasons }: Row): void {
  const worst = Object.entries(deviations).map(
    ([key, value]) => `${short[key] ?? key} ${value.toExponential(1)}`,
  );
  const line = [outcome.padEnd(7), backend, name.padEnd(44), worst.join('  '), reasons.join('; ')];
  console.log(line.filter(Boolean).join('  ').trimEnd());
}

function rowOf(backend: string, name: string, { deviations, excuses, skipped, failures }: ReplayResult): Row {
  const outcome = failures.length > 0 ? 'failed' : skipped ? 'skipped' : 'passed';
  const excused = excuses.map(
    ({ quantities, reason }) => `${quantities.map((q) => short[q]).join(', ')} not compared: ${reason}`,
  );
  return { backend, name, outcome, deviations, reasons: [...failures, ...excused] };
}

function failure(backend: string, name: string, error: unknown): Row {
  const reason = error instanceof VRAdamError ? `${error.code}: ${error.message}` : String(error);
  return { backend, name, outcome: 'failed', reasons: [reason] };
}

async function replayFile(
  backend: ConformanceBackend,
  file: string,
  tolerance?: number,
): Promise<ReplayResult | null> {
  const json = await readJson(file);
  switch (schemaOf(json)) {
    case 'vradam-trajectory/1':
      return replay(backend, parseTrajectory(json), { tolerance });
    case 'vradam-schedule/1':
      return replaySchedule(parseSchedule(json), tolerance);
    case 'vradam-index/1':
      return null; // a table of contents
    default:
      return malformed('schema', 'vradam-trajectory/1 or vradam-schedule/1', schemaOf(json));
  }
}

async function* goldenRows(
  backend: ConformanceBackend,
  directory: string,
  tolerance?: number,
): AsyncGenerator<Row> {
  let files = 0;
  for (const name of await listGolden(directory)) {
    try {
      const result = await replayFile(backend, join(directory, name), tolerance);
      if (!result) continue;
      files++;
      yield rowOf(backend.name, name, result);
    } catch (error) {
      files++;
      yield failure(backend.name, name, error);
    }
  }
  if (files === 0) {
    throw new VRAdamError(
      'ERR_FILE_FORMAT',
      `[@vradam/conformance] no trajectories in directory ${directory}.`,
    );
  }
}

async function* trainRows(backend: ConformanceBackend, file: string): AsyncGenerator<Row> {
  const reference = parseTrainFile(await readJson(file));
  for (const { label, loss, effectiveLearningRate, share, failedStep } of await replayTraining(
    backend,
    reference,
  )) {
    const reasons =
      failedStep === null
        ? [`${(100 * share).toFixed(0)} % of the limit`]
        : [`over the limit in step ${failedStep}`];
    const outcome = failedStep === null ? 'passed' : 'failed';
    yield {
      backend: backend.name,
      name: label,
      outcome,
      deviations: { loss, effectiveLearningRate },
      reasons,
    };
  }
}

async function* suiteRows(backend: ConformanceBackend): AsyncGenerator<Row> {
  for (const check of [...tensorOpsChecks(backend), ...optimizerChecks(backend)]) {
    for (const { name, error, skipped } of await runChecks([check])) {
      if (error !== undefined) yield failure(backend.name, name, error);
      else
        yield {
          backend: backend.name,
          name,
          outcome: skipped ? 'skipped' : 'passed',
          reasons: skipped ? [skipped] : [],
        };
    }
  }
}

async function load(modules: readonly string[]): Promise<ConformanceBackend[]> {
  const loaded: ConformanceBackend[] = [...coreBackends];
  for (const module of modules) {
    const specifier = /^[./]|\.[cm]?js$/.test(module) ? pathToFileURL(resolve(module)).href : module;
    const { backends } = (await import(specifier)) as { backends?: ConformanceBackend[] };
    if (!Array.isArray(backends)) {
      throw new VRAdamError(
        'ERR_OPTION_TYPE',
        `[@vradam/conformance] ${module} must export an array named backends.`,
      );
    }
    loaded.push(...backends);
  }
  return loaded;
}

function choose(all: readonly ConformanceBackend[], names: readonly string[]): ConformanceBackend[] {
  return names.map((name) => {
    const found = all.find((backend) => backend.name === name);
    if (found) return found;
    const known = all.map((backend) => backend.name).join(', ');
    throw new VRAdamError(
      'ERR_OPTION_RANGE',
      `[@vradam/conformance] --backend must be one of ${known}. Received: ${name}.`,
    );
  });
}

async function* rows(flags: Flags, backends: readonly ConformanceBackend[]): AsyncGenerator<Row> {
  const {
    golden = flags.train || flags.suite ? undefined : goldenDirectory,
    train,
    suite,
    tolerance,
  } = flags;
  for (const backend of backends) {
    if (golden !== undefined) yield* goldenRows(backend, golden, tolerance);
    if (train !== undefined) yield* trainRows(backend, train);
    if (suite) yield* suiteRows(backend);
  }
}

async function main(flags: Flags): Promise<boolean> {
  const all = await load(flags.backends ?? []);
  if (flags.list) {
    for (const { name } of all) console.log(name);
    return true;
  }
  const done: Row[] = [];
  for await (const row of rows(flags, choose(all, flags.backend ?? ['core-float64']))) {
    print(row);
    done.push(row);
  }
  if (flags.json) await writeFile(flags.json, `${JSON.stringify(done, null, 2)}\n`);
  const count = (outcome: Outcome) => done.filter((row) => row.outcome === outcome).length;
  if (count('skipped') > 0) console.log(`${count('skipped')} skipped, for the reasons above`);
  console.log(`${count('passed')} passed, ${count('failed')} failed`);
  return count('failed') === 0 && count('passed') > 0;
}

function parseTolerance(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError('It must be a number >= 0.');
  return value;
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

const program = new Command('vradam-conformance')
  .description(
    'Holds an optimizer backend against golden trajectories, a training reference, or the property suite.',
  )
  .option(
    '--golden <dir>',
    'replay every trajectory and schedule file of a directory (default: those of this package)',
  )
  .option('--train <file>', 'replay a training reference (vradam-train/1, .json or .json.gz)')
  .option('--suite', 'run the claims about operations and optimizers')
  .option('--backend <name>', 'backend to check; may be repeated (default: core-float64)', collect)
  .option('--backends <module>', 'module that exports `backends`, an array; may be repeated', collect)
  .option('--tolerance <x>', 'one limit for every deviation, in place of the backend’s', parseTolerance)
  .option('--json <file>', 'write the report as JSON too')
  .option('--list', 'list the backends and exit')
  .addHelpText(
    'after',
    '\nExits 1 if anything fails, if a file is malformed, or if nothing could be compared.',
  );

program.parse();
try {
  process.exitCode = (await main(program.opts<Flags>())) ? 0 : 1;
} catch (error) {
  console.error(error instanceof VRAdamError ? error.message : error);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
}
