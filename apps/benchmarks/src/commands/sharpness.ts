/** `vradam-bench sharpness`: the paper's Figure 2. */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Engine } from '../engines/engine.ts';
import { defaultEngine, engineNames, withEngine } from '../engines/index.ts';
import { benchmarkError } from '../errors.ts';
import { summarize } from '../nn/shapes.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../run/checkpoint.ts';
import { commit, hardware } from '../run/environment.ts';
import { writeAll } from '../run/files.ts';
import { type EdgeData, loadEdgeData } from '../tasks/edgeOfStability/data.ts';
import { resnet } from '../tasks/edgeOfStability/model.ts';
import { type EdgePreset, fixed, presets } from '../tasks/edgeOfStability/presets.ts';
import {
  type EdgeConfig,
  type EdgeRecord,
  readRecord,
  recordName,
  recordText,
} from '../tasks/edgeOfStability/record.ts';
import {
  type EdgeOptimizer,
  type EdgeProblem,
  type EdgeStart,
  edgeOptimizers,
  follow,
  stabilityThreshold,
  type Trajectory,
} from '../tasks/edgeOfStability/trajectory.ts';
import { type PresetName, presetNames } from '../tasks/task.ts';
import { nameOf, namesOf, positive, wholeNumber } from './arguments.ts';
import { interruption } from './races.ts';

/** What a user decides about the edge of stability. */
export interface SharpnessFlags {
  readonly preset: PresetName;
  readonly engine: string;
  readonly optimizer: readonly EdgeOptimizer[];
  readonly seed: number;
  readonly data?: string;
  readonly out: string;
  readonly resume: boolean;
  readonly json: boolean;
  readonly learningRate?: number;
  readonly steps?: number;
  readonly every?: number;
  readonly iterations?: number;
}

const checkpointName = 'checkpoint.safetensors';

const sizesOf = ({ preset, learningRate, steps, every, iterations }: SharpnessFlags): EdgePreset => ({
  ...presets[preset],
  ...(learningRate !== undefined && { learningRate }),
  ...(steps !== undefined && { steps }),
  ...(every !== undefined && { every }),
  ...(iterations !== undefined && { iterations }),
});

/** The record of an interrupted run to go on with; null for a new one. */
async function past(folder: string, config: EdgeConfig, resume: boolean): Promise<EdgeRecord | null> {
  if (resume) return readRecord(folder, config);
  if (!existsSync(join(folder, recordName))) return null;
  throw benchmarkError('ERR_RUN_EXISTS', {
    wrong: `${join(folder, recordName)} is already there`,
    received: folder,
    action: 'Continue it with --resume, or name another folder with --out.',
  });
}

async function startOf(folder: string, last: Trajectory | undefined): Promise<EdgeStart | null> {
  if (!last || last.end !== null) return null;
  const bytes = await readFile(join(folder, checkpointName)).catch(() => null);
  if (!bytes) return null;
  const { progress, snapshot } = decodeCheckpoint(bytes);
  if (progress.optimizer !== last.optimizer || !snapshot) return null;
  const steps = last.steps.slice(0, progress.epochs);
  const measurements = last.measurements.filter(({ step }) => step <= progress.epochs);
  return { trajectory: { ...last, steps, measurements }, snapshot };
}

/** A line about where a trajectory is. */
function lineOf({ optimizer, steps, measurements }: Trajectory, learningRate: number): string {
  const [step, last] = [steps.at(-1), measurements.at(-1)];
  const bound = stabilityThreshold(learningRate, fixed.adam);
  const share = last ? `, sharpness ${(last.preconditioned.value / bound).toFixed(3)} of 38/eta` : '';
  return `${optimizer} step ${steps.length}: loss ${step?.loss.toFixed(4) ?? '-'}${share}`;
}

const ends: Readonly<Record<NonNullable<Trajectory['end']>, string>> = {
  loss: 'the loss is below its goal',
  accuracy: 'the accuracy is above its goal',
  steps: 'all steps were taken',
  failure: 'the loss is no number any more',
};

async function writeFigure(out: string, record: EdgeRecord): Promise<void> {
  // what draws is slow to load
  const { drawEdge } = await import('../tasks/edgeOfStability/figure.ts');
  const { renderPng } = await import('../report/figures/png.ts');
  const { svg } = drawEdge(record);
  await writeAll(out, { 'sharpness.svg': svg, 'sharpness.png': renderPng(svg) });
}

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** Everything but the trajectories. */
function newRecord(
  config: EdgeConfig,
  { source, files, size, classes }: EdgeData,
  engine: Engine,
): EdgeRecord {
  return {
    schema: 'vradam-sharpness/1',
    config,
    hyperparameters: fixed,
    parameters: summarize(resnet(config.sizes, size, classes)).parameterCount,
    hessianStep: engine.hessianStep,
    data: source,
    files,
    versions: { node: process.versions.node, ...engine.versions },
    hardware: hardware(),
    commit: commit(),
    trajectories: [],
  };
}

