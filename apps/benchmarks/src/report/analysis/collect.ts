/** Finds everything under some folders that a report can tell of. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { benchmarkError, fileSystemError } from '../../errors.ts';
import { type MetricsLine, RunFolder, type RunRecord } from '../../run/records.ts';
import { diagnosticsShape, misshapen, type Shape, stepShape, tuningShape } from '../../run/shape.ts';
import type { StepResult } from '../../step/measure.ts';
import { studyName } from '../../sweep/study.ts';
import type { TuningRecord } from '../../sweep/tuning.ts';
import type { Cell } from '../../tasks/diagnostics/race.ts';
import type { EdgeRecord } from '../../tasks/edgeOfStability/record.ts';
import type { Portrait } from '../../tasks/phasePortrait/portrait.ts';
import { readSweep, type SweepRecord } from '../sweep/record.ts';

/** A run with all its lines. */
export interface CollectedRun {
  /** Its folder. */
  readonly path: string;
  readonly record: RunRecord;
  readonly lines: readonly MetricsLine[];
  /** The last picture that each optimizer left; few tasks leave any. */
  readonly pictures: readonly RunPicture[];
}

/** What a model drew. */
export interface RunPicture {
  readonly optimizer: string;
  /** Epochs that it had learnt for. */
  readonly epochs: number;
  /** A PNG file. */
  readonly png: Uint8Array;
}

/** Contents of a `diagnostics.json`. */
export interface DiagnosticsRecord {
  readonly schema: 'vradam-diagnostics/1';
  readonly seeds: readonly number[];
  readonly learningRates: readonly number[];
  readonly problems: readonly { readonly name: string; readonly asks: string }[];
  readonly cells: readonly Cell[];
}

/** All that was found. */
export interface Collection {
  readonly runs: readonly CollectedRun[];
  readonly diagnostics: readonly DiagnosticsRecord[];
  readonly portraits: readonly Portrait[];
  readonly edges: readonly EdgeRecord[];
  readonly steps: readonly StepCosts[];
  /** Learning rates on grids: those in the folders, and those beside them of tasks that have runs there. */
  readonly tunings: readonly TuningRecord[];
  /** Sweeps; their trials are not among the runs, as no two of them may be compared. */
  readonly sweeps: readonly SweepRecord[];
}

/** Contents of a `step.json`: what a step of an optimizer costs by itself. */
export interface StepCosts {
  readonly schema: 'vradam-step/1';
  readonly rounds: number;
  readonly results: readonly StepResult[];
}

/** Folders within folders that are looked into. */
const deepest = 4;
/** Bytes of the largest JSON file that is read. */
const largest = 64 * 2 ** 20;
/** Bytes of the largest picture that is embedded. */
const largestPicture = 2 * 2 ** 20;

const tuningEnd = '-tuning.json';

/** Files of these names, and tuning files, but none in the trials of a sweep, at most four folders deep; links are not followed. */
async function find(folder: string, names: readonly string[], depth = 0): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    throw fileSystemError(folder, error);
  });
  const sorted = entries.sort((a, b) => a.name.localeCompare(b.name));
  const isNamed = ({ name }: { readonly name: string }) => names.includes(name) || name.endsWith(tuningEnd);
  const found = sorted.filter((entry) => entry.isFile() && isNamed(entry));
  const isSweep = sorted.some(({ name }) => name === studyName);
  const isSeen = ({ name }: { readonly name: string }) => !(isSweep && name === 'trials');
  const deeper = sorted.filter((entry) => entry.isDirectory() && depth < deepest && isSeen(entry));
  const inside = await Promise.all(deeper.map(({ name }) => find(join(folder, name), names, depth + 1)));
  return [...found.map(({ name }) => join(folder, name)), ...inside.flat()];
}

