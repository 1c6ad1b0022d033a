/** `vradam-bench tfjs`: what an optimizer step costs on TensorFlow.js. */

import type { Command } from 'commander';
import type { BenchTfjsOptions } from '../tfjs/bench.ts';
import { wholeNumber } from './arguments.ts';

async function run(options: BenchTfjsOptions): Promise<void> {
  // TensorFlow.js is slow to load, and no other command needs it
  const { benchTfjs } = await import('../tfjs/bench.ts');
  await benchTfjs(options);
}

/** Adds the command. */
export function addTfjsCommand(program: Command): void {
  program
    .command('tfjs')
    .description('measure the CPU time of an optimizer step on TensorFlow.js against tf.train.adam')
    .option('--rounds <n>', 'measured rounds', wholeNumber(1), 30)
    .option('--json <file>', 'write the results as JSON too')
    .action(run);
}
