/** Races at the same time: each as it is alone, and none lost or left running, however the command ends. */

import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { measuredIn, start } from './command.ts';

let results = '';
beforeAll(async () => {
  results = await mkdtemp(join(tmpdir(), 'vradam-parallel-'));
});
afterAll(() => rm(results, { recursive: true, force: true }));

const small = [
  'run',
  'cifar10-cnn',
  '--optimizer',
  'vradam',
  '--epochs',
  '1',
  '--checkpoint-steps',
  '3',
  '--seeds',
  '2',
];
const call = (out: string, ...flags: string[]) =>
  start(...small, '--jobs', '2', '--out', join(results, out), ...flags);
const seeds = [0, 1];
const seedsIn = (out: string) => seeds.map((seed) => join(results, out, `cifar10-cnn-seed-${seed}`));

async function linesIn(out: string): Promise<number[]> {
  const texts = seedsIn(out).map((path) => readFile(join(path, 'metrics.jsonl'), 'utf8').catch(() => ''));
  return (await Promise.all(texts)).map((text) => text.split('\n').length - 1);
}

test('killed and interrupted, two races at the same time end as if nothing had been', {
  timeout: 600_000,
}, async () => {
  const whole = await call('whole').finished;
  expect(whole.code, whole.output).toBe(0);
  expect(whole.output).toMatch(/begins 2 of 2:.* seed 1.*seeds 0, 1: mean/s);
  expect(await readdir(join(results, 'whole'))).toHaveLength(2);

  const killed = call('cut');
  const twoRun = async () => (await linesIn('cut')).filter((lines) => lines > 1).length > 1;
  while (killed.child.exitCode === null && !(await twoRun())) await sleep(20);
  killed.child.kill('SIGKILL');
  await killed.finished;

  const stopped = call('cut', '--resume');
  await once(stopped.child.stdout as Readable, 'data'); // it listens to signals, and the races of before have ended
  const before = await linesIn('cut');
  const moved = async () => (await linesIn('cut')).some((lines, i) => lines > (before[i] as number));
  while (stopped.child.exitCode === null && !(await moved())) await sleep(20);
  stopped.child.kill('SIGINT');
  const { code, output } = await stopped.finished;
  expect([0, 130], output).toContain(code);
  if (code === 130) expect(output).toMatch(/Interrupted.*--resume/);

  const last = await call('cut', '--resume', '--json').finished;
  expect(last.code, last.output).toBe(0);
  const summaries = JSON.parse(last.printed) as { record: { config: { seed: number }; threads: number } }[];
  expect(summaries.map(({ record }) => record.config.seed)).toEqual(seeds);
  expect(summaries[0]?.record.threads).toBeGreaterThanOrEqual(1);
  const measured = (out: string) => Promise.all(seedsIn(out).map(measuredIn));
  expect(await measured('cut')).toEqual(await measured('whole'));

  const again = await call('cut').finished;
  expect([again.code, again.output]).toEqual([2, expect.stringContaining('already there')]);
});
