/** How long the command takes from its start to its first training step. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { benchmarkError } from '../errors.ts';

const cli = fileURLToPath(new URL('../../bin/vradam-bench.mjs', import.meta.url));

/** One start of a process. */
export interface Start {
  /** From the start of the process until its first step is in the metrics, in seconds. */
  readonly seconds: number;
  /** Time of the processor in it, in seconds, which a busy machine does not lengthen as much; null where it is not told. */
  readonly processorSeconds: number | null;
}

/** User and system time of a process, which Linux tells in hundredths of a second. */
async function processorSeconds(pid: number | undefined): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // the name, in brackets, may hold anything; user and system time are fields 14 and 15
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * Starts the quick race of the CNN in a process of its own, and ends it after its first step.
 *
 * @throws VRAdamError `ERR_OPTION_RANGE` if it ends without one.
 */
export async function measureStart(engine: string): Promise<Start> {
  const results = await mkdtemp(join(tmpdir(), 'vradam-start-'));
  const begin = performance.now();
  const args = ['run', 'cifar10-cnn', '--seeds', '1', '--engine', engine, '--results', results];
  const child = spawn(process.execPath, [cli, ...args, '--name', 'start'], { stdio: 'ignore' });
  const closed = once(child, 'close');
  try {
    const metrics = join(results, 'start', 'metrics.jsonl');
    while (!(await readFile(metrics, 'utf8').catch(() => '')).includes('\n')) {
      if (child.exitCode !== null) {
        throw benchmarkError('ERR_OPTION_RANGE', {
          wrong: 'the race that was started ended without a step',
          received: `exit code ${child.exitCode}`,
          action: `Try: vradam-bench ${args.join(' ')}`,
        });
      }
      await sleep(5);
    }
    const seconds = (performance.now() - begin) / 1000;
    return { seconds, processorSeconds: await processorSeconds(child.pid) };
  } finally {
    child.kill('SIGKILL');
    await closed;
    await rm(results, { recursive: true, force: true });
  }
}
