/** How much a task's outcome hangs on the learning rate: every try on a grid, by optimizer. */

import { group, max, mean, min } from 'd3-array';
import type { TuningRecord, TuningRow } from '../../sweep/tuning.ts';
import { optimizerRank, taskRank } from './races.ts';

/** What came of one learning rate. */
export interface RatePoint {
  readonly learningRate: number;
  /** Mean loss over the seeds; NaN if any has none: it is not left out in silence. */
  readonly mean: number;
  /** Smallest loss; NaN if no seed has one. */
  readonly low: number;
  /** Largest loss; NaN if no seed has one. */
  readonly high: number;
  /** Seeds that were tried. */
  readonly tried: number;
  /** Those of them that ended without a loss. */
  readonly failed: number;
}

/** An optimizer on the grid. */
export interface SensitivityCurve {
  readonly optimizer: string;
  /** By ascending learning rate. */
  readonly points: readonly RatePoint[];
}

/** All tries of a task at one size, with one kind of data. */
export interface Sensitivity {
  readonly task: string;
  readonly preset: string;
  /** What was learnt from. */
  readonly data: string;
  /** Epochs of each try. */
  readonly epochs: number;
  /** What the losses are. */
  readonly note: string;
  readonly curves: readonly SensitivityCurve[];
}

const isLoss = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

function pointOf({ learningRate, validationLoss }: TuningRow): RatePoint {
  const all = Object.values(validationLoss);
  const losses = all.filter(isLoss);
  const failed = all.length - losses.length;
  const of = (found: number | undefined) => found ?? Number.NaN;
  return {
    learningRate,
    mean: failed > 0 ? Number.NaN : of(mean(losses)),
    low: of(min(losses)),
    high: of(max(losses)),
    tried: all.length,
    failed,
  };
}

function curveOf(optimizer: string, rows: readonly TuningRow[]): SensitivityCurve {
  const tried = rows.map(pointOf).filter((point) => point.tried > 0);
  return { optimizer, points: tried.sort((a, b) => a.learningRate - b.learningRate) };
}

/** Sorts tuning files by task, in the order of the paper's tables, and by data. */
export function sensitivitiesOf(records: readonly TuningRecord[]): Sensitivity[] {
  const rank = ({ optimizer }: SensitivityCurve) => optimizerRank(optimizer);
  const sorted = [...records].sort((a, b) => taskRank(a.task) - taskRank(b.task));
  return sorted.flatMap(({ task, preset, epochs, note, rows }) =>
    [...group(rows, ({ data }) => data)].map(([data, own]): Sensitivity => {
      const curves = [...group(own, ({ optimizer }) => optimizer)].map(([name, each]) => curveOf(name, each));
      return { task, preset, data, epochs, note, curves: curves.sort((a, b) => rank(a) - rank(b)) };
    }),
  );
}

/** The point of the smallest mean loss; undefined where no mean is a number. */
export function bestPoint({ points }: SensitivityCurve): RatePoint | undefined {
  const known = points.filter(({ mean }) => Number.isFinite(mean));
  return known.reduce<RatePoint | undefined>(
    (best, each) => (best && best.mean <= each.mean ? best : each),
    undefined,
  );
}

/** The learning rates around the best whose mean loss is at most a tenth above it, without a gap. */
export function goodRates(curve: SensitivityCurve): number[] {
  const best = bestPoint(curve);
  if (!best) return [];
  const at = curve.points.indexOf(best);
  const isGood = ({ mean }: RatePoint) => mean <= best.mean + 0.1 * Math.abs(best.mean);
  const firstBad = (points: readonly RatePoint[]) => {
    const found = points.findIndex((point) => !isGood(point));
    return found < 0 ? points.length : found;
  };
  const below = firstBad(curve.points.slice(0, at).reverse());
  const above = firstBad(curve.points.slice(at + 1));
  return curve.points.slice(at - below, at + above + 1).map(({ learningRate }) => learningRate);
}
