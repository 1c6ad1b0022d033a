/** A process that runs one race, for a command that runs several at once. */

import { VRAdamError, type VRAdamErrorCode } from '@vradam/core';
import type { NewRun } from '../run/run.ts';
import { begin, type RaceManner, runOne } from './races.ts';

/** What a process is told: what to run, once, and then at most to stop. */
export type RaceMessage =
  | { readonly kind: 'race'; readonly run: NewRun; readonly manner: RaceManner }
  | { readonly kind: 'stop'; readonly reason: NodeJS.Signals };

/** Its last word; what it has to show is on its standard output and error. */
export type RaceAnswer =
  | { readonly kind: 'done' /** Its folder; null if it was stopped. */; readonly path: string | null }
  | { readonly kind: 'error'; readonly code: VRAdamErrorCode | null; readonly message: string };

const stopping = new AbortController();

async function answer(run: NewRun, manner: RaceManner): Promise<RaceAnswer> {
  try {
    const folder = await runOne(begin(run, manner.resume), stopping.signal, manner);
    return { kind: 'done', path: folder?.path ?? null };
  } catch (error) {
    if (error instanceof VRAdamError) return { kind: 'error', code: error.code, message: error.message };
    return { kind: 'error', code: null, message: String((error as Error)?.stack ?? error) };
  }
}

// where the command itself was killed, nobody is left to go on for
const end = () => process.exit();
process.on('disconnect', end);

// a terminal tells all processes at once; the command says when to stop
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => {});

process.on('message', async (message: RaceMessage) => {
  if (message.kind === 'stop') return stopping.abort(message.reason);
  const last = await answer(message.run, message.manner);
  process.off('disconnect', end);
  process.send?.(last, () => process.disconnect());
});