/** Writes what is known after a measurement; the checkpoint last: a record may know more steps than it, not fewer. */
async function keep(out: string, record: EdgeRecord, { trajectory, snapshot }: EdgeStart): Promise<void> {
  const progress = {
    optimizer: trajectory.optimizer,
    epochs: trajectory.steps.length,
    steps: 0,
    lossSum: 0,
    metricsBytes: 0,
  };
  await writeAll(out, {
    [recordName]: recordText(record),
    [checkpointName]: encodeCheckpoint({ progress, snapshot }),
  });
}

/** Follows all optimizers that are not at their end, and writes what they do. */
async function followAll(
  out: string,
  empty: EdgeRecord,
  before: EdgeRecord | null,
  problem: Omit<EdgeProblem, 'onStep' | 'onMeasurement'>,
): Promise<EdgeRecord> {
  const { optimizers, sizes } = empty.config;
  let record = { ...empty, trajectories: (before?.trajectories ?? []).filter(({ end }) => end !== null) };
  for (const optimizer of optimizers.slice(record.trajectories.length)) {
    const last = before?.trajectories.at(-1);
    const from = last?.optimizer === optimizer ? await startOf(out, last) : null;
    if (from) say(`${optimizer} goes on after ${from.trajectory.steps.length} steps`);
    const { trajectories } = record;
    const onStep = (trajectory: Trajectory) => {
      if (trajectory.steps.length % 10 === 0) say(lineOf(trajectory, sizes.learningRate));
    };
    const onMeasurement = (start: EdgeStart) =>
      keep(out, { ...record, trajectories: [...trajectories, start.trajectory] }, start);
    const trajectory = await follow({ ...problem, onStep, onMeasurement }, optimizer, from);
    record = { ...record, trajectories: [...trajectories, trajectory] };
    await writeAll(out, { [recordName]: recordText(record) });
    say(`${optimizer} ends after ${trajectory.steps.length} steps: ${ends[trajectory.end ?? 'steps']}`);
  }
  return record;
}

/** Follows optimizers, and leaves `sharpness.json` with its figure. */
export async function sharpness(flags: SharpnessFlags): Promise<void> {
  const { preset, seed, out, json } = flags;
  const sizes = sizesOf(flags);
  const config: EdgeConfig = { preset, engine: flags.engine, seed, optimizers: flags.optimizer, sizes };
  const before = await past(out, config, flags.resume);
  const signal = interruption();
  const data = await loadEdgeData(sizes, { seed, directory: flags.data });
  say(data.source);
  try {
    const record = await withEngine(flags.engine, (engine) => {
      const empty = newRecord(config, data, engine);
      return followAll(out, empty, before, { preset: sizes, data, engine, seed, signal });
    });
    await writeFigure(out, record);
    if (json) process.stdout.write(recordText(record));
    else console.log(summary(record, out));
  } catch (error) {
    if (!signal.aborted) throw error;
    say('Interrupted. The same call with --resume goes on from the last measurement.');
    process.exitCode = 130;
  }
}

const summary = ({ trajectories, config }: EdgeRecord, out: string): string =>
  [
    ...trajectories.map((trajectory) => lineOf(trajectory, config.sizes.learningRate)),
    `Written: ${join(out, 'sharpness.{json,svg,png}')}`,
  ].join('\n');

/** Adds the command. */
export function addSharpnessCommand(program: Command): void {
  program
    .command('sharpness')
    .description(
      'train a residual network on all images at once and follow the largest eigenvalue of its Hessian: Figure 2',
    )
    .addOption(
      new Option('--preset <name>', 'size')
        .choices(presetNames)
        .argParser(nameOf(presetNames))
        .default('quick'),
    )
    .addOption(
      new Option(
        '--engine <name>',
        'engine; products with the Hessian are exact on onnxruntime, differences on tfjs',
      )
        .choices(engineNames)
        .argParser(nameOf(engineNames))
        .default(defaultEngine),
    )
    .option('--optimizer <names>', 'optimizers, separated by commas: vradam, adam', namesOf(edgeOptimizers), [
      ...edgeOptimizers,
    ])
    .option('--seed <n>', 'seed of the weights', wholeNumber(0), 0)
    .option('--learning-rate <x>', 'learning rate of both in place of the preset’s', positive)
    .option('--steps <n>', 'steps at most, in place of the preset’s', wholeNumber(1))
    .option('--every <n>', 'steps between two measurements, in place of the preset’s', wholeNumber(1))
    .option('--iterations <n>', 'products with the Hessian for an eigenvalue at most', wholeNumber(2))
    .addOption(
      new Option('--data <dir>', 'folder of CIFAR-10; without it pictures are generated').env('VRADAM_DATA'),
    )
    .option('--out <dir>', 'folder for sharpness.json, .svg and .png', 'results/sharpness')
    .option('--resume', 'go on with what was interrupted in --out, from its last measurement', false)
    .option('--json', 'print the record as JSON in place of the summary', false)
    .action(sharpness);
}
