/** Files of a trial's runs, on their way from the worker to the study. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { benchmarkError } from '../../errors.ts';
import { writeAll } from '../../run/files.ts';
import { misshapen, type Shape } from '../../run/shape.ts';
import type { TrialOrder } from '../executor.ts';

const names = ['run.json', 'metrics.jsonl'] as const;

type RunFiles = Readonly<Record<(typeof names)[number], string>>;

/** Bytes, compressed, beyond which the lines of single steps stay with the worker: Redis holds all in memory. */
const most = 8 * 2 ** 20;

/** Bytes, uncompressed, that are believed. */
const mostUnpacked = 2 ** 30;

const zip = (files: Readonly<Record<string, RunFiles>>): Promise<Buffer> =>
  promisify(gzip)(JSON.stringify(files));

const withoutSteps = (files: RunFiles): RunFiles => ({
  ...files,
  'metrics.jsonl': files['metrics.jsonl']
    .split('\n')
    .filter((line) => !line.startsWith('{"kind":"step"'))
    .join('\n'),
});

/** A run that was ended early may have no files yet. */
async function filesOf(folder: string): Promise<RunFiles | null> {
  const contents = names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const);
  const files = await Promise.all(contents).catch(() => null);
  return files && (Object.fromEntries(files) as RunFiles);
}

/** What is sent of a trial's runs. */
export interface Parcel {
  readonly bytes: Buffer;
  /** Whether nothing was left out. */
  readonly isWhole: boolean;
}

/**
 * Packs the runs of a trial.
 *
 * @param results - folder in which they lie.
 * @param limit - bytes beyond which the lines of single steps are left out.
 */
export async function packRuns(results: string, { runs }: TrialOrder, limit: number = most): Promise<Parcel> {
  const all: Record<string, RunFiles> = {};
  for (const { name } of runs) {
    const files = await filesOf(join(results, name));
    if (files) all[name] = files;
  }
  const bytes = await zip(all);
  if (bytes.length <= limit) return { bytes, isWhole: true };
  const less = Object.entries(all).map(([name, files]) => [name, withoutSteps(files)] as const);
  return { bytes: await zip(Object.fromEntries(less)), isWhole: false };
}

/**
 * Writes the runs of a trial.
 *
 * @param results - folder in which they are going to lie.
 * @returns what each run says of its data, by its seed.
 * @throws VRAdamError `ERR_FILE_FORMAT` if they are not those of the order, `ERR_FILE_SYSTEM`.
 */
export async function unpackRuns(
  results: string,
  { runs }: TrialOrder,
  bytes: Buffer,
): Promise<Map<number, string>> {
  const data = new Map<number, string>();
  const all = await checked(
    bytes,
    runs.map(({ name }) => name),
  );
  for (const { name, config } of runs) {
    const files = all[name];
    if (!files) continue;
    data.set(config.seed, dataOf(files['run.json']));
    await writeAll(join(results, name), files);
  }
  return data;
}

const unusable = (cause: unknown) =>
  benchmarkError('ERR_FILE_FORMAT', {
    wrong: 'the queue holds files of a trial that are none',
    received: (cause as Error).message,
    action: 'Use a queue or a --queue-prefix that nothing else uses.',
    cause,
  });

function dataOf(record: string): string {
  try {
    return JSON.stringify(JSON.parse(record).data ?? null);
  } catch (cause) {
    throw unusable(cause);
  }
}

async function checked(bytes: Buffer, runs: readonly string[]): Promise<Readonly<Record<string, RunFiles>>> {
  const run: Shape = { fields: Object.fromEntries(names.map((name) => [name, 'string'])) };
  const shape: Shape = { fields: Object.fromEntries(runs.map((name) => [name, { optional: run }])) };
  try {
    const text = await promisify(gunzip)(bytes, { maxOutputLength: mostUnpacked });
    const value: unknown = JSON.parse(text.toString('utf8'));
    const wrong = misshapen(value, shape);
    if (wrong !== null) throw new TypeError(`nothing usable at ${wrong}`);
    return value as Readonly<Record<string, RunFiles>>;
  } catch (cause) {
    throw unusable(cause);
  }
}
