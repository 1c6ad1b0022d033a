/** What following optimizers leaves behind: `sharpness.json`. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { benchmarkError } from '../../errors.ts';
import type { PresetName } from '../task.ts';
import type { EdgePreset } from './presets.ts';
import type { EdgeOptimizer, Trajectory } from './trajectory.ts';

/** What was asked for. */
export interface EdgeConfig {
  readonly preset: PresetName;
  readonly engine: string;
  readonly seed: number;
  readonly optimizers: readonly EdgeOptimizer[];
  /** Every number of the preset, with those that the user gave in their place. */
  readonly sizes: EdgePreset;
}

/** Contents of `sharpness.json`. */
export interface EdgeRecord {
  /** Always `vradam-sharpness/1`. */
  readonly schema: 'vradam-sharpness/1';
  readonly config: EdgeConfig;
  /** Hyper-parameters of every optimizer besides the learning rate. */
  readonly hyperparameters: Readonly<Record<string, object>>;
  /** Elements of all parameters. */
  readonly parameters: number;
  /** Distance of the two gradients that a product is the difference of; null for exact products. */
  readonly hessianStep: number | null;
  /** One plain line saying what data were used. */
  readonly data: string;
  /** Their files. */
  readonly files: readonly object[];
  /** Versions of what it ran on. */
  readonly versions: Readonly<Record<string, string>>;
  /** The machine. */
  readonly hardware: Readonly<Record<string, unknown>>;
  /** Commit of the working tree; null outside of git. */
  readonly commit: string | null;
  /** In the order of the optimizers; those not begun are missing. */
  readonly trajectories: readonly Trajectory[];
}

/** Name of the record in its folder. */
export const recordName = 'sharpness.json';

/** The record as text. */
export const recordText = (record: EdgeRecord): string => `${JSON.stringify(record, null, 1)}\n`;

/**
 * Reads a record to go on with.
 *
 * @param config - what is asked for now.
 * @returns null if there is none.
 * @throws VRAdamError `ERR_FILE_FORMAT` if it cannot be read, `ERR_STATE_VERSION` for one of another version,
 *   `ERR_STATE_MISMATCH` if it answers another question.
 */
export async function readRecord(folder: string, config: EdgeConfig): Promise<EdgeRecord | null> {
  const text = await readFile(join(folder, recordName), 'utf8').catch(() => null);
  if (text === null) return null;
  const where = join(folder, recordName);
  let record: Partial<EdgeRecord> | null;
  try {
    record = JSON.parse(text);
  } catch (cause) {
    const action = 'Name another folder with --out.';
    throw benchmarkError('ERR_FILE_FORMAT', {
      wrong: `${where} is not JSON`,
      received: text.slice(0, 60),
      action,
      cause,
    });
  }
  if (record?.schema !== 'vradam-sharpness/1') {
    throw benchmarkError('ERR_STATE_VERSION', {
      wrong: `${where} must be of schema vradam-sharpness/1`,
      received: record?.schema,
      action: 'Name another folder with --out.',
    });
  }
  if (JSON.stringify(record.config) !== JSON.stringify(config)) {
    throw benchmarkError('ERR_STATE_MISMATCH', {
      wrong: `${where} was made with other options`,
      received: JSON.stringify(record.config),
      action: 'Give the same options, or name another folder with --out.',
    });
  }
  return record as EdgeRecord;
}
