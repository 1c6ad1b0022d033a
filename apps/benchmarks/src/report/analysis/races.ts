/** Races: runs that differ in seed and optimizer only, side by side. */

import { group, median } from 'd3-array';
import type { RunRecord } from '../../run/records.ts';
import { optimizerNames } from '../../tasks/task.ts';
import type { CollectedRun } from './collect.ts';
import { type PublishedTable, published } from './published.ts';
import {
  epochCurve,
  extraMetrics,
  type Point,
  type Reached,
  reachedAt,
  type SeedRun,
  seedRun,
  stepCurve,
  targetOf,
} from './series.ts';
import { type Estimate, estimate, type PairedDifference, pairedDifference } from './statistics.ts';

/** A seed that could not go on. */
export interface Failure {
  readonly seed: number;
  readonly step: number;
  readonly reason: string;
}

/** An optimizer with its options, over all seeds. */
export interface Contender {
  /** The optimizer; with its learning rate, where it raced with several. */
  readonly label: string;
  readonly optimizer: string;
  readonly learningRate: number;
  readonly options: Readonly<Record<string, unknown>>;
  /** Seeds that came to an end, in order. */
  readonly seeds: readonly number[];
  /** Seeds that are still running, or were interrupted. */
  readonly unfinished: readonly number[];
  readonly failures: readonly Failure[];
  /** Estimates over the seeds, by metric; none for a metric that no seed has. */
  readonly metrics: Readonly<Record<string, Estimate>>;
  /** Curves over the training steps, by quantity; none for one that no seed has. */
  readonly curves: Readonly<Record<string, readonly Point[]>>;
  /** When each seed got to the target; null if there is none. */
  readonly reached: readonly Reached[] | null;
  /** Median wall time of a step, in milliseconds. */
  readonly stepMs: number;
  /** Median part of it that the optimizer took; null where a step is one run of one graph. */
  readonly optimizerMs: number | null;
  /** Seed by seed against VRAdam on the test loss; null for VRAdam, and where there is none. */
  readonly againstVradam: PairedDifference | null;
}

/** Runs that may be compared. */
export interface Race {
  /** Different for each race of a report; a plain word for links. */
  readonly id: string;
  /** Record of the first run: all others differ from it in name, seed, time and optimizers only. */
  readonly record: RunRecord;
  /** Seeds, ascending. */
  readonly seeds: readonly number[];
  readonly contenders: readonly Contender[];
  /** Validation loss that counts as arrived, from AdamW's seeds; null without AdamW. */
  readonly target: number | null;
  readonly published: PublishedTable | null;
  /** Names of the runs that are in it. */
  readonly runs: readonly string[];
  /** Names of runs left out, since another run has the same seed and options. */
  readonly duplicates: readonly string[];
}

/** What must be equal for two runs to be in one race. */
function keyOf({ config, taskConfig, data }: RunRecord): string {
  // the brake is among the options that contenders are told apart by
  const { seed: _, optimizers: __, brake: ___, ...asked } = config;
  const { learningRates: ____, learningRateSource: _____, ...sizes } = taskConfig;
  return JSON.stringify([asked, sizes, data['name'], data['synthetic'], data['counts'], data['tokenizer']]);
}

