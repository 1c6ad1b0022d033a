/** A file that only one process has at a time. */

import { open, rm, stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { fileSystemError, isFileSystemError } from '../errors.ts';

/** Seconds after which a lock is that of a process that was killed; Optuna waits as long. */
const staleSeconds = 30;

/** Makes a lock file, when nobody else has it; it is taken back by removing it. */
export async function lock(path: string): Promise<void> {
  for (;;) {
    try {
      const file = await open(path, 'wx');
      return await file.close();
    } catch (error) {
      if (!isFileSystemError(error) || error.code !== 'EEXIST') throw fileSystemError(path, error);
      const age = (Date.now() - ((await stat(path).catch(() => null))?.mtimeMs ?? Date.now())) / 1000;
      if (age > staleSeconds) await rm(path, { force: true });
      else await setTimeout(50);
    }
  }
}
