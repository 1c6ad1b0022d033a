/**
 * Folders of a worker: one for each attempt at a trial, which begins with what the attempt before has left. Nobody else
 * writes into it, not even a worker that has been given up and is still at the same trial.
 */

import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSystemError, isFileSystemError } from '../../errors.ts';

/** In this order a copy is one of a moment: a record or a checkpoint is never ahead of the metrics. */
const files = ['run.json', 'checkpoint.safetensors', 'metrics.jsonl'];

/** An attempt. */
export interface Attempt {
  /** Folder of its runs. */
  readonly results: string;
  /** Whether there was something to go on with. */
  readonly isResumed: boolean;
}

async function attemptsIn(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .map(Number)
    .filter(Number.isSafeInteger)
    .sort((a, b) => b - a);
}

/** Makes a folder that nobody else has, with the number after the last one. */
async function makeNext(folder: string, number: number): Promise<string> {
  const path = join(folder, String(number));
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    if (isFileSystemError(error) && error.code === 'EEXIST') return makeNext(folder, number + 1);
    throw fileSystemError(path, error);
  }
}

/** @returns whether a run was there. */
async function copyRun(from: string, to: string): Promise<boolean> {
  await mkdir(to, { recursive: true });
  const isThere = await Promise.resolve(
    copyFile(join(from, files[0] as string), join(to, files[0] as string)),
  )
    .then(() => true)
    .catch(() => false);
  if (!isThere) return false;
  for (const name of files.slice(1)) await copyFile(join(from, name), join(to, name)).catch(() => null);
  return true;
}

/**
 * Begins an attempt at a trial.
 *
 * @param out - folder of the worker, or of several.
 * @param id - name of the job.
 */
export async function openAttempt(out: string, id: string): Promise<Attempt> {
  const folder = join(out, id);
  await mkdir(folder, { recursive: true }).catch((error) => {
    throw fileSystemError(folder, error);
  });
  const [last] = await attemptsIn(folder);
  const results = await makeNext(folder, (last ?? 0) + 1);
  if (last === undefined) return { results, isResumed: false };
  const before = join(folder, String(last));
  const copied: boolean[] = [];
  for (const run of await readdir(before).catch(() => [])) {
    copied.push(await copyRun(join(before, run), join(results, run)));
  }
  return { results, isResumed: copied.some(Boolean) };
}

/** Removes all attempts at a trial. */
export async function removeAttempts(out: string, id: string): Promise<void> {
  await rm(join(out, id), { recursive: true, force: true });
}