async function readJson<T extends { readonly schema: string }>(
  path: string,
  schema: string,
  shape: Shape,
): Promise<T> {
  const refuse = (wrong: string, received: unknown, cause?: unknown) =>
    benchmarkError('ERR_FILE_FORMAT', {
      wrong: `${path} ${wrong}`,
      received,
      action: 'Repair it, or move it out of the folder of the report.',
      cause,
    });
  const { size } = await stat(path);
  if (size > largest) throw refuse(`must not be larger than ${largest} bytes`, size);
  let value: T;
  try {
    value = JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (cause) {
    throw refuse('is not JSON', cause instanceof Error ? cause.message : cause, cause);
  }
  if (value?.schema !== schema) throw refuse(`must be of schema ${schema}`, value?.schema);
  const wrong = misshapen(value, shape);
  if (wrong !== null) throw refuse('is damaged', `nothing usable at ${wrong}`);
  return value;
}

const pngBegin = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** The last picture of each optimizer; what is no PNG file, or too large for a page, is left out. */
async function readPictures(folder: string): Promise<RunPicture[]> {
  const names = await readdir(folder).catch(() => []);
  const last = new Map<string, { readonly name: string; readonly epochs: number }>();
  for (const name of names) {
    const [, optimizer, digits] = /^(.+)-epoch-(\d{1,9})\.png$/.exec(name) ?? [];
    if (optimizer === undefined) continue;
    const epochs = Number(digits);
    if (epochs >= (last.get(optimizer)?.epochs ?? 0)) last.set(optimizer, { name, epochs });
  }
  const read = [...last].map(async ([optimizer, { name, epochs }]) => {
    const path = join(folder, name);
    const { size } = await stat(path);
    return { optimizer, epochs, png: size <= largestPicture ? await readFile(path) : Buffer.alloc(0) };
  });
  const pictures = await Promise.all(read);
  return pictures.filter(({ png }) => png.subarray(0, pngBegin.length).equals(pngBegin));
}

async function readRun(path: string): Promise<CollectedRun> {
  const folder = new RunFolder(path);
  const [record, lines] = [await folder.readRecord(), await folder.readMetrics()];
  return { path, record, lines, pictures: await readPictures(join(path, 'pictures')) };
}

/** Tuning files beside the folders, by the name that `tune` gives them: a run does not hold the grid that it rests on. */
async function findBeside(folders: readonly string[], runs: readonly CollectedRun[]): Promise<string[]> {
  const kinds = new Set(runs.map(({ record: { config } }) => `${config.task}-${config.preset}${tuningEnd}`));
  const safe = [...kinds].filter((name) => basename(name) === name);
  const places = folders.flatMap((folder) => safe.map((name) => resolve(folder, '..', name)));
  const isThere = (path: string) =>
    stat(path).then(
      (found) => found.isFile(),
      () => false,
    );
  const there = await Promise.all(places.map(isThere));
  return places.filter((_, i) => there[i]);
}

/**
 * Collects runs, diagnostics, phase portraits, records of the edge of stability and learning rates on grids.
 *
 * @param folders - of runs, or of folders of runs.
 * @throws VRAdamError `ERR_FILE_SYSTEM`; `ERR_FILE_FORMAT` or `ERR_STATE_VERSION` with the file's name;
 * `ERR_RUN_NOT_FOUND` if there is nothing.
 */
export async function collect(folders: readonly string[]): Promise<Collection> {
  const names = [
    ...['run.json', 'diagnostics.json', 'phase-portrait.json', 'sharpness.json', 'step.json'],
    studyName,
  ];
  const found = [...new Set((await Promise.all(folders.map((folder) => find(folder, names)))).flat())];
  if (found.length === 0) {
    throw benchmarkError('ERR_RUN_NOT_FOUND', {
      wrong: 'there are no results',
      received: folders.join(', '),
      action: `Name folders with ${names.join(', ')} or *${tuningEnd} in them.`,
    });
  }
  const of = (name: string) => found.filter((path) => basename(path) === name);
  const all = <T extends { readonly schema: string }>(name: string, schema: string, shape: Shape) =>
    Promise.all(of(name).map((path) => readJson<T>(path, schema, shape)));
  const runs = await Promise.all(of('run.json').map((path) => readRun(join(path, '..'))));
  const inside = found.filter((path) => path.endsWith(tuningEnd)).map((path) => resolve(path));
  const tunings = [...new Set([...inside, ...(await findBeside(folders, runs))])];
  return {
    runs,
    diagnostics: await all<DiagnosticsRecord>('diagnostics.json', 'vradam-diagnostics/1', diagnosticsShape),
    portraits: await all<Portrait>('phase-portrait.json', 'vradam-phase-portrait/1', 'object'),
    steps: await all<StepCosts>('step.json', 'vradam-step/1', stepShape),
    edges: await all<EdgeRecord>('sharpness.json', 'vradam-sharpness/1', 'object'),
    sweeps: await Promise.all(of(studyName).map((path) => readSweep(join(path, '..')))),
    tunings: await Promise.all(
      tunings.map((path) => readJson<TuningRecord>(path, 'vradam-tuning/1', tuningShape)),
    ),
  };
}
