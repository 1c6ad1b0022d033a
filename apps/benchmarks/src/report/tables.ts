/** The tables of a report, as texts: the page and the Markdown file show the same. */

import type { DiagnosticsRecord, StepCosts } from './analysis/collect.ts';
import type { Contender, Race } from './analysis/races.ts';
import { bestPoint, goodRates, type RatePoint, type Sensitivity } from './analysis/sensitivity.ts';
import { medianSteps, profilesOf } from './analysis/summary.ts';
import { lookOf } from './figures/palette.ts';
import { estimateText, intervalText, millisecondsText, numberText, percentText, rateText } from './format.ts';
import { metricName, nameOf, raceNames, reachedText } from './words.ts';

/** A cell. */
export interface Cell {
  readonly text: string;
  /** Whether it is the best of its column. Default false. */
  readonly best?: boolean;
  /** Whether it is published, and not ours. Default false. */
  readonly paper?: boolean;
  /** Whether it is words, which begin on the left. Default false: a number. */
  readonly words?: boolean;
  /** An optimizer, whose colour stands beside the text. */
  readonly optimizer?: string;
}

/** A table. */
export interface ReportTable {
  readonly heads: readonly Cell[];
  readonly rows: readonly (readonly Cell[])[];
}

interface Column {
  readonly head: string;
  readonly text: (contender: Contender) => string;
  /** The number by which the least is best; undefined where none is. */
  readonly rank?: (contender: Contender) => number;
  readonly paper?: boolean;
}

const meanOf =
  (metric: string) =>
  (contender: Contender): number =>
    contender.metrics[metric]?.mean ?? Number.NaN;

const isShare = (metric: string): boolean => metric.endsWith('Accuracy');

/** Metrics that some contender has, beyond the three losses: accuracies, then those of the task's own. */
function otherMetrics({ contenders }: Race): string[] {
  const all = [...new Set(contenders.flatMap(({ metrics }) => Object.keys(metrics)))];
  return all.filter((name) => !['trainLoss', 'validationLoss', 'testLoss'].includes(name));
}

function tableOf({ contenders }: Race, columns: readonly Column[]): ReportTable {
  const best = columns.map(({ rank }) => {
    const values = rank ? contenders.map(rank).filter(Number.isFinite) : [];
    return values.length > 1 ? Math.min(...values) : Number.NaN;
  });
  const first = (contender: Contender): Cell => ({ text: nameOf(contender), optimizer: contender.optimizer });
  const cellOf =
    (contender: Contender) =>
    (column: Column, i: number): Cell => ({
      text: column.text(contender),
      best: column.rank?.(contender) === best[i],
      paper: column.paper ?? false,
    });
  return {
    heads: [{ text: 'optimizer' }, ...columns.map(({ head, paper = false }) => ({ text: head, paper }))],
    rows: contenders.map((contender) => [first(contender), ...columns.map(cellOf(contender))]),
  };
}

function paperColumns({ published }: Race): Column[] {
  if (!published) return [];
  const row = (contender: Contender) =>
    published.rows.find(({ optimizer }) => optimizer === contender.optimizer);
  const { table } = published;
  return [
    { head: `${table}: val`, paper: true, text: (each) => row(each)?.printed.validationLoss ?? '–' },
    { head: `${table}: test`, paper: true, text: (each) => row(each)?.printed.testLoss ?? '–' },
  ];
}

/** What each contender reached, next to what was published. */
export function resultsTable(race: Race): ReportTable {
  const loss = (metric: string): Column => ({
    head: metricName(metric),
    text: ({ metrics }) => estimateText(metrics[metric]),
    rank: meanOf(metric),
  });
  const other = (metric: string): Column => ({
    head: metricName(metric),
    text: ({ metrics }) => estimateText(metrics[metric], isShare(metric) ? percentText : numberText),
  });
  const several = race.contenders.some(({ metrics }) => metrics['testLoss']?.interval);
  const interval: Column = {
    head: 'test loss, 95 %',
    text: ({ metrics }) => intervalText(metrics['testLoss']),
  };
  return tableOf(race, [
    loss('validationLoss'),
    loss('testLoss'),
    ...paperColumns(race),
    ...(several ? [interval] : []),
    loss('trainLoss'),
    ...otherMetrics(race).map(other),
    { head: 'learning rate', text: ({ learningRate }) => rateText(learningRate) },
  ]);
}

/** How soon the target was reached, and what a step costs. */
export function speedTable(race: Race): ReportTable {
  const apart = race.contenders.some(({ optimizerMs }) => optimizerMs !== null);
  const optimizer: Column = {
    head: 'of it the optimizer',
    text: ({ optimizerMs }) => (optimizerMs === null ? '–' : millisecondsText(optimizerMs)),
  };
  return tableOf(race, [
    { head: 'steps to target', text: (each) => reachedText(each, 'steps'), rank: medianSteps },
    { head: 'training time to target', text: (each) => reachedText(each, 'seconds') },
    { head: 'ms a step', text: ({ stepMs }) => millisecondsText(stepMs) },
    ...(apart ? [optimizer] : []),
  ]);
}

