/** `vradam-bench onnxruntime`: what a training step costs on onnxruntime, beside PyTorch. */

import { fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { trainingCases } from '../onnxruntime/cases.ts';
import { buildCurve, type CurvePoint } from '../onnxruntime/curve.ts';
import { installedTorch, measureTorch, storedTorch, type TorchResult } from '../onnxruntime/torch.ts';
import { measureCase, type WorkerResult } from '../onnxruntime/worker.ts';
import { median } from '../report/summary.ts';
import { commit, hardware } from '../run/environment.ts';
import { wholeNumber } from './arguments.ts';

interface Flags {
  readonly model: readonly string[];
  readonly rounds: number;
  readonly steps?: number;
  readonly growthSteps: number;
  readonly update: 'auto' | 'host' | 'graph';
  readonly json?: string;
}

/** Large blocks stay with the process, in PyTorch's as in ours: else page faults are most of a step. */
const pinned = {
  MALLOC_MMAP_THRESHOLD_: '4294967295',
  MALLOC_TRIM_THRESHOLD_: '9999999999',
  MALLOC_TOP_PAD_: '268435456',
};

const program = fileURLToPath(new URL('../../bin/vradam-bench.mjs', import.meta.url));

/** Runs a measurement in a process of its own. */
function inChild(name: string, update: string, steps: number | undefined): Promise<WorkerResult> {
  const amount = steps === undefined ? [] : ['--steps', String(steps)];
  const child = fork(program, ['onnxruntime', '--child', '--model', name, '--update', update, ...amount], {
    env: { ...process.env, ...pinned },
  });
  return new Promise((resolve, reject) => {
    child.once('message', (result) => resolve(result as WorkerResult));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`measuring ${name} ended with exit code ${code}`)));
  });
}

function caseNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => Object.hasOwn(trainingCases, name))) return names;
  throw new InvalidArgumentError(`Choose from ${Object.keys(trainingCases).join(', ')}.`);
}

/** One model: rounds of both, each round one process of each, so that a busy minute meets both alike. */
interface Comparison {
  readonly name: string;
  readonly summary: string;
  readonly rounds: readonly { readonly ours: WorkerResult; readonly torch: TorchResult }[];
  /** Median over the rounds of (our median step / PyTorch's). */
  readonly timeRatio: number;
  /** Median over the rounds of (our peak memory / PyTorch's). */
  readonly memoryRatio: number;
}

async function compare(
  name: string,
  flags: Flags,
  torch: (name: string) => Promise<TorchResult>,
): Promise<Comparison> {
  const rounds: Comparison['rounds'][number][] = [];
  for (let i = 0; i < flags.rounds; i++) {
    const theirs = await torch(name);
    rounds.push({ torch: theirs, ours: await inChild(name, flags.update, flags.steps) });
  }
  return {
    name,
    summary: trainingCases[name]?.summary ?? '',
    rounds,
    timeRatio: median(rounds.map(({ ours, torch: other }) => ours.medianMs / other.medianMs)),
    memoryRatio: median(rounds.map(({ ours, torch: other }) => ours.peakMiB / other.peakMiB)),
  };
}

function comparisonTable(comparisons: readonly Comparison[]): string {
  const head = [
    'model',
    'onnxruntime ms',
    'PyTorch ms',
    'ratio',
    'peak MiB',
    'PyTorch',
    'ratio',
    'update',
    'nodes',
    'build ms',
    'session ms',
  ];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const { name, rounds, timeRatio, memoryRatio } of comparisons) {
    const of = (pick: (round: (typeof rounds)[number]) => number) => median(rounds.map(pick));
    const { update, nodes } = (rounds[0] as (typeof rounds)[number]).ours;
    table.push([
      name,
      of(({ ours }) => ours.medianMs).toFixed(2),
      of(({ torch }) => torch.medianMs).toFixed(2),
      timeRatio.toFixed(2),
      of(({ ours }) => ours.peakMiB).toFixed(0),
      of(({ torch }) => torch.peakMiB).toFixed(0),
      memoryRatio.toFixed(2),
      update,
      nodes,
      of(({ ours }) => ours.buildMs).toFixed(0),
      of(({ ours }) => ours.createMs).toFixed(0),
    ]);
  }
  return table.toString();
}

function curveTable(curve: readonly CurvePoint[]): string {
  const table = new Table({
    head: ['nodes', 'with gradient', 'ms', 'us/node'],
    style: { head: [], border: [], compact: true },
  });
  for (const { nodes, gradientNodes, ms } of curve) {
    table.push([nodes, gradientNodes, ms.toFixed(1), ((1000 * ms) / nodes).toFixed(0)]);
  }
  return table.toString();
}

async function bench(flags: Flags): Promise<void> {
  const installed = await installedTorch();
  const stored = installed ? null : await storedTorch();
  const version = installed?.version ?? stored?.version;
  const torch = (name: string): Promise<TorchResult> =>
    installed ? measureTorch(installed, name, flags.steps) : Promise.resolve(stored?.of(name) as TorchResult);
  console.log(
    `PyTorch ${version}${stored ? ', stored figures (it is not installed here)' : ''}; one thread each.`,
  );
  const comparisons: Comparison[] = [];
  for (const name of flags.model) comparisons.push(await compare(name, flags, torch));
  console.log(comparisonTable(comparisons));
  const growth = await inChild('mlp', flags.update, flags.growthSteps);
  console.log(
    `Memory growth over the second half of ${flags.growthSteps} steps of mlp: ${growth.growthKiBPerStep.toFixed(3)} KiB a step.`,
  );
  const curve = buildCurve([50, 200, 800, 2000, 5000]);
  console.log(`Building the gradient graph:\n${curveTable(curve)}`);
  if (!flags.json) return;
  const record = {
    schema: 'vradam-onnxruntime-step/1',
    torch: { version, stored: stored !== null },
    node: process.versions.node,
    hardware: hardware(),
    cores: cpus().length,
    loadAverage: loadavg()[0],
    commit: commit(),
    environment: pinned,
    comparisons,
    growth: { steps: flags.growthSteps, kibPerStep: growth.growthKiBPerStep },
    curve,
  };
  await writeFile(flags.json, `${JSON.stringify(record, null, 2)}\n`);
}

async function child({ model: [name = ''], update, steps }: Flags): Promise<void> {
  const result = await measureCase(name, { update, ...(steps === undefined ? {} : { steps }) });
  await new Promise((sent) => process.send?.(result, sent));
}

/** Adds the command. */
export function addOnnxruntimeCommand(parent: Command): void {
  parent
    .command('onnxruntime')
    .description('measure a training step on onnxruntime-node against PyTorch, one thread each')
    .addOption(
      new Option('--model <names>', 'models, separated by commas')
        .argParser(caseNames)
        .default(['mlp', 'cnn-small', 'cnn-paper', 'transformer']),
    )
    .option('--rounds <n>', 'processes of each side for each model', wholeNumber(1), 3)
    .option('--steps <n>', 'measured steps in a process (default: some seconds)', wholeNumber(1))
    .option('--growth-steps <n>', 'steps over which memory must not grow', wholeNumber(10), 2000)
    .addOption(
      new Option('--update <where>', 'where the optimizer runs')
        .choices(['auto', 'host', 'graph'])
        .default('auto'),
    )
    .option('--json <file>', 'write the results as JSON too')
    .addOption(new Option('--child').hideHelp())
    .action((flags: Flags & { readonly child?: boolean }) => (flags.child ? child(flags) : bench(flags)));
}
