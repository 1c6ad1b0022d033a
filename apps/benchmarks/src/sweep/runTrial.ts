/** One trial in a process of its own: if that crashes, hangs or has no memory left, the trial has failed, and no more. */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TrialState } from './study.ts';
import type { TrialAnswer, TrialOrder } from './trialProcess.ts';

/** What came of a trial. */
export interface TrialOutcome {
  readonly state: TrialState;
  /** Validation losses of the epochs of each run that ended. */
  readonly losses: readonly (readonly number[])[];
  readonly reason?: string;
}

const ownScript = fileURLToPath(new URL('./trialProcess.js', import.meta.url));

const failed = (state: TrialState, reason: string): TrialOutcome => ({ state, losses: [], reason });

function outcomeOf(message: TrialAnswer): TrialOutcome {
  if (message.kind === 'error') return failed('failed', message.reason);
  const allFinite = message.losses.every((losses) => losses.every(Number.isFinite));
  return allFinite
    ? { state: 'complete', losses: message.losses }
    : { state: 'diverged', losses: message.losses, reason: 'the loss became no number' };
}

/**
 * Runs a trial.
 *
 * @param seconds - after which it is ended by force; infinity for never.
 * @param signal - ends it by force, too; then the signal's reason is thrown, and the trial can be run again.
 * @param script - the built module that the process runs.
 */
export async function runTrial(
  order: TrialOrder,
  seconds: number,
  signal: AbortSignal,
  script: string = ownScript,
): Promise<TrialOutcome> {
  signal.throwIfAborted();
  const child = fork(script, [], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' });
  let [words, answer, isLate] = ['', null as TrialAnswer | null, false];
  child.stderr?.on('data', (chunk) => {
    words = `${words}${chunk}`.slice(-2000);
  });
  child.on('message', (message) => {
    answer = message as TrialAnswer;
  });
  const stop = () => child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const timer = Number.isFinite(seconds)
    ? setTimeout(() => {
        isLate = true;
        stop();
      }, seconds * 1000)
    : undefined;
  const ended = new Promise<string>((resolve) => {
    child.on('close', (code, name) => resolve(name ?? `exit code ${code}`));
    child.on('error', (error) => resolve(error.message));
  });
  child.send(order, () => {}); // a process that cannot be told anything ends, and says why
  const how = await ended;
  clearTimeout(timer);
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (answer) return outcomeOf(answer);
  if (isLate) return failed('timeout', `it took more than ${seconds} s`);
  const lines = words.trim().split('\n');
  const last = lines.findLast((line) => line.includes('Error')) ?? lines.at(-1);
  return failed('failed', `its process ended: ${how}${last ? `; ${last}` : ''}`);
}
