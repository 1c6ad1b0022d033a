/** Starts `vradam-bench` as a user does. */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { RunFolder } from '../src/run/records.ts';

const cli = fileURLToPath(new URL('../bin/vradam-bench.mjs', import.meta.url));

/** How a process ended. */
export interface Finished {
  readonly code: number | null;
  /** What it printed, on both streams. */
  readonly output: string;
  /** What it printed on the standard output. */
  readonly printed: string;
}

/** A process of `vradam-bench`. */
export interface Started {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** What it has printed so far, on both streams. */
  said(): string;
}

/** Starts one without colours and without anybody's data. */
export const start = (...args: string[]): Started => startWith({}, ...args);

/** Starts one with variables of the environment, too. */
export function startWith(variables: NodeJS.ProcessEnv, ...args: string[]): Started {
  const env = { ...process.env, NO_COLOR: '1', VRADAM_DATA: undefined, ...variables };
  const child = spawn(process.execPath, [cli, ...args], { env });
  let [output, printed] = ['', ''];
  child.stdout?.on('data', (chunk) => {
    output += chunk;
    printed += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  const finished = new Promise<Finished>((done) => {
    child.on('close', (code) => done({ code, output, printed }));
  });
  return { child, finished, said: () => output };
}

/** All that a run measured, but for the wall times. */
export async function measuredIn(path: string): Promise<unknown[]> {
  const lines = await new RunFolder(path).readMetrics();
  return lines.map((line) => ({ ...line, stepMs: 0, optimizerMs: 0, batchMs: 0 }));
}
