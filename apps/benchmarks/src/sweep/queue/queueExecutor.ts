/** The proposing side: trials are put into a queue, and what came of them is fetched from there. */

import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Job, Queue, QueueEvents } from 'bullmq';
import { benchmarkError } from '../../errors.ts';
import type { Executor, TrialCompany, TrialOrder, TrialOutcome } from '../executor.ts';
import type { Connection } from './connection.ts';
import { unpackRuns } from './files.ts';
import {
  jobId,
  jobOptions,
  keptSeconds,
  keys,
  queueName,
  type TrialJob,
  unpackedProgress,
  unpackedResult,
} from './jobs.ts';
import { whyIdle } from './presence.ts';

/** Which study the trials are of. */
export interface QueueExecutorOptions {
  readonly connection: Connection;
  /** Which suite this is. */
  readonly suite: string;
  /** What tells the study from all others. */
  readonly study: string;
  /** Folder of the study. */
  readonly folder: string;
  /** Seconds after which a trial is ended by force; infinity for never. */
  readonly limit: number;
  /** Whether trials learn from real data. */
  readonly needsData: boolean;
  /** Ends all waiting, also for a server that is not there. */
  readonly signal: AbortSignal;
  say(text: string): void;
}

/** Milliseconds between two looks at a job: events of the queue wake earlier, but may be lost with the connection. */
const lookInterval = 3000;

/** Milliseconds between two looks whether there is a worker at all. */
const idleInterval = 10_000;

/** Milliseconds that closing may take. */
const closingMs = 2000;

/** Runs trials at a queue. The connection remains the caller's. */
export class QueueExecutor implements Executor {
  readonly #options: QueueExecutorOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #events: QueueEvents;
  readonly #wakes = new EventEmitter().setMaxListeners(0);
  readonly #said = new Set<string>();
  /** What runs have said of their data, by seed. */
  readonly #data = new Map<number, string>();
  readonly #timer: NodeJS.Timeout;

