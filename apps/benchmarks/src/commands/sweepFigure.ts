/** `vradam-bench sweep-figure`: all losses of a sweep, in the manner of the paper's Figure 3. */

import { join } from 'node:path';
import type { Command } from 'commander';
import type { CurvePoint, OptimizerCurves, TrialCurves } from '../report/figures/sweepCurves.ts';
import { writeAll } from '../run/files.ts';
import { type MetricsLine, RunFolder } from '../run/records.ts';
import { Study } from '../sweep/study.ts';
import { trialName } from '../sweep/sweep.ts';
import type { OptimizerName } from '../tasks/task.ts';
import { wholeNumber } from './arguments.ts';

interface Flags {
  readonly window: number;
  readonly out?: string;
}

/** Means over `window` steps each, at the last of them. */
export function blockMeans(losses: readonly number[], window: number): CurvePoint[] {
  return Array.from({ length: Math.floor(losses.length / window) }, (_, i) => {
    const block = losses.slice(i * window, (i + 1) * window);
    return { step: (i + 1) * window, loss: block.reduce((a, b) => a + b, 0) / window };
  });
}

const isFinitePoint = ({ loss }: CurvePoint): boolean => Number.isFinite(loss);

function curvesOf(lines: readonly MetricsLine[], window: number, isBest: boolean): TrialCurves {
  const steps = lines.flatMap((line) => (line.kind === 'step' ? [line.loss] : []));
  const epochs = lines.flatMap((line) => (line.kind === 'epoch' ? [line.validationLoss] : []));
  const each = steps.length / epochs.length;
  return {
    train: blockMeans(steps, window).filter(isFinitePoint),
    validation: epochs.map((loss, i) => ({ step: (i + 1) * each, loss })).filter(isFinitePoint),
    isBest,
  };
}

/** All trials of an optimizer that have ended. */
async function readTrials(
  study: Study,
  folder: string,
  optimizer: OptimizerName,
  window: number,
): Promise<Omit<OptimizerCurves, 'look'>> {
  const ended = study.trials(optimizer).flatMap(({ end }) => (end ? [end] : []));
  const objectives = ended.map(({ objective }) => objective ?? Number.POSITIVE_INFINITY);
  const best = Math.min(...objectives);
  const trials: TrialCurves[] = [];
  for (const [i, { trial, state }] of ended.entries()) {
    if (state !== 'complete') continue;
    for (let seed = 0; seed < study.config.seeds; seed++) {
      const name = trialName(optimizer, trial, study.config.seed + seed);
      const lines = await new RunFolder(join(folder, 'trials', name)).readMetrics();
      trials.push(curvesOf(lines, window, objectives[i] === best));
    }
  }
  return { trials, failed: ended.filter(({ state }) => state !== 'complete').length };
}

async function sweepFigure(folder: string, { window, out = folder }: Flags): Promise<void> {
  const study = await Study.read(folder);
  const { task, preset, optimizers, sampler, spaces, trials, seeds, seed } = study.config;
  // what draws is slow to load, and few commands need it
  const { drawSweep } = await import('../report/figures/sweepCurves.ts');
  const { lookOf } = await import('../report/figures/palette.ts');
  const { renderPng } = await import('../report/figures/png.ts');
  const curves: OptimizerCurves[] = [];
  for (const optimizer of optimizers) {
    curves.push({ ...(await readTrials(study, folder, optimizer, window)), look: lookOf(optimizer) });
  }
  const runs = seeds > 1 ? `, ${seeds} seeds each` : `, seed ${seed}`;
  const { svg } = drawSweep(curves, `${trials} trials of each optimizer: ${task}`, [
    `Preset ${preset}${runs}. Settings from the ${spaces} ranges, chosen by the sampler ${sampler}. Every trial that ended with a loss is drawn.`,
    `Training losses are means over ${window} steps. All panels have the same axes; the best trial of each optimizer is thick.`,
  ]);
  await writeAll(out, { 'sweep.svg': svg, 'sweep.png': renderPng(svg) });
  console.log(`Written: ${join(out, 'sweep.{svg,png}')}`);
}

/** Adds the command. */
export function addSweepFigureCommand(program: Command): void {
  program
    .command('sweep-figure')
    .description('draw the losses of all trials of a sweep: how much an optimizer depends on its settings')
    .argument('<dir>', 'folder of the study')
    .option('--window <n>', 'training steps that are averaged to a point', wholeNumber(1), 10)
    .option('--out <dir>', 'folder for sweep.svg and sweep.png (default: that of the study)')
    .action(sweepFigure);
}
