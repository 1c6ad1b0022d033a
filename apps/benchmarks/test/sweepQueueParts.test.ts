/** What a queue of trials is made of, without any server: jobs, files, attempts. */

import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RunFolder } from '../src/run/records.ts';
import type { TrialOrder } from '../src/sweep/executor.ts';
import { openAttempt, removeAttempts } from '../src/sweep/queue/attempts.ts';
import { packRuns, unpackRuns } from '../src/sweep/queue/files.ts';
import { checkedJob, jobId, packed, unpackedProgress, unpackedResult } from '../src/sweep/queue/jobs.ts';
import { inProcess } from './inProcess.ts';

const temporary = () => mkdtemp(join(tmpdir(), 'vradam-parts-'));

const order: TrialOrder = {
  folder: 'trials',
  runs: [
    {
      config: {
        task: 'gflownet',
        preset: 'quick',
        engine: 'onnxruntime-node',
        optimizers: ['adamw'],
        schedule: 'constant',
        epochs: 1,
        seed: 3,
      },
      learningRate: 1e-3,
      name: 'adamw-000-seed-3',
    },
  ],
};
const job = { order, limit: null, needsData: false };
const run = order.runs[0] as TrialOrder['runs'][number];
const renamed = (name: string) => ({ ...job, order: { ...order, runs: [{ ...run, name }] } });

describe('a job', () => {
  test('is the same job after its way through JSON, and another one for any other trial or study', () => {
    const sent = JSON.parse(JSON.stringify(job));
    expect(checkedJob(sent)).toEqual(job);
    const id = jobId('study', order);
    expect(jobId('study', sent.order)).toBe(id);
    const others = [
      jobId('another study', order),
      jobId('study', { ...order, folder: 'final' }),
      jobId('study', { ...order, runs: [{ ...run, learningRate: 2e-3 }] }),
      jobId('study', { ...order, runs: [run, { ...run, name: 'adamw-000-seed-4' }] }),
    ];
    expect(new Set([id, ...others]).size).toBe(5);
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['no order', {}],
    ['runs that are no list', { ...job, order: { ...order, runs: 'all' } }],
    ['a way out of the folder', renamed('../../etc')],
    ['an absolute name', renamed('/etc/passwd')],
    ['a hidden name', renamed('.ssh')],
    ['an empty name', renamed('')],
    ['a folder that is a way out', { ...job, order: { ...order, folder: '..' } }],
    [
      'a learning rate that is a text',
      { ...job, order: { ...order, runs: [{ ...run, learningRate: '1' }] } },
    ],
  ])('is refused with %s', (_, data) => {
    expect(() => checkedJob(data)).toThrow(expect.objectContaining({ code: 'ERR_FILE_FORMAT' }));
  });

  test('keeps losses that are no numbers', () => {
    const result = { state: 'diverged' as const, losses: [[1, Number.NaN]], seconds: 1, isWhole: true };
    expect(unpackedResult(packed(result))).toEqual(result);
    expect(unpackedProgress(packed({ losses: [[Number.POSITIVE_INFINITY]] }))).toEqual({
      losses: [[Infinity]],
    });
    expect(unpackedProgress(0)).toEqual({ losses: [] });
    expect(() => unpackedResult('{"state":"complete"}')).toThrow(
      expect.objectContaining({ code: 'ERR_FILE_FORMAT' }),
    );
  });
});

describe('files of a trial', () => {
  test('arrive as they were sent', async () => {
    const [there, here] = [await temporary(), await temporary()];
    await inProcess(there).run(order, {
      signal: AbortSignal.abort(),
      stop: AbortSignal.abort(),
      onEpoch() {},
    });
    const results = join(there, 'trials');
    const { bytes, isWhole } = await packRuns(results, order);
    expect(isWhole).toBe(true);
    const data = await unpackRuns(here, order, bytes);
    const [sent, received] = [results, here].map((folder) => new RunFolder(join(folder, run.name)));
    expect(await received?.readRecord()).toEqual(await sent?.readRecord());
    expect(await received?.readMetrics()).toEqual(await sent?.readMetrics());
    expect(JSON.parse(data.get(3) as string)).toEqual((await sent?.readRecord())?.data);

    // too large: only single steps stay behind
    const less = await packRuns(results, order, bytes.length - 1);
    expect(less.isWhole).toBe(false);
    await unpackRuns(here, order, less.bytes);
    const lines = (await sent?.readMetrics())?.filter(({ kind }) => kind !== 'step');
    expect(lines?.length).toBeGreaterThan(1);
    expect(await received?.readMetrics()).toEqual(lines);
  });

  test('of a trial that has none yet are none', async () => {
    const [there, here] = [await temporary(), await temporary()];
    await unpackRuns(here, order, (await packRuns(there, order)).bytes);
    expect(await readdir(here)).toEqual([]);
  });

  test('that were not asked for are not written', async () => {
    const [there, here] = [await temporary(), await temporary()];
    const other = { ...order, runs: [{ ...run, name: 'evil' }] };
    await mkdir(join(there, 'evil'));
    await writeFile(join(there, 'evil', 'run.json'), '{}');
    await writeFile(join(there, 'evil', 'metrics.jsonl'), '');
    await unpackRuns(here, order, (await packRuns(there, other)).bytes);
    expect(await readdir(here)).toEqual([]);
  });
});

describe('an attempt', () => {
  const write = async (folder: string, files: Record<string, string>) => {
    await mkdir(join(folder, run.name), { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, run.name, name), text);
  };

  test('begins with what the one before has left, in a folder that the one before does not touch', async () => {
    const out = await temporary();
    const first = await openAttempt(out, 'trial-1');
    expect(first.isResumed).toBe(false);
    await write(first.results, { 'run.json': 'r', 'metrics.jsonl': 'm', 'checkpoint.safetensors': 'c' });
    const second = await openAttempt(out, 'trial-1');
    expect(second.isResumed).toBe(true);
    await write(first.results, { 'metrics.jsonl': 'what a worker writes that was given up' });
    const content = (name: string) => readFile(join(second.results, run.name, name), 'utf8');
    expect(await Promise.all(['run.json', 'metrics.jsonl', 'checkpoint.safetensors'].map(content))).toEqual([
      'r',
      'm',
      'c',
    ]);
    await removeAttempts(out, 'trial-1');
    expect(await readdir(out)).toEqual([]);
  });

  test('begins anew where nothing usable was left', async () => {
    const out = await temporary();
    const first = await openAttempt(out, 'trial-1');
    await write(first.results, { 'metrics.jsonl': '' });
    expect((await openAttempt(out, 'trial-1')).isResumed).toBe(false);
    expect((await openAttempt(out, 'trial-2')).isResumed).toBe(false);
  });

  test('has a folder of its own, however many begin at the same moment', async () => {
    const out = await temporary();
    const all = await Promise.all(Array.from({ length: 8 }, () => openAttempt(out, 'trial-1')));
    expect(new Set(all.map(({ results }) => results)).size).toBe(8);
  });
});