/** All races at a glance: mean test losses, and how often each was within reach of the fastest. */
export function overviewTable(races: readonly Race[]): ReportTable {
  const names = [...new Set(races.flatMap(({ contenders }) => contenders.map(({ optimizer }) => optimizer)))];
  const profiles = new Map(profilesOf(races).map(({ name, score }) => [name, score]));
  const columns = races.map((race) => {
    const column = resultsTable(race);
    const at = column.heads.findIndex(({ text }) => text === metricName('testLoss'));
    return new Map(column.rows.map((row, i) => [race.contenders[i]?.optimizer, row[at]]));
  });
  const score = (name: string) => profiles.get(name)?.toFixed(2) ?? '–';
  const tasks = raceNames(races).map((text) => ({ text }));
  return {
    heads: [{ text: 'optimizer' }, ...tasks, { text: 'profile score' }],
    rows: names.map((optimizer) => [
      { text: lookOf(optimizer).name, optimizer },
      ...columns.map((column) => column.get(optimizer) ?? { text: '–' }),
      { text: score(optimizer) },
    ]),
  };
}

const million = (count: number): string =>
  count >= 1e6 ? `${count / 1e6} million` : count.toLocaleString('en');

/** What a step of an optimizer costs by itself, for each size: milliseconds, and by the hand-written loop. */
export function stepTable({ results }: StepCosts): ReportTable {
  const sizeOf = ({ tensors, elements }: StepCosts['results'][number]) => `${million(elements)} × ${tensors}`;
  const sizes = [...new Set(results.map(sizeOf))];
  const names = [...new Set(results.map(({ name }) => name))];
  const cellsOf = (name: string, size: string): Cell[] => {
    const found = results.find((result) => result.name === name && sizeOf(result) === size);
    return [{ text: found ? found.ms.toFixed(2) : '–' }, { text: found ? found.ratio.toFixed(2) : '–' }];
  };
  return {
    heads: [{ text: 'step' }, ...sizes.flatMap((size) => [{ text: `${size}: ms` }, { text: 'ratio' }])],
    rows: names.map((name) => [{ text: name }, ...sizes.flatMap((size) => cellsOf(name, size))]),
  };
}

/** A problem of the diagnostics with what each optimizer did. */
export interface DiagnosticsRow {
  readonly name: string;
  readonly asks: string;
  /** Learning rates that passed, for each optimizer. */
  readonly passed: readonly number[];
}

/** The diagnostics as rows. */
export function diagnosticsRows({ problems, cells }: DiagnosticsRecord): {
  readonly optimizers: readonly string[];
  readonly rows: readonly DiagnosticsRow[];
} {
  const optimizers = [...new Set(cells.map(({ optimizer }) => optimizer))];
  const passed = (problem: string, optimizer: string) =>
    cells.find((cell) => cell.problem === problem && cell.optimizer === optimizer)?.passedRates ?? 0;
  const rows = problems.map(({ name, asks }) => {
    return { name, asks, passed: optimizers.map((optimizer) => passed(name, optimizer)) };
  });
  return { optimizers, rows };
}

function rateCell(point: RatePoint | undefined, best: RatePoint | undefined): Cell {
  if (!point) return { text: '–' };
  const { mean, failed, tried } = point;
  const failure = tried > 1 ? `NaN (${failed} of ${tried})` : 'NaN';
  return { text: failed > 0 ? failure : numberText(mean), best: point === best };
}

/** Mean losses on a grid of learning rates, and how wide the way to the best of each optimizer is. */
export function sensitivityTable({ curves }: Sensitivity): ReportTable {
  const all = curves.flatMap(({ points }) => points.map(({ learningRate }) => learningRate));
  const rates = [...new Set(all)].sort((a, b) => a - b);
  const range = (good: readonly number[]) =>
    [...new Set([good[0], good.at(-1)])].filter((rate) => rate !== undefined);
  return {
    heads: [
      { text: 'optimizer' },
      ...rates.map((rate) => ({ text: rateText(rate) })),
      { text: 'rates within 10 % of its best' },
    ],
    rows: curves.map((curve) => [
      { text: lookOf(curve.optimizer).name, optimizer: curve.optimizer },
      ...rates.map((rate) =>
        rateCell(
          curve.points.find(({ learningRate }) => learningRate === rate),
          bestPoint(curve),
        ),
      ),
      { text: range(goodRates(curve)).map(rateText).join(' … ') || '–' },
    ]),
  };
}
