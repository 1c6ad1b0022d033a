/** All losses of a sweep, in the manner of the paper's Figure 3. */

import * as Plot from '@observablehq/plot';
import { logTicks } from './axes.ts';
import { composeFigure, type Panel } from './figure.ts';
import type { OptimizerLook } from './palette.ts';
import { type Drawing, drawPlot } from './plot.ts';

/** A point of a curve. */
export interface CurvePoint {
  /** Steps taken. */
  readonly step: number;
  readonly loss: number;
}

/** Losses of one run of a trial. */
export interface TrialCurves {
  /** Means over some steps each. */
  readonly train: readonly CurvePoint[];
  /** After each epoch. */
  readonly validation: readonly CurvePoint[];
  /** Whether no trial of the same optimizer ended with a smaller validation loss. */
  readonly isBest: boolean;
}

/** All trials of an optimizer. */
export interface OptimizerCurves {
  /** As figures show it. */
  readonly look: OptimizerLook;
  readonly trials: readonly TrialCurves[];
  /** Trials that ended without a loss. */
  readonly failed: number;
}

/** What the axes show. */
interface Extent {
  readonly steps: readonly [number, number];
  readonly losses: readonly [number, number];
}

/** The best one last, over the others. */
function linesOf(
  { trials, look: { color } }: OptimizerCurves,
  which: 'train' | 'validation',
): Plot.Markish[] {
  const ordered = [...trials].sort((a, b) => Number(a.isBest) - Number(b.isBest));
  return ordered.flatMap((trial) => {
    const way = { x: 'step', y: 'loss', clip: true } as const;
    const weight = trial.isBest ? 2.4 : 1.2;
    const stroke = { stroke: color, strokeWidth: weight, strokeOpacity: trial.isBest ? 1 : 0.5 };
    const line = Plot.line(trial[which], { ...way, ...stroke });
    if (which === 'train') return [line];
    return [
      line,
      Plot.dot(trial[which], { ...way, fill: color, fillOpacity: trial.isBest ? 1 : 0.5, r: 2.5 }),
    ];
  });
}

function drawCurves(curves: OptimizerCurves, which: 'train' | 'validation', extent: Extent): Drawing {
  return drawPlot({
    width: 440,
    height: 250,
    marginLeft: 48,
    marginBottom: 40,
    x: { label: 'step', labelAnchor: 'center', domain: [...extent.steps], ticks: 6 },
    y: {
      label: 'loss',
      type: 'log',
      domain: [...extent.losses],
      grid: true,
      ticks: logTicks(...extent.losses),
      tickFormat: '~g',
    },
    marks: linesOf(curves, which),
  });
}

/** From the smallest loss to twenty times of it at most: a curve that runs away leaves the panel at the top. */
function extentOf(all: readonly OptimizerCurves[]): Extent {
  const points = all.flatMap(({ trials }) =>
    trials.flatMap(({ train, validation }) => [...train, ...validation]),
  );
  const losses = points.map(({ loss }) => loss).filter((loss) => loss > 0);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  return {
    steps: [0, 1.02 * Math.max(...points.map(({ step }) => step))],
    losses: [low / 1.1, Math.min(high * 1.05, 20 * low)],
  };
}

/**
 * Draws training and validation losses of all trials, a column for each optimizer, all with the same axes.
 *
 * @param title - of the figure; escaped, as everything is.
 * @param subtitle - what was run.
 */
export function drawSweep(
  all: readonly OptimizerCurves[],
  title: string,
  subtitle: readonly string[],
): Drawing {
  const extent = extentOf(all);
  const columns = all.map((curves): Panel[] => {
    const { name } = curves.look;
    const failed = curves.failed > 0 ? `, ${curves.failed} without a loss` : '';
    return [
      { title: `${name}: training`, drawing: drawCurves(curves, 'train', extent) },
      { title: `${name}: validation${failed}`, drawing: drawCurves(curves, 'validation', extent) },
    ];
  });
  const legend = all.map(
    ({ look: { name, color } }) => ({ label: `${name}, the best trial thick`, color, mark: 'line' }) as const,
  );
  return composeFigure({ title, subtitle, legend, columns });
}