interface Entry {
  readonly run: CollectedRun;
  readonly optimizer: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Place of an optimizer in every table; those that are not known come last. */
export const optimizerRank = (optimizer: string): number => {
  const at = (optimizerNames as readonly string[]).indexOf(optimizer);
  return at < 0 ? optimizerNames.length : at;
};

/** Named numbers of a seed. */
function metricsOf({ epochs, final }: SeedRun): ReadonlyMap<string, number | undefined> {
  const last = epochs.at(-1);
  const extras = [...(last ? extraMetrics(last) : []), ...(final ? extraMetrics(final) : [])];
  return new Map<string, number | undefined>([
    ['trainLoss', last?.trainLoss],
    ['validationLoss', last?.validationLoss],
    ['testLoss', final?.testLoss],
    ['validationAccuracy', last?.validationAccuracy ?? undefined],
    ['testAccuracy', final?.testAccuracy ?? undefined],
    ...extras,
  ]);
}

/** Estimates of all metrics; a seed that failed is NaN in each. */
function estimates(runs: readonly SeedRun[]): Record<string, Estimate> {
  const bySeed = runs.map((run) => ({ run, metrics: metricsOf(run) }));
  const names = new Set(bySeed.flatMap(({ metrics }) => [...metrics.keys()]));
  const known = [...names].map((name): [string, readonly number[]] => {
    const values = bySeed.map(({ run, metrics }) => (run.failure ? Number.NaN : metrics.get(name)));
    return [name, values.map((value) => value ?? Number.NaN)];
  });
  const losses = (name: string) => name.endsWith('Loss');
  const told = known.filter(([name, values]) => losses(name) || values.some((value) => !Number.isNaN(value)));
  return Object.fromEntries(told.map(([name, values]) => [name, estimate(values)]));
}

/** All curves that have a point. */
function curvesOf(runs: readonly SeedRun[]): Record<string, readonly Point[]> {
  const extras = new Set(
    runs.flatMap(({ epochs }) => epochs.flatMap((line) => [...extraMetrics(line).keys()])),
  );
  const all: [string, readonly Point[]][] = [
    ['trainLoss', stepCurve(runs, ({ loss }) => loss)],
    ['validationLoss', epochCurve(runs, ({ validationLoss }) => validationLoss)],
    ['validationAccuracy', epochCurve(runs, ({ validationAccuracy }) => validationAccuracy ?? undefined)],
    ['effectiveLearningRate', stepCurve(runs, ({ effectiveLearningRate }) => effectiveLearningRate)],
    ['norm', stepCurve(runs, ({ norm }) => norm)],
    ...[...extras].map((name): [string, Point[]] => [
      name,
      epochCurve(runs, (line) => extraMetrics(line).get(name)),
    ]),
  ];
  return Object.fromEntries(all.filter(([, points]) => points.length > 0));
}

function contenderOf(
  label: string,
  entries: readonly Entry[],
): Omit<Contender, 'reached' | 'againstVradam'> & {
  readonly all: readonly SeedRun[];
} {
  const [{ optimizer, options }] = entries as [Entry];
  const all = entries
    .map(({ run }) => seedRun(run.record.config.seed, optimizer, run.lines))
    .sort((a, b) => a.seed - b.seed);
  const ended = all.filter(({ final, failure }) => final || failure);
  const steps = all.flatMap((run) => run.steps);
  return {
    label,
    optimizer,
    learningRate: Number(options['learningRate']),
    options,
    seeds: ended.map(({ seed }) => seed),
    unfinished: all.filter((run) => !ended.includes(run)).map(({ seed }) => seed),
    failures: all.flatMap(({ seed, failure }) =>
      failure ? [{ seed, step: failure.step, reason: failure.reason }] : [],
    ),
    metrics: estimates(ended),
    curves: curvesOf(all.filter(({ steps }) => steps.length > 0)),
    stepMs: median(steps, ({ stepMs }) => stepMs) ?? Number.NaN,
    optimizerMs: median(steps, ({ optimizerMs }) => optimizerMs) ?? null,
    all: ended,
  };
}

const testLosses = ({ seeds, metrics }: Pick<Contender, 'seeds' | 'metrics'>): Map<number, number> =>
  new Map(seeds.map((seed, i) => [seed, metrics['testLoss']?.values[i] ?? Number.NaN]));

/** Keeps the first run of each seed; the others must have measured the same. */
function firstOfEachSeed(entries: readonly Entry[]): { kept: Entry[]; dropped: string[] } {
  const bySeed = [...group(entries, ({ run }) => run.record.config.seed).values()];
  const finished = ({ run }: Entry) => (run.record.status === 'completed' ? 0 : 1);
  const sorted = bySeed.map((own) => [...own].sort((a, b) => finished(a) - finished(b)));
  return {
    kept: sorted.map(([first]) => first as Entry),
    dropped: sorted.flatMap((own) => own.slice(1).map(({ run }) => run.record.name)),
  };
}

function raceOf(runs: readonly CollectedRun[], id: string): Race {
  const entries = runs.flatMap((run) =>
    run.record.config.optimizers.map((optimizer): Entry => {
      return { run, optimizer, options: run.record.optimizers[optimizer] ?? {} };
    }),
  );
  const groups = [...group(entries, (entry) => JSON.stringify([entry.optimizer, entry.options])).values()];
  const chosen = groups.map(firstOfEachSeed);
  const many = (name: string) => groups.filter((own) => own[0]?.optimizer === name).length > 1;
  const contenders = chosen
    .map(({ kept }) => {
      const [{ optimizer, options }] = kept as [Entry];
      const label = many(optimizer) ? `${optimizer}, rate ${options['learningRate']}` : optimizer;
      return contenderOf(label, kept);
    })
    .sort(
      (a, b) => optimizerRank(a.optimizer) - optimizerRank(b.optimizer) || a.learningRate - b.learningRate,
    );
  const rival = contenders.find(({ optimizer }) => optimizer === 'adamw');
  const ours = contenders.find(({ optimizer }) => optimizer === 'vradam');
  const target = rival ? targetOf(rival.all) : null;
  const [{ record }] = runs as [CollectedRun];
  return {
    id,
    record,
    seeds: [...new Set(runs.map((run) => run.record.config.seed))].sort((a, b) => a - b),
    contenders: contenders.map(({ all, ...contender }) => ({
      ...contender,
      reached: target === null ? null : all.map((run) => reachedAt(run, target)),
      againstVradam:
        !ours || contender.label === ours.label
          ? null
          : pairedDifference(testLosses(ours), testLosses(contender)),
    })),
    target,
    published: published[record.config.task] ?? null,
    runs: runs.map((run) => run.record.name),
    duplicates: [...new Set(chosen.flatMap(({ dropped }) => dropped))],
  };
}

/** Place of a task in a report: in the order of the paper's tables, others last. */
export function taskRank(task: string): number {
  const order = Object.keys(published);
  const at = order.indexOf(task);
  return at < 0 ? order.length : at;
}

/** Sorts runs into races, in the order of the paper's tables; other tasks come last. */
export function racesOf(runs: readonly CollectedRun[]): Race[] {
  const byKey = group(runs, ({ record }) => keyOf(record));
  const place = ([first]: readonly CollectedRun[]) => taskRank(first?.record.config.task ?? '');
  const sorted = [...byKey.values()].sort((a, b) => place(a) - place(b));
  return sorted.map((own, i) => raceOf(own, `race-${i + 1}`));
}
