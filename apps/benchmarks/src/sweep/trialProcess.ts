/** A process that runs trials, one for each message: what it does cannot harm the sweep. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EpochLine } from '../run/records.ts';
import { type NewRun, startOrResumeRun } from '../run/run.ts';

/** What a process is told: a run for each seed. */
export interface TrialOrder {
  readonly runs: readonly (NewRun & { readonly name: string })[];
}

/** What it answers. */
export type TrialAnswer =
  | {
      readonly kind: 'done' /** Validation losses of the epochs of each run. */;
      readonly losses: readonly number[][];
    }
  | { readonly kind: 'error'; readonly reason: string };

const silent = { begin() {}, step() {}, epoch() {}, final() {}, failure() {} };

async function lossesOf(run: NewRun & { readonly name: string }): Promise<number[]> {
  const company = { started: () => silent, signal: new AbortController().signal };
  const folder = await startOrResumeRun(run, company);
  const lines = await folder.readMetrics();
  // the checkpoint of a finished trial is of no use, and there are many of them
  await rm(join(folder.path, 'checkpoint.safetensors'), { force: true });
  if (lines.some(({ kind }) => kind === 'failure')) return [Number.NaN];
  return lines
    .filter((line): line is EpochLine => line.kind === 'epoch')
    .map(({ validationLoss }) => validationLoss);
}

async function answer({ runs }: TrialOrder): Promise<TrialAnswer> {
  try {
    const losses: number[][] = [];
    for (const run of runs) losses.push(await lossesOf(run));
    return { kind: 'done', losses };
  } catch (error) {
    return { kind: 'error', reason: error instanceof Error ? error.message : String(error) };
  }
}

// also where the sweep itself was killed: nobody waits for an answer any more
process.on('disconnect', () => process.exit());

process.on('message', async (order: TrialOrder) => {
  const message = await answer(order);
  process.send?.(message, () => process.disconnect());
});
