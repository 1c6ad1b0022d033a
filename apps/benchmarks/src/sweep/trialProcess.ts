/** A process that runs one trial: what it does cannot harm the sweep. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type EpochLine, type MetricsLine, RunFolder } from '../run/records.ts';
import { startOrResumeRun } from '../run/run.ts';
import type { EpochReport, RunOrder, TrialOrder, TrialPlaces } from './executor.ts';

/** What a process is told: what to run, once, and then at most to stop. */
export type TrialMessage =
  | { readonly kind: 'order'; readonly order: TrialOrder; readonly places: TrialPlaces }
  | { readonly kind: 'stop' };

/** What it says. All but `epoch` are its last word. */
export type TrialAnswer =
  | ({ readonly kind: 'epoch' } & EpochReport)
  | { readonly kind: 'done' /** Validation losses of each run. */; readonly losses: readonly number[][] }
  | { readonly kind: 'stopped' /** With a checkpoint. */ }
  | { readonly kind: 'error'; readonly reason: string };

const stopping = new AbortController();

const say = (answer: TrialAnswer): void => {
  process.send?.(answer, () => {}); // where nobody listens any more, the process is about to end
};

const epochsIn = (lines: readonly MetricsLine[]): EpochLine[] =>
  lines.filter((line): line is EpochLine => line.kind === 'epoch');

async function lossesOf(run: RunOrder, index: number, places: TrialPlaces): Promise<number[]> {
  const path = join(places.results, run.name);
  const tell = ({ epoch, validationLoss }: EpochLine) =>
    say({ kind: 'epoch', run: index, epoch, validationLoss });
  const before = new RunFolder(path);
  if (await before.exists()) epochsIn(await before.readMetrics()).forEach(tell);
  const watcher = { begin() {}, step() {}, epoch: tell, final() {}, failure() {} };
  const company = { started: () => watcher, signal: stopping.signal };
  const folder = await startOrResumeRun({ ...run, ...places }, company);
  const lines = await folder.readMetrics();
  // the checkpoint of a finished trial is of no use, and there are many of them
  await rm(join(path, 'checkpoint.safetensors'), { force: true });
  if (lines.some(({ kind }) => kind === 'failure')) return [Number.NaN];
  return epochsIn(lines).map(({ validationLoss }) => validationLoss);
}

async function answer({ runs }: TrialOrder, places: TrialPlaces): Promise<TrialAnswer> {
  try {
    const losses: number[][] = [];
    for (const [i, run] of runs.entries()) losses.push(await lossesOf(run, i, places));
    return { kind: 'done', losses };
  } catch (error) {
    if (stopping.signal.aborted && error === stopping.signal.reason) return { kind: 'stopped' };
    return { kind: 'error', reason: error instanceof Error ? error.message : String(error) };
  }
}

// also where the sweep itself was killed: nobody waits for an answer any more
process.on('disconnect', () => process.exit());

// a terminal and some supervisors tell all processes at once; whoever began the trial says when to stop
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => {});

process.on('message', async (message: TrialMessage) => {
  if (message.kind === 'stop') return stopping.abort('stopped');
  const last = await answer(message.order, message.places);
  process.send?.(last, () => process.disconnect());
});