  /** @param options - the study, and the queue that its trials go to. */
  constructor(options: QueueExecutorOptions) {
    this.#options = options;
    const { connection, suite } = options;
    this.#events = new QueueEvents(queueName(suite), {
      connection: connection.duplicate(),
      prefix: connection.prefix,
      skipVersionCheck: true,
    });
    this.#events.on('error', () => {}); // the connection says itself when it is lost
    for (const name of ['completed', 'failed', 'progress'] as const) {
      this.#events.on(name, ({ jobId: id }: { jobId: string }) => this.#wakes.emit(id));
    }
    this.#timer = setInterval(() => this.#lookForWorkers(), idleInterval);
  }

  get #keys(): { files(id: string): string; stop(id: string): string } {
    const { prefix } = this.#options.connection;
    return { files: (id) => keys.files(prefix, id), stop: (id) => keys.stop(prefix, id) };
  }

  #queue(suite: string): Queue {
    const { redis, prefix } = this.#options.connection;
    const known = this.#queues.get(suite);
    if (known) return known;
    const options = {
      connection: redis,
      prefix,
      skipVersionCheck: true,
      streams: { events: { maxLen: 1000 } },
    };
    const queue = new Queue(queueName(suite), options);
    queue.on('error', () => {}); // as above
    this.#queues.set(suite, queue);
    return queue;
  }

  #sayOnce(text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.#options.say(text);
  }

  async #lookForWorkers(): Promise<void> {
    const { connection, suite } = this.#options;
    if (connection.redis.status !== 'ready') return;
    const why = await whyIdle(connection, suite, (each) => this.#queue(each)).catch(() => null);
    if (why !== null) this.#sayOnce(why);
  }

  /** Waits for the server, but not longer than until the sweep is interrupted. */
  async #answer<T>(asked: Promise<T>): Promise<T> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    const controller = new AbortController();
    const aborted = once(signal, 'abort', { signal: controller.signal }).then(() => {
      throw signal.reason;
    });
    aborted.catch(() => {});
    try {
      return await Promise.race([asked, aborted]);
    } finally {
      controller.abort();
    }
  }

  /** Puts a trial into the queue; one that is there already remains as it is. */
  async #submit(id: string, order: TrialOrder): Promise<void> {
    const { limit, needsData, suite } = this.#options;
    const data: TrialJob = { order, limit: Number.isFinite(limit) ? limit : null, needsData };
    await this.#answer(this.#queue(suite).add('trial', data, { ...jobOptions, jobId: id }));
  }

  async run(order: TrialOrder, company: TrialCompany): Promise<TrialOutcome> {
    const { study, suite } = this.#options;
    const id = jobId(study, order);
    const queue = this.#queue(suite);
    const tell = reporter(company, (why) => this.#sayOnce(`A worker leaves trials to others, as ${why}.`));
    for (;;) {
      const woken = this.#wake(id, company); // from now on, so that nothing is missed while looking
      const state = await this.#answer(queue.getJobState(id));
      const job: Job | undefined = await this.#answer(queue.getJob(id));
      if (!job) await this.#submit(id, order);
      else {
        tell(job.progress);
        const outcome = await this.#outcome(state, job, order);
        if (outcome) return outcome;
        if (company.stop.aborted) await this.#stop(id);
      }
      await woken;
      company.signal.throwIfAborted();
    }
  }

  /** Waits until something may have happened to a job. */
  async #wake(id: string, { signal, stop }: TrialCompany): Promise<void> {
    const given = stop.aborted ? [signal] : [signal, stop];
    const until = AbortSignal.any([...given, AbortSignal.timeout(lookInterval)]);
    await once(this.#wakes, id, { signal: until }).catch(() => {});
  }

  async #stop(id: string): Promise<void> {
    const { redis } = this.#options.connection;
    await this.#answer(redis.set(this.#keys.stop(id), '1', 'EX', keptSeconds));
  }

  /**
   * What came of a job; null while it is under way, or if it has to be run again.
   *
   * @param job - as it was after it had that state.
   */
  async #outcome(state: string, job: Job, order: TrialOrder): Promise<TrialOutcome | null> {
    if (state === 'failed') return { state: 'failed', losses: [], reason: job.failedReason };
    if (state !== 'completed') return null;
    const { connection, folder } = this.#options;
    const bytes = await this.#answer(connection.redis.getBuffer(this.#keys.files(job.id as string)));
    if (bytes === null) {
      // an outcome without its runs is half a trial
      await this.#answer(job.remove());
      return null;
    }
    const { isWhole, ...outcome } = unpackedResult(job.returnvalue);
    this.#compare(order, await unpackRuns(join(folder, order.folder), order, bytes));
    if (!isWhole)
      this.#sayOnce('Trials too large to send leave the lines of their steps with their workers.');
    return outcome;
  }

  /** Refuses trials that have learnt from other data than those before. */
  #compare({ runs }: TrialOrder, found: ReadonlyMap<number, string>): void {
    for (const [seed, data] of found) {
      const before = this.#data.get(seed) ?? data;
      this.#data.set(seed, before);
      if (before === data) continue;
      throw benchmarkError('ERR_STATE_MISMATCH', {
        wrong: 'all workers of a sweep must have the same data',
        received: `in ${runs[0]?.name}, ${data} instead of ${before}`,
        action: 'Give all workers a --data with the same files, and begin another study.',
      });
    }
  }

  async forget(order: TrialOrder): Promise<void> {
    const { study, suite, connection } = this.#options;
    const id = jobId(study, order);
    await this.#answer(this.#queue(suite).remove(id));
    await this.#answer(connection.redis.del(this.#keys.files(id), this.#keys.stop(id)));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const closed = Promise.all([this.#events, ...this.#queues.values()].map((each) => each.close()));
    // what waits for a server that is not there would wait for ever
    await Promise.race([closed.catch(() => {}), setTimeout(closingMs, undefined, { ref: false })]);
  }
}

/** Tells of epochs that have not been told yet. */
function reporter({ onEpoch }: TrialCompany, onRefusal: (why: string) => void): (progress: unknown) => void {
  const told: number[] = [];
  return (progress) => {
    const { losses, refused } = unpackedProgress(progress);
    if (refused !== undefined) onRefusal(refused);
    for (const [run, each] of losses.entries()) {
      const from = told[run] ?? 0;
      for (const [i, validationLoss] of each.slice(from).entries()) {
        onEpoch({ run, epoch: from + i, validationLoss });
      }
      told[run] = Math.max(from, each.length);
    }
  };
}
