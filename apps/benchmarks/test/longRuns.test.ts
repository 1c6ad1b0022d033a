/** Runs that end before their time: killed, asked to stop, or out of disk. */

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VRAdamError } from '@vradam/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeCheckpoint, encodeCheckpoint } from '../src/run/checkpoint.ts';
import { RunFolder } from '../src/run/records.ts';
import { measuredIn, start } from './command.ts';
import { recordOf, writeSeed } from './reportFolder.ts';

let results = '';
beforeAll(async () => {
  results = await mkdtemp(join(tmpdir(), 'vradam-long-'));
});
afterAll(() => rm(results, { recursive: true, force: true }));

const small = [
  'run',
  'cifar10-cnn',
  '--seeds',
  '1',
  '--epochs',
  '2',
  '--optimizer',
  'vradam,rmsprop',
  '--checkpoint-steps',
  '3',
];
const lineCount = async (path: string): Promise<number> =>
  (await readFile(join(path, 'metrics.jsonl'), 'utf8').catch(() => '')).split('\n').length - 1;
const pathOf = (name: string): string => join(results, name);

/** Steps of a checkpoint's epoch. */
async function stepsKept(path: string): Promise<number> {
  const bytes = await readFile(join(path, 'checkpoint.safetensors'));
  return decodeCheckpoint(bytes).progress.steps;
}

test('killed five times at random moments, a run ends with the metrics of one that was not, bit for bit', {
  timeout: 400_000,
}, async () => {
  const whole = await start(...small, '--results', results, '--name', 'whole').finished;
  expect(whole.code, whole.output).toBe(0);
  const moments: string[] = [];
  for (let kill = 0; kill < 5; kill++) {
    const args =
      kill === 0 ? [...small, '--name', 'killed'] : ['run', '--checkpoint-steps', '3', '--resume', 'killed'];
    const { child, finished } = start(...args, '--results', results);
    // from the first step it writes on, some time of up to half a second: in a step, a checkpoint or an evaluation
    const before = await lineCount(pathOf('killed'));
    while (child.exitCode === null && (await lineCount(pathOf('killed'))) === before) await sleep(10);
    const wait = Math.random() * 500;
    await sleep(wait);
    child.kill('SIGKILL');
    await finished;
    moments.push(`${wait.toFixed(0)} ms after line ${before}`);
  }
  const last = await start('run', '--results', results, '--resume', 'killed').finished;
  const told = `killed ${moments.join(', ')}: ${last.output}`;
  expect(last.code === 0 || last.output.includes('nothing to resume'), told).toBe(true);
  expect(await measuredIn(pathOf('killed')), told).toEqual(await measuredIn(pathOf('whole')));
});

test('asked to stop, a run keeps the step it is at, and goes on from there', {
  timeout: 120_000,
}, async () => {
  const args = ['run', 'cifar10-cnn', '--epochs', '1', '--optimizer', 'vradam', '--results', results];
  const { child, finished } = start(...args, '--seeds', '1', '--name', 'stopped');
  while (child.exitCode === null && (await lineCount(pathOf('stopped'))) < 2) await sleep(10);
  child.kill('SIGTERM');
  const { code, output } = await finished;
  expect([code, output]).toEqual([143, expect.stringContaining('Interrupted')]);
  const kept = await lineCount(pathOf('stopped'));
  expect(kept).toBeGreaterThanOrEqual(2);
  expect(await stepsKept(pathOf('stopped'))).toBe(kept);

  const resumed = await start('run', '--results', results, '--resume', 'stopped').finished;
  expect(resumed.code, resumed.output).toBe(0);
  expect(resumed.output).toContain(`continues after ${kept} steps`);
  const lines = await new RunFolder(pathOf('stopped')).readMetrics();
  const steps = lines.filter((line) => line.kind === 'step');
  expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 16 }, (_, i) => i));
  // the mean of the epoch is over the steps before the stop, too
  const [epoch] = lines.filter((line) => line.kind === 'epoch');
  expect(epoch?.trainLoss).toBe(steps.reduce((sum, { loss }) => sum + loss, 0) / 16);
});

test('a checkpoint of before, without steps, is read as the end of an epoch', () => {
  const progress = { optimizer: 'vradam', epochs: 3, steps: 0, lossSum: 0, metricsBytes: 7 } as const;
  const text = Buffer.from(encodeCheckpoint({ progress, snapshot: null })).toString('latin1');
  const before = text
    .replace('vradam-checkpoint/2', 'vradam-checkpoint/1')
    .replace('\\"steps\\":0,\\"lossSum\\":0,', ' '.repeat('\\"steps\\":0,\\"lossSum\\":0,'.length));
  expect(before).not.toContain('lossSum');
  expect(decodeCheckpoint(Buffer.from(before, 'latin1'))).toEqual({ progress, snapshot: null });
});

describe.skipIf(!existsSync('/dev/full'))('on a full disk', () => {
  /** A run whose next write of a file meets a disk without room. */
  async function full(name: string, file: string): Promise<RunFolder> {
    await writeSeed(pathOf(name), 0, { vradam: [1] });
    const folder = new RunFolder(join(pathOf(name), 'seed-0'));
    await rm(join(folder.path, file), { force: true });
    await symlink('/dev/full', join(folder.path, file));
    return folder;
  }

  test('lines, checkpoints and records are refused with the reason, by name of the folder', async () => {
    const refusal = {
      code: 'ERR_FILE_SYSTEM',
      message: expect.stringMatching(/seed-0.*ENOSPC.*free space/s),
    };
    const line = { kind: 'failure', optimizer: 'vradam', epoch: 0, step: 0, reason: '' } as const;
    const lines = await full('lines', 'metrics.jsonl');
    await expect(lines.append(line)).rejects.toMatchObject(refusal);
    const checkpoint = await full('checkpoint', 'checkpoint.safetensors.part');
    await expect(checkpoint.writeCheckpoint(new Uint8Array(9))).rejects.toMatchObject(refusal);
    const record = await full('record', 'run.json.part');
    await expect(record.writeRecord(recordOf('other', { vradam: [2] }))).rejects.toMatchObject(refusal);
  });

  test('what was written before stays as it was', async () => {
    const folder = await full('stays', 'checkpoint.safetensors.part');
    await writeFile(join(folder.path, 'checkpoint.safetensors'), 'the one before');
    const lines = await folder.readMetrics();
    await folder
      .writeCheckpoint(new Uint8Array(9))
      .catch((error) => expect(error).toBeInstanceOf(VRAdamError));
    expect(Buffer.from((await folder.readCheckpoint()) as Uint8Array).toString()).toBe('the one before');
    expect(await folder.readMetrics()).toEqual(lines);
    expect((await folder.readRecord()).name).toBe('seed-0');
  });
});

test('a results folder that cannot be written is refused with exit code 2', async () => {
  const file = pathOf('a-file');
  await writeFile(file, 'not a folder');
  const run = await start('run', '--results', join(file, 'below')).finished;
  expect([run.code, run.output]).toEqual([2, expect.stringMatching(/a-file.*cannot be read or written/s)]);
  await writeSeed(pathOf('fine'), 0, { vradam: [1] });
  const report = await start('report', pathOf('fine'), '--out', join(file, 'below')).finished;
  expect([report.code, report.output]).toEqual([2, expect.stringMatching(/cannot be read or written/)]);
  expect(await readFile(file, 'utf8')).toBe('not a folder');
});
