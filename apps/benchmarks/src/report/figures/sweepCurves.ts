/** All losses of a sweep, in the manner of the paper's Figure 3. */

import * as Plot from '@observablehq/plot';
import { median } from 'd3-array';
import { tickText } from '../format.ts';
import type { ReportPanel } from '../panels.ts';
import { logTicks } from './axes.ts';
import { type OptimizerLook, palette } from './palette.ts';
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
  const ticks = logTicks(...extent.losses);
  return drawPlot({
    ...{ width: 360, height: 232, marginTop: 10, marginBottom: 34, marginLeft: 46, marginRight: 14 },
    ariaLabel: `${which === 'train' ? 'Training' : 'Validation'} losses of all trials of ${curves.look.name}.`,
    x: {
      label: 'training step',
      labelAnchor: 'center',
      labelArrow: 'none',
      domain: [...extent.steps],
      ticks: 5,
      tickSize: 4,
    },
    y: {
      label: null,
      type: 'log',
      domain: [...extent.losses],
      ticks,
      tickFormat: tickText,
      tickSize: 0,
    },
    marks: [
      Plot.gridY(ticks, { stroke: palette.line, strokeOpacity: 0.7, strokeWidth: 0.8 }),
      ...linesOf(curves, which),
    ],
  });
}

/**
 * From the smallest loss to a little above where training begins, or any trial ends, but twenty times the smallest at most: a
 * curve that runs away leaves the panel at the top.
 */
function extentOf(all: readonly OptimizerCurves[]): Extent {
  const trials = all.flatMap((each) => each.trials);
  const points = trials.flatMap(({ train, validation }) => [...train, ...validation]);
  const losses = points.map(({ loss }) => loss).filter((loss) => loss > 0);
  const begins = trials.flatMap(({ train }) => train.slice(0, 1)).map(({ loss }) => loss);
  const ends = trials.flatMap(({ validation }) => validation.slice(-1)).map(({ loss }) => loss);
  const low = Math.min(...losses);
  const high = Math.max(1.25 * (median(begins) ?? low), 1.05 * Math.max(low, ...ends));
  return {
    steps: [0, 1.02 * Math.max(...points.map(({ step }) => step))],
    losses: [low / 1.1, Math.min(high, 20 * low)],
  };
}

/** Draws training and validation losses of all trials: two panels for each optimizer, all with the same axes. */
export function drawSweepCurves(all: readonly OptimizerCurves[]): ReportPanel[][] {
  const drawn = all.filter(({ trials }) => trials.some(({ train }) => train.length > 0));
  if (drawn.length === 0) return [];
  const extent = extentOf(drawn);
  return drawn.map((curves) => {
    const { name } = curves.look;
    const detail = curves.failed > 0 ? `${curves.failed} without a loss` : '';
    return [
      { title: `${name}: training`, detail, drawing: drawCurves(curves, 'train', extent) },
      { title: `${name}: validation`, detail, drawing: drawCurves(curves, 'validation', extent) },
    ];
  });
}
