/** Tables are made from the files of a run, never from memory. */

import type { EpochLine, Metrics, MetricsLine, RunFolder, RunRecord, StepLine } from '../run/records.ts';
import type { OptimizerName } from '../tasks/task.ts';
import { metricName } from './words.ts';

/** One row of a table: what an optimizer reached. Numbers that were not reached are NaN. */
export interface SummaryRow {
  readonly optimizer: OptimizerName;
  /** Peak learning rate. */
  readonly learningRate: number;
  /** Last epoch's mean of batch losses. */
  readonly trainLoss: number;
  readonly validationLoss: number;
  /** Null where nothing can be right or wrong. */
  readonly validationAccuracy: number | null;
  readonly testLoss: number;
  /** Null where nothing can be right or wrong. */
  readonly testAccuracy: number | null;
  /** What else the task tells of its test examples. */
  readonly metrics: Metrics;
  /** Median wall time of a step, in milliseconds. */
  readonly stepMs: number;
  /** Median part of it that the optimizer took, in milliseconds; null if it was not apart. */
  readonly optimizerMs: number | null;
  /** Smallest and largest effective learning rate over all steps. */
  readonly rates: readonly [low: number, high: number];
  /** Why it could not go on; null if it could. */
  readonly failure: string | null;
}

/** A run with its rows. */
export interface Summary {
  readonly record: RunRecord;
  readonly rows: readonly SummaryRow[];
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** The median of parts that were measured; null if none was, as where a step is one run of one graph. */
function medianOfParts(parts: readonly (number | null)[]): number | null {
  const measured = parts.filter((part) => part !== null);
  return measured.length > 0 || parts.length === 0 ? median(measured) : null;
}

const extent = (values: readonly number[]): readonly [number, number] =>
  values.length > 0 ? [Math.min(...values), Math.max(...values)] : [Number.NaN, Number.NaN];

function rowOf(record: RunRecord, optimizer: OptimizerName, lines: readonly MetricsLine[]): SummaryRow {
  const own = lines.filter((line) => line.optimizer === optimizer);
  const steps = own.filter((line): line is StepLine => line.kind === 'step');
  const last = own.filter((line): line is EpochLine => line.kind === 'epoch').at(-1);
  const final = own.find((line) => line.kind === 'final');
  const failure = own.find((line) => line.kind === 'failure');
  const reached = failure ? undefined : last;
  return {
    optimizer,
    learningRate: Number(record.optimizers[optimizer]?.['learningRate']),
    trainLoss: reached?.trainLoss ?? Number.NaN,
    validationLoss: reached?.validationLoss ?? Number.NaN,
    validationAccuracy: reached ? reached.validationAccuracy : Number.NaN,
    testLoss: final?.testLoss ?? Number.NaN,
    testAccuracy: final ? final.testAccuracy : Number.NaN,
    metrics: final?.metrics ?? {},
    stepMs: median(steps.map(({ stepMs }) => stepMs)),
    optimizerMs: medianOfParts(steps.map(({ optimizerMs }) => optimizerMs)),
    rates: extent(steps.map(({ effectiveLearningRate }) => effectiveLearningRate)),
    failure: failure?.reason ?? null,
  };
}

/** Summarizes a run from its files. */
export async function summarizeRun(folder: RunFolder): Promise<Summary> {
  const record = await folder.readRecord();
  const lines = await folder.readMetrics();
  return { record, rows: record.config.optimizers.map((optimizer) => rowOf(record, optimizer, lines)) };
}

const number = (value: number, digits: number): string =>
  Number.isNaN(value) ? 'NaN' : value.toFixed(digits);
const percent = (value: number | null): string => {
  if (value === null) return '-';
  return Number.isNaN(value) ? 'NaN' : `${(100 * value).toFixed(1)} %`;
};
const rate = (value: number): string => (Number.isNaN(value) ? 'NaN' : String(Number(value.toPrecision(2))));

/** The test examples' metrics, what was had without learning, and where losses are nats a token the perplexities, a line each. */
export function notes({ record, rows }: Summary): string[] {
  const { baselines = [], perplexity = false } = record;
  const names = Object.keys(Object.assign({}, ...rows.map(({ metrics }) => metrics)));
  const lines = [
    ...baselines.map(
      ({ name, validationLoss, testLoss }) =>
        `Without learning, ${name}: val loss ${number(validationLoss, 3)}, test loss ${number(testLoss, 3)}`,
    ),
    ...names.map((name) => {
      const each = rows.map(
        ({ optimizer, metrics }) => `${optimizer} ${number(metrics[name] ?? Number.NaN, 2)}`,
      );
      return `Test ${metricName(name)}: ${each.join(', ')}`;
    }),
  ];
  if (!perplexity) return lines;
  const losses = [...rows.map(({ optimizer, testLoss }) => ({ name: optimizer, testLoss })), ...baselines];
  const each = losses.map(({ name, testLoss }) => `${name} ${number(Math.exp(testLoss), 1)}`);
  return [...lines, `Test perplexity: ${each.join(', ')}`];
}

/** Headings of {@link cells}. */
export const headings: readonly string[] = [
  'optimizer',
  'learning rate',
  'train loss',
  'val loss',
  'test loss',
  'val acc',
  'test acc',
  'ms/step',
  'optimizer ms/step',
  'effective learning rate',
];

/** The cells of a row, as text. */
export function cells(row: SummaryRow): string[] {
  return [
    row.optimizer,
    rate(row.learningRate),
    number(row.trainLoss, 3),
    number(row.validationLoss, 3),
    number(row.testLoss, 3),
    percent(row.validationAccuracy),
    percent(row.testAccuracy),
    number(row.stepMs, 0),
    row.optimizerMs === null ? '-' : number(row.optimizerMs, 1),
    row.rates.map(rate).join(' .. '),
  ];
}
