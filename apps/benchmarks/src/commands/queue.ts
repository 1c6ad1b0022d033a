/** What commands are told about a queue. */

import { type Command, Option } from 'commander';
import { benchmarkError } from '../errors.ts';
import type { Executor } from '../sweep/executor.ts';
import type { Connection, QueueOptions } from '../sweep/queue/connection.ts';
import type { QueueExecutorOptions } from '../sweep/queue/queueExecutor.ts';
import { suiteOf } from '../sweep/queue/suite.ts';

/** Options of {@link addQueueOptions}. */
export interface QueueFlags {
  readonly queue?: string;
  readonly queuePrefix: string;
  readonly queueCa?: string;
  readonly queueCert?: string;
  readonly queueKey?: string;
}

/**
 * Adds the options. None of them has a parser: what a parser refuses is printed, and an address may hold a password.
 *
 * @param description - what is done with the queue.
 */
export function addQueueOptions(command: Command, description: string): Command {
  return command
    .addOption(
      new Option(
        '--queue <address>',
        `${description}; redis://user:password@host:port, or rediss:// for TLS`,
      ).env('VRADAM_QUEUE'),
    )
    .addOption(
      new Option('--queue-prefix <name>', 'what the keys of the queue begin with')
        .default('vradam')
        .env('VRADAM_QUEUE_PREFIX'),
    )
    .addOption(
      new Option('--queue-ca <file>', 'certificate of the authority that vouches for the queue (PEM)').env(
        'VRADAM_QUEUE_CA',
      ),
    )
    .addOption(new Option('--queue-cert <file>', 'certificate of one’s own (PEM)').env('VRADAM_QUEUE_CERT'))
    .addOption(new Option('--queue-key <file>', 'its key (PEM)').env('VRADAM_QUEUE_KEY'));
}

function optionsOf(url: string, flags: QueueFlags): QueueOptions {
  const { queuePrefix: prefix, queueCa: ca, queueCert: cert, queueKey: key } = flags;
  if (/^[\w-]{1,60}$/.test(prefix)) {
    return { url, password: process.env['VRADAM_QUEUE_PASSWORD'] || undefined, prefix, ca, cert, key };
  }
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: '--queue-prefix must be letters, digits, _ and -',
    received: prefix,
    action: 'Choose another one.',
  });
}

/**
 * Connects to the queue that was asked for. Its client is loaded only now: most sweeps have no queue.
 *
 * @throws VRAdamError as `connect` does.
 */
export async function connectQueue(
  url: string,
  flags: QueueFlags,
  say: (text: string) => void,
): Promise<Connection> {
  const { connect } = await import('../sweep/queue/connection.ts');
  return connect(optionsOf(url, flags), say);
}

/** Runs trials at a queue. */
export async function queueExecutor(options: Omit<QueueExecutorOptions, 'suite'>): Promise<Executor> {
  const { QueueExecutor } = await import('../sweep/queue/queueExecutor.ts');
  return new QueueExecutor({ ...options, suite: suiteOf() });
}
