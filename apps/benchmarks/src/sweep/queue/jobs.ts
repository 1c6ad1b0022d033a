/** Trials as jobs of a queue: what is sent, what comes back, and under which names. */

import { createHash } from 'node:crypto';
import type { JobsOptions } from 'bullmq';
import { benchmarkError } from '../../errors.ts';
import { decode, encode } from '../../run/records.ts';
import { misshapen, type Shape } from '../../run/shape.ts';
import type { TrialOrder, TrialOutcome } from '../executor.ts';

/** What is sent. It names no place on the machine that sends it. */
export interface TrialJob {
  readonly order: TrialOrder;
  /** Seconds after which the trial is ended by force; null for never. */
  readonly limit: number | null;
  /** Whether it learns from real data, which a worker must have. */
  readonly needsData: boolean;
}

/** What comes back. */
export interface TrialResult extends TrialOutcome {
  /** How long the trial took, without its time in the queue. */
  readonly seconds: number;
  /** Whether no lines of its runs were left out for being too many. */
  readonly isWhole: boolean;
}

/** What a job tells while it runs. */
export interface TrialProgress {
  /** Validation losses so far, by run and epoch. */
  readonly losses: readonly (readonly number[])[];
  /** Why a worker has put it back; absent if none has. */
  readonly refused?: string;
}

/** Seconds that the queue keeps what nobody has asked for. */
export const keptSeconds: number = 7 * 24 * 3600;

/** How jobs are kept and tried again. */
export const jobOptions: JobsOptions = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 2000 },
  removeOnComplete: { age: keptSeconds },
  removeOnFail: { age: keptSeconds },
  stackTraceLimit: 1,
};

/** Name of the queue that workers of a suite serve. */
export const queueName = (suite: string): string => `vradam-trials-${suite}`;

/** Names of the keys beside the queue. */
export const keys = {
  /** Files of a finished trial. */
  files: (prefix: string, id: string) => `${prefix}:vradam-files:${id}`,
  /** There if a trial is to end as pruned. */
  stop: (prefix: string, id: string) => `${prefix}:vradam-stop:${id}`,
  /** Suites that have had a worker. */
  suites: (prefix: string) => `${prefix}:vradam-suites`,
} as const;

/**
 * Name of a job: the same trial of the same study always has the same.
 *
 * @param study - what tells it from all others.
 */
export function jobId(study: string, order: TrialOrder): string {
  const hash = createHash('sha256').update(JSON.stringify([study, order]));
  return `trial-${hash.digest('hex').slice(0, 32)}`;
}

const jobShape: Shape = {
  fields: {
    order: {
      fields: {
        folder: 'string',
        runs: {
          list: {
            fields: {
              name: 'string',
              learningRate: { optional: 'number' },
              config: {
                fields: {
                  task: 'string',
                  preset: 'string',
                  engine: 'string',
                  optimizers: { list: 'string' },
                  seed: 'number',
                  schedule: 'string',
                  epochs: { optional: 'number' },
                  brake: { optional: 'object' },
                },
              },
            },
          },
        },
      },
    },
    limit: { optional: 'number' },
  },
};

/** A name that is no way out of its folder. */
const isPlain = (name: string): boolean => /^[\w-][\w.-]{0,200}$/.test(name);

const namesIn = ({ order: { folder, runs } }: TrialJob): string[] => [
  folder,
  ...runs.map(({ name }) => name),
];

/**
 * What a job asks for. Anybody who has the queue's password can put anything there.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT`.
 */
export function checkedJob(data: unknown): TrialJob {
  const wrong = misshapen(data, jobShape);
  const job = data as TrialJob;
  if (wrong === null && namesIn(job).every(isPlain)) return job;
  throw benchmarkError('ERR_FILE_FORMAT', {
    wrong: 'a job of the queue is no trial',
    received: wrong === null ? 'a name that is none' : `nothing usable at ${wrong}`,
    action: 'Use a queue or a --queue-prefix that nothing else uses.',
  });
}

const resultShape: Shape = {
  fields: {
    state: 'string',
    losses: { list: { list: 'number' } },
    reason: { optional: 'string' },
    seconds: 'number',
  },
};

/** JSON has no NaN: a text holds what BullMQ would turn into null. */
export const packed = (value: TrialResult | TrialProgress): string => JSON.stringify(value, encode);

/**
 * What came of a job.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT`.
 */
export function unpackedResult(text: unknown): TrialResult {
  const value: unknown = JSON.parse(String(text), decode);
  const wrong = misshapen(value, resultShape);
  if (wrong === null) return value as TrialResult;
  throw benchmarkError('ERR_FILE_FORMAT', {
    wrong: 'a job of the queue has no usable outcome',
    received: `nothing usable at ${wrong}`,
    action: 'Use a queue or a --queue-prefix that nothing else uses.',
  });
}

/** What a job has told; nothing where it has told nothing yet. */
export function unpackedProgress(text: unknown): TrialProgress {
  if (typeof text !== 'string') return { losses: [] };
  const value: unknown = JSON.parse(text, decode);
  const isOne = misshapen(value, { fields: { losses: { list: { list: 'number' } } } }) === null;
  return isOne ? (value as TrialProgress) : { losses: [] };
}
