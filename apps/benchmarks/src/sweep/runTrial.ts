/** One trial in a process of its own: if that crashes, hangs or has no memory left, the trial has failed, and no more. */

import { type ChildProcess, fork, type StdioOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TrialCompany, TrialOrder, TrialOutcome, TrialPlaces } from './executor.ts';
import type { TrialState } from './study.ts';
import type { TrialAnswer, TrialMessage } from './trialProcess.ts';

const ownScript = fileURLToPath(new URL('./trialProcess.js', import.meta.url));

/** Seconds that a process has to keep a checkpoint, before it is ended by force. */
const patience = 10;

/** A trial has no use for the queue's password. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VRADAM_QUEUE')));

type LastWord = Exclude<TrialAnswer, { kind: 'epoch' }>;

/** What a process has said. */
interface Heard {
  /** Validation losses so far, by run and epoch. */
  readonly losses: number[][];
  last: LastWord | null;
  /** The end of its standard error. */
  words: string;
}

function listen(child: ChildProcess, onEpoch: TrialCompany['onEpoch']): Heard {
  const heard: Heard = { losses: [], last: null, words: '' };
  child.stderr?.on('data', (chunk) => {
    heard.words = `${heard.words}${chunk}`.slice(-2000);
  });
  child.on('message', (answer: TrialAnswer) => {
    if (answer.kind !== 'epoch') {
      heard.last = answer;
      return;
    }
    const { run, epoch, validationLoss } = answer;
    heard.losses[run] ??= [];
    (heard.losses[run] as number[])[epoch] = validationLoss;
    onEpoch({ run, epoch, validationLoss });
  });
  return heard;
}

/** Sends a message; a process that cannot be told anything has ended, and says why. */
const tell = (child: ChildProcess, message: TrialMessage): void => {
  if (child.connected) child.send(message, () => {});
};

const failed = (state: TrialState, reason: string): TrialOutcome => ({ state, losses: [], reason });

function outcomeOf(losses: readonly (readonly number[])[]): TrialOutcome {
  const allFinite = losses.every((each) => each.every(Number.isFinite));
  return allFinite
    ? { state: 'complete', losses }
    : { state: 'diverged', losses, reason: 'the loss became no number' };
}

function crashed(how: string, words: string): TrialOutcome {
  const lines = words.trim().split('\n');
  const last = lines.findLast((line) => line.includes('Error')) ?? lines.at(-1);
  return failed('failed', `its process ended: ${how}${last ? `; ${last}` : ''}`);
}

const endOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.on('close', (code, name) => resolve(name ?? `exit code ${code}`));
    child.on('error', (error) => resolve(error.message));
  });

/**
 * Runs a trial.
 *
 * @param seconds - after which it is ended by force; infinity for never.
 * @param script - the built module that the process runs.
 * @throws the reason of the signal if that interrupted it.
 */
export async function runTrial(
  order: TrialOrder,
  places: TrialPlaces,
  seconds: number,
  { signal, stop, onEpoch }: TrialCompany,
  script: string = ownScript,
): Promise<TrialOutcome> {
  signal.throwIfAborted();
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', 'ipc'];
  const child = fork(script, [], { stdio, serialization: 'advanced', env: environment() });
  const heard = listen(child, onEpoch);
  const kill = () => child.kill('SIGKILL');
  const timers: NodeJS.Timeout[] = [];
  let isLate = false;
  if (Number.isFinite(seconds)) {
    const end = () => {
      isLate = true;
      kill();
    };
    timers.push(setTimeout(end, seconds * 1000));
  }
  const ask = () => {
    tell(child, { kind: 'stop' });
    timers.push(setTimeout(kill, patience * 1000));
  };
  const either = AbortSignal.any([signal, stop]);
  either.addEventListener('abort', ask, { once: true });
  const ended = endOf(child);
  tell(child, { kind: 'order', order, places });
  const how = await ended;
  for (const timer of timers) clearTimeout(timer);
  either.removeEventListener('abort', ask);
  const { last, losses, words } = heard;
  if (last?.kind === 'done') return outcomeOf(last.losses);
  signal.throwIfAborted();
  if (stop.aborted) return { state: 'pruned', losses };
  if (last?.kind === 'error') return failed('failed', last.reason);
  return isLate ? failed('timeout', `it took more than ${seconds} s`) : crashed(how, words);
}
