/** What a worker does with a job: a trial in a process of its own, so that the worker can go on renewing its lock. */

import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq';
import type { EpochReport, TrialOutcome } from '../executor.ts';
import { runTrial } from '../runTrial.ts';
import { type Attempt, openAttempt } from './attempts.ts';
import type { Connection } from './connection.ts';
import { packRuns } from './files.ts';
import { checkedJob, keptSeconds, keys, packed, type TrialJob } from './jobs.ts';

/** What trials get from their worker. */
export interface WorkerPlaces {
  /** Folder of real data; undefined if there are none. */
  readonly data: string | undefined;
  /** Folder in which trials keep their checkpoints. */
  readonly out: string;
}

/** What a worker needs. */
export interface ProcessorOptions extends WorkerPlaces {
  readonly connection: Connection;
  /** Asks all trials to keep a checkpoint, and to be handed back. */
  readonly draining: AbortSignal;
  say(text: string): void;
}

/** Milliseconds after which a trial that cannot be run here is offered again. */
const refusalDelay = 5000;

/** Milliseconds between two looks whether a trial is to be pruned. */
const stopInterval = 1000;

function checkedOrFailed(job: Job): TrialJob {
  try {
    return checkedJob(job.data);
  } catch (error) {
    throw new UnrecoverableError((error as Error).message); // another attempt would find the same
  }
}

/** Leaves a job to other workers. */
async function refuse(job: Job, token: string, why: string, say: (text: string) => void): Promise<never> {
  say(`${job.id}: left to others, as ${why}.`);
  await job.updateProgress(packed({ losses: [], refused: why }));
  await job.moveToDelayed(Date.now() + refusalDelay, token);
  throw new DelayedError();
}

/** Says to the queue how far a trial has come; each word after the one before. */
function teller(job: Job): { onEpoch(report: EpochReport): void; told(): Promise<void> } {
  const losses: number[][] = [];
  let telling = Promise.resolve();
  return {
    onEpoch({ run, epoch, validationLoss }) {
      for (let i = losses.length; i <= run; i++) losses.push([]);
      (losses[run] as number[])[epoch] = validationLoss;
      const text = packed({ losses });
      // progress is for company only: without it a trial ends as well
      telling = telling.then(() => job.updateProgress(text)).catch(() => {});
    },
    told: () => telling,
  };
}

/** A signal that is given when the sweep prunes the trial. */
function watchForStop({ redis, prefix }: Connection, id: string): { signal: AbortSignal; close(): void } {
  const controller = new AbortController();
  const look = async () => {
    const isThere = await redis.exists(keys.stop(prefix, id)).catch(() => 0);
    if (isThere === 1) controller.abort();
  };
  const timer = setInterval(look, stopInterval);
  return { signal: controller.signal, close: () => clearInterval(timer) };
}

/**
 * Leaves the files of the runs at the queue, where the sweep fetches them.
 *
 * @returns whether nothing was left out.
 */
async function sendRuns(
  { connection: { redis, prefix }, say }: ProcessorOptions,
  id: string,
  results: string,
  order: TrialJob['order'],
): Promise<boolean> {
  const { bytes, isWhole } = await packRuns(results, order);
  if (!isWhole) say(`${id}: too much to send; the lines of single steps stay in ${results}.`);
  await redis.set(keys.files(prefix, id), bytes, 'EX', keptSeconds);
  return isWhole;
}

async function run(
  job: Job,
  { order, limit }: TrialJob,
  { results }: Attempt,
  data: string | undefined,
  interrupted: AbortSignal,
  options: ProcessorOptions,
): Promise<TrialOutcome> {
  const { onEpoch, told } = teller(job);
  const stop = watchForStop(options.connection, job.id as string);
  const company = { signal: interrupted, stop: stop.signal, onEpoch };
  const places = { data, tokenizer: undefined, results };
  try {
    return await runTrial(order, places, limit ?? Number.POSITIVE_INFINITY, company);
  } finally {
    stop.close();
    await told();
  }
}

/**
 * Runs the trial of a job.
 *
 * @param token - the worker's hold on the job.
 * @param lost - tells that the hold is lost, and that another worker may be at it.
 * @returns its packed outcome. Errors are those of BullMQ that say what becomes of the job; any other one is another attempt.
 */
export async function processJob(
  job: Job,
  token: string,
  lost: AbortSignal,
  options: ProcessorOptions,
): Promise<string> {
  const { draining, out, say } = options;
  const id = job.id as string;
  const trial = checkedOrFailed(job);
  if (trial.needsData && options.data === undefined) {
    return refuse(job, token, 'this worker has no --data', say);
  }
  const name = trial.order.runs.map((each) => each.name).join(', ');
  const attempt = await openAttempt(out, id).catch(() => null);
  // no fault of the trial
  if (!attempt) return refuse(job, token, 'this worker cannot write into its --out', say);
  say(`${name}: ${attempt.isResumed ? 'goes on from what an attempt before has left' : 'begins'}.`);
  const begin = performance.now();
  const interrupted = AbortSignal.any([draining, lost]);
  try {
    const data = trial.needsData ? options.data : undefined;
    const outcome = await run(job, trial, attempt, data, interrupted, options);
    // another machine may succeed where this one did not
    if (outcome.state === 'failed') throw new Error(outcome.reason);
    const seconds = Math.round(performance.now() - begin) / 1000;
    const isWhole = await sendRuns(options, id, attempt.results, trial.order);
    say(`${name}: ${outcome.state}.`);
    return packed({ ...outcome, seconds, isWhole });
  } catch (error) {
    if (!draining.aborted) {
      say(`${name}: ${lost.aborted ? 'given up; another worker has it' : (error as Error).message}`);
      throw error;
    }
    await job.moveToWait(token);
    say(`${name}: handed back, with a checkpoint.`);
    throw new WaitingError();
  }
}
