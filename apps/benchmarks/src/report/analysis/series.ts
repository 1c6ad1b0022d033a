/** The runs of one optimizer over the seeds, as numbers a report shows. */

import { max, mean, min, sum } from 'd3-array';
import type { EpochLine, FailureLine, FinalLine, MetricsLine, StepLine } from '../../run/records.ts';
import { median } from '../summary.ts';

/** What one optimizer did with one seed. */
export interface SeedRun {
  readonly seed: number;
  readonly steps: readonly StepLine[];
  readonly epochs: readonly EpochLine[];
  readonly final: FinalLine | null;
  readonly failure: FailureLine | null;
}

/** A point of a curve. */
export interface Point {
  /** Training steps taken. */
  readonly step: number;
  /** Mean over the seeds. */
  readonly mean: number;
  /** Smallest of the seeds. */
  readonly low: number;
  /** Largest of the seeds. */
  readonly high: number;
}

/** Splits the lines of a run by optimizer. */
export function seedRun(seed: number, optimizer: string, lines: readonly MetricsLine[]): SeedRun {
  const own = lines.filter((line) => line.optimizer === optimizer);
  return {
    seed,
    steps: own.filter((line): line is StepLine => line.kind === 'step'),
    epochs: own.filter((line): line is EpochLine => line.kind === 'epoch'),
    final: own.find((line): line is FinalLine => line.kind === 'final') ?? null,
    failure: own.find((line): line is FailureLine => line.kind === 'failure') ?? null,
  };
}

const ordinary = new Set(['epoch', 'step', 'trainLoss', 'validationLoss', 'validationAccuracy', 'testLoss']);

/**
 * Numbers of a line that a task adds of its own, as a reward: by name, one level deep.
 *
 * @param line - of an epoch or at the end.
 */
export function extraMetrics(line: EpochLine | FinalLine): ReadonlyMap<string, number> {
  const flat = Object.entries(line).flatMap(([name, value]): [string, unknown][] =>
    typeof value === 'object' && value !== null ? Object.entries(value) : [[name, value]],
  );
  const known = (name: string) => ordinary.has(name) || name === 'testAccuracy';
  return new Map(
    flat.filter((entry): entry is [string, number] => !known(entry[0]) && typeof entry[1] === 'number'),
  );
}

/** Steps taken until the end of each epoch. */
const stepsAt = ({ steps }: SeedRun, { epoch }: EpochLine): number =>
  (max(steps, (step) => (step.epoch <= epoch ? step.step : -1)) ?? -1) + 1;

const pointOf = (step: number, values: readonly number[]): Point => {
  return { step, mean: mean(values) as number, low: min(values) as number, high: max(values) as number };
};

/**
 * A curve by epoch. It ends where the first seed ends, so that those that failed do not vanish from the mean.
 *
 * @param read - the number of an epoch; undefined where it has none.
 */
export function epochCurve(runs: readonly SeedRun[], read: (line: EpochLine) => number | undefined): Point[] {
  const length = min(runs, ({ epochs }) => epochs.length) ?? 0;
  return Array.from({ length }, (_, i) => i).flatMap((i) => {
    const values = runs.map(({ epochs }) => read(epochs[i] as EpochLine));
    const known = values.filter((value): value is number => Number.isFinite(value));
    const [first] = runs as [SeedRun];
    return known.length === runs.length ? [pointOf(stepsAt(first, first.epochs[i] as EpochLine), known)] : [];
  });
}

/** Points of a curve by step at most. */
const bins = 60;

/**
 * A curve by step: means of equally long stretches, at most 60. It ends where the first seed ends.
 *
 * @param read - the number of a step; null where it has none.
 */
export function stepCurve(runs: readonly SeedRun[], read: (line: StepLine) => number | null): Point[] {
  const longest = max(runs, ({ steps }) => steps.length) ?? 0;
  const shortest = min(runs, ({ steps }) => steps.length) ?? 0;
  const width = Math.max(1, Math.ceil(longest / bins));
  return Array.from({ length: Math.ceil(shortest / width) }, (_, i) => i).flatMap((i) => {
    const [begin, end] = [i * width, Math.min((i + 1) * width, shortest)];
    const means = runs.map(({ steps }) => mean(steps.slice(begin, end), read));
    const known = means.filter((value): value is number => Number.isFinite(value));
    return known.length === runs.length ? [pointOf((begin + end) / 2, known)] : [];
  });
}

/** When a run first got to a loss. */
export interface Reached {
  readonly seed: number;
  /** Training steps taken; infinite if it never did. */
  readonly steps: number;
  /** Seconds of training, evaluation left out; infinite if it never did. */
  readonly seconds: number;
}

/** The end of the first epoch whose validation loss is at most the target. */
export function reachedAt(run: SeedRun, target: number): Reached {
  const epoch = run.epochs.find(({ validationLoss }) => validationLoss <= target);
  if (!epoch) {
    return { seed: run.seed, steps: Number.POSITIVE_INFINITY, seconds: Number.POSITIVE_INFINITY };
  }
  const steps = stepsAt(run, epoch);
  const seconds = sum(run.steps.slice(0, steps), ({ stepMs }) => stepMs) / 1000;
  return { seed: run.seed, steps, seconds };
}

/** The best validation loss of a run; infinite if it has none. */
const bestValidationLoss = ({ epochs }: SeedRun): number =>
  min(epochs, ({ validationLoss }) => (Number.isNaN(validationLoss) ? undefined : validationLoss)) ??
  Number.POSITIVE_INFINITY;

/**
 * The loss that counts as arrived: the median over a contender's seeds of its best validation loss, so that it is
 * nobody's luckiest run; null if that is not finite.
 */
export function targetOf(runs: readonly SeedRun[]): number | null {
  const target = median(runs.map(bestValidationLoss));
  return Number.isFinite(target) ? target : null;
}
