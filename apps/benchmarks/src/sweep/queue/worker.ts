/** A worker: takes trials from a queue, some at a time, until it is asked to end. */

import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, Worker } from 'bullmq';
import { removeAttempts } from './attempts.ts';
import type { Connection } from './connection.ts';
import { queueName, type TrialResult } from './jobs.ts';
import { announce } from './presence.ts';
import { processJob, type WorkerPlaces } from './processor.ts';

/** What a worker is told. */
export interface WorkerSettings extends WorkerPlaces {
  /** Trials at the same time. */
  readonly jobs: number;
  /** Seconds without a sign of life after which a trial is given to another worker. */
  readonly lock: number;
  /** Seconds that trials have to finish, once the worker is asked to end. */
  readonly grace: number;
  /** Which suite this is. */
  readonly suite: string;
  /** Asks the worker to end. */
  readonly signal: AbortSignal;
  say(text: string): void;
}

/** Seconds that handing back may take. */
const patience = 20;

const until = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Errors that are said already, or that say only that the server is not there. */
const isKnown = (text: string): boolean =>
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|Connection is closed|could not renew lock|Missing lock|LOADING/.test(
    text,
  );

function open(connection: Connection, draining: AbortSignal, settings: WorkerSettings): Worker {
  const { data, out, say, jobs, lock, suite } = settings;
  const options = { connection, draining, data, out, say };
  // three parameters, or BullMQ gives no signal
  const process = (job: Job, token: string | undefined, lost: AbortSignal | undefined) =>
    processJob(job, token as string, lost as AbortSignal, options);
  const worker = new Worker(queueName(suite), process, {
    connection: connection.redis,
    prefix: connection.prefix,
    name: `${hostname()}-${globalThis.process.pid}`,
    concurrency: jobs,
    lockDuration: lock * 1000,
    stalledInterval: (lock * 1000) / 2,
    maxStalledCount: 3,
    skipVersionCheck: true,
  });
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) worker.cancelJob(id);
  });
  worker.on('completed', ({ id }: Job, text: string) => {
    const { isWhole } = JSON.parse(text) as TrialResult;
    if (isWhole) removeAttempts(out, id as string).catch(() => {});
  });
  worker.on('error', ({ message }) => {
    if (!isKnown(message)) say(message);
  });
  return worker;
}

/**
 * Works until it is asked to end; then it takes no trial more, gives those under way some time, and hands the others back
 * with a checkpoint.
 */
export async function runWorker(connection: Connection, settings: WorkerSettings): Promise<void> {
  const { signal, grace, say, suite, jobs } = settings;
  const draining = new AbortController();
  await announce(connection, suite);
  const worker = open(connection, draining.signal, settings);
  say(`At the queue at ${connection.place}, for ${jobs === 1 ? 'one trial' : `${jobs} trials`} at a time.`);
  await until(signal);
  say('Asked to end: trials under way are finished, or handed back with a checkpoint.');
  const timer = setTimeout(() => draining.abort('draining'), grace * 1000);
  // with a server that is not there it would wait for ever; its trials go to others then, as those of a killed worker
  const tooLong = sleep((grace + patience) * 1000, undefined, { ref: false });
  await Promise.race([worker.close(), tooLong]);
  clearTimeout(timer);
}
