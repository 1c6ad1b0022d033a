/** Learning rates on a grid: every try of every optimizer, in one file. */

import { readFile } from 'node:fs/promises';
import { benchmarkError } from '../errors.ts';
import type { OptimizerName, PresetName } from '../tasks/task.ts';

/** Validation losses at one learning rate. */
export interface TuningRow {
  /** What was learnt from. */
  readonly data: string;
  /** Optimizer. */
  readonly optimizer: OptimizerName;
  /** Learning rate. */
  readonly learningRate: number;
  /** Loss by `seed N`; null for what was no number in the end. */
  readonly validationLoss: Readonly<Record<string, number | null>>;
}

/** Contents of a tuning file. */
export interface TuningRecord {
  readonly schema: 'vradam-tuning/1';
  /** Task. */
  readonly task: string;
  /** Size. */
  readonly preset: PresetName;
  /** Epochs of each try. */
  readonly epochs: number;
  /** What the losses are. */
  readonly note: string;
  /** All tries. */
  readonly rows: readonly TuningRow[];
}

/** Which try. */
export type Try = Pick<TuningRow, 'data' | 'optimizer' | 'learningRate'> & { readonly seed: number };

const isSame = (row: TuningRow, { data, optimizer, learningRate }: Try): boolean =>
  row.data === data && row.optimizer === optimizer && row.learningRate === learningRate;

/** Whether a record has a try. */
export function hasTry({ rows }: TuningRecord, one: Try): boolean {
  return rows.some((row) => isSame(row, one) && Object.hasOwn(row.validationLoss, `seed ${one.seed}`));
}

/** The record with a try more, its rows in order of data, optimizer and learning rate. */
export function withTry(record: TuningRecord, one: Try, loss: number | null): TuningRecord {
  const { seed, ...place } = one;
  const known = record.rows.find((row) => isSame(row, one));
  const row: TuningRow = { ...place, validationLoss: { ...known?.validationLoss, [`seed ${seed}`]: loss } };
  const key = ({ data, optimizer }: TuningRow) => `${data} ${optimizer}`;
  const rows = [...record.rows.filter((other) => other !== known), row].sort(
    (a, b) => key(a).localeCompare(key(b), 'en') || a.learningRate - b.learningRate,
  );
  return { ...record, rows };
}

/** The learning rate with the smallest mean loss over the seeds, on one set of data; undefined where no mean is a number. */
export function bestRate({ rows }: TuningRecord, data: string, optimizer: OptimizerName): number | undefined {
  const means = rows
    .filter((row) => row.data === data && row.optimizer === optimizer)
    .map(({ learningRate, validationLoss }) => {
      const losses = Object.values(validationLoss).map((loss) => loss ?? Number.NaN);
      return { learningRate, mean: losses.reduce((a, b) => a + b, 0) / losses.length };
    });
  const numbers = means.filter(({ mean }) => Number.isFinite(mean)).sort((a, b) => a.mean - b.mean);
  return numbers[0]?.learningRate;
}

/**
 * Reads a tuning file of the same task, size and length, to go on with it.
 *
 * @param empty - what it is without any try; returned if there is no such file.
 * @throws VRAdamError ERR_FILE_FORMAT for another kind of file, ERR_STATE_MISMATCH for one of another kind of try.
 */
export async function readTuning(path: string, empty: TuningRecord): Promise<TuningRecord> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return empty;
  const record = parse(path, text);
  const { rows: _, ...wanted } = empty;
  const { rows, ...found } = record;
  if (JSON.stringify(found) === JSON.stringify(wanted)) return record;
  throw benchmarkError('ERR_STATE_MISMATCH', {
    wrong: `${path} must be of ${JSON.stringify(wanted)}`,
    received: JSON.stringify(found),
    action: 'Name another file.',
  });
}

function parse(path: string, text: string): TuningRecord {
  try {
    const record = JSON.parse(text) as TuningRecord;
    const isRow = (row: TuningRow) =>
      typeof row.learningRate === 'number' && typeof row.validationLoss === 'object' && row.validationLoss;
    if (record.schema === 'vradam-tuning/1' && record.rows.every(isRow)) return record;
  } catch {
    // said below
  }
  throw benchmarkError('ERR_FILE_FORMAT', {
    wrong: `${path} must be a tuning file, vradam-tuning/1`,
    received: text.slice(0, 60),
    action: 'Name another file.',
  });
}
