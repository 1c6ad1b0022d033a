/** `vradam-bench worker`: runs trials of sweeps that others propose. */

import { type Command, Option } from 'commander';
import { benchmarkError } from '../errors.ts';
import { suiteOf } from '../sweep/queue/suite.ts';
import { notNegative, positive, wholeNumber } from './arguments.ts';
import { addQueueOptions, connectQueue, type QueueFlags } from './queue.ts';
import { interruption } from './races.ts';

interface Flags extends QueueFlags {
  readonly jobs: number;
  readonly data?: string;
  readonly out: string;
  readonly grace: number;
  readonly lock: number;
}

async function work(flags: Flags): Promise<void> {
  const { queue, jobs, data, out, grace, lock } = flags;
  if (queue === undefined) {
    throw benchmarkError('ERR_OPTION_TYPE', {
      wrong: 'a worker needs a queue',
      received: 'none',
      action: 'Give --queue redis://host:port, or set VRADAM_QUEUE.',
    });
  }
  const signal = interruption();
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const connection = await connectQueue(queue, flags, say);
  const { runWorker } = await import('../sweep/queue/worker.ts');
  try {
    await runWorker(connection, { jobs, data, out, grace, lock, signal, say, suite: suiteOf() });
  } finally {
    connection.close();
  }
}

/** Adds the command. */
export function addWorkerCommand(program: Command): void {
  addQueueOptions(
    program.command('worker').description('run trials of sweeps with --queue, until it is asked to end'),
    'where trials are taken from',
  )
    .option('--jobs <n>', 'trials at the same time', wholeNumber(1), 1)
    .addOption(new Option('--data <dir>', 'folder of real data').env('VRADAM_DATA'))
    .option('--out <dir>', 'folder of checkpoints, which workers may share', 'results/worker')
    .option(
      '--grace <seconds>',
      'time for trials under way to finish, once it is asked to end',
      notNegative,
      5,
    )
    .option(
      '--lock <seconds>',
      'without a sign of life for as long, trials are given to other workers',
      positive,
      60,
    )
    .action(work);
}
