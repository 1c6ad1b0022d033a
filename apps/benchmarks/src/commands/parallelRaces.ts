/** Races at the same time, each in a process of its own, which has its memory back when the race is over. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { VRAdamError } from '@vradam/core';
import colors from 'picocolors';
import { RunFolder } from '../run/records.ts';
import type { NewRun } from '../run/run.ts';
import type { RaceAnswer, RaceMessage } from './raceProcess.ts';
import type { RaceManner } from './races.ts';

const script = fileURLToPath(new URL('./raceProcess.js', import.meta.url));

/** How races are run at the same time. */
export interface Together {
  /** How many. */
  readonly jobs: number;
  readonly manner: RaceManner;
  /** Stops them all, each after the step in progress. */
  readonly signal: AbortSignal;
  /** Shows what one has to show, in one piece, when it ends. */
  readonly say: (text: string) => void;
}

/** A process that takes an order; what it shows has the colours that its command may have. */
function startProcess(): ChildProcess {
  return fork(script, [], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, ...(colors.isColorSupported && { FORCE_COLOR: '1' }) },
  });
}

/** Collects what a process says, and its last word. */
function listen(child: ChildProcess): { text: string; last: RaceAnswer | null } {
  const heard = { text: '', last: null as RaceAnswer | null };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      heard.text += chunk;
    });
  }
  child.on('message', (answer: RaceAnswer) => {
    heard.last = answer;
  });
  return heard;
}

/** A process that cannot be told anything has ended, and its end says why. */
const tell = (child: ChildProcess, message: RaceMessage): void => {
  if (child.connected) child.send(message, () => {});
};

/** The folder of a race that is over, or the error that ended it. */
function outcomeOf(last: RaceAnswer | null, { name }: NewRun, how: string): RunFolder | null {
  if (last?.kind === 'done') return last.path === null ? null : new RunFolder(last.path);
  if (last?.code) throw new VRAdamError(last.code, last.message);
  throw new Error(last?.message ?? `The process of ${name} ended: ${how}. Go on with --resume.`);
}

async function runInProcess(
  run: NewRun,
  { manner, signal, say }: Omit<Together, 'jobs'>,
): Promise<RunFolder | null> {
  const child = startProcess();
  const heard = listen(child);
  const stop = () => tell(child, { kind: 'stop', reason: signal.reason });
  signal.addEventListener('abort', stop, { once: true });
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  tell(child, { kind: 'race', run, manner });
  const [code, name] = await closed;
  signal.removeEventListener('abort', stop);
  if (heard.text !== '') say(heard.text.trimEnd());
  return outcomeOf(heard.last, run, name ?? `exit code ${code}`);
}

/**
 * Runs races, as many at the same time as there are jobs, and begins them in their order.
 *
 * @returns folders of the runs that are completed, in the order of the races.
 * @throws the error of the first race that fails; the others are stopped, and kept as they are.
 */
export async function runTogether(
  runs: readonly NewRun[],
  { jobs, signal, ...rest }: Together,
): Promise<RunFolder[]> {
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  const folders: (RunFolder | null)[] = runs.map(() => null);
  const left = [...runs.entries()];
  const worker = async (): Promise<void> => {
    for (let job = left.shift(); job && !either.aborted; job = left.shift()) {
      const [i, run] = job;
      rest.say(
        `${colors.dim(`begins ${i + 1} of ${runs.length}:`)} ${run.config.task}, seed ${run.config.seed}`,
      );
      try {
        folders[i] = await runInProcess(run, { ...rest, signal: either });
      } catch (error) {
        failing.abort('SIGTERM');
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: jobs }, worker));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return folders.filter((folder) => folder !== null);
}
