/** Several seeds, and a call that is made again. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunFolder } from '../src/run/records.ts';
import { start } from './command.ts';

let results = '';
beforeAll(async () => {
  results = await mkdtemp(join(tmpdir(), 'vradam-bench-'));
});
afterAll(() => rm(results, { recursive: true, force: true }));

const small = ['run', 'cifar10-cnn', '--epochs', '1', '--optimizer', 'vradam', '--seed', '4'];

test('each seed is a run of its own; the same call with --resume does what is missing, and no more', {
  timeout: 240_000,
}, async () => {
  const out = join(results, 'call');
  const first = await start(...small, '--seeds', '2', '--out', out, '--json').finished;
  expect(first.code, first.output).toBe(0);
  expect(await readdir(out)).toEqual(['cifar10-cnn-seed-4', 'cifar10-cnn-seed-5']);
  const summaries = JSON.parse(first.printed) as { record: { config: { seed: number } } }[];
  expect(summaries.map(({ record }) => record.config.seed)).toEqual([4, 5]);

  await rm(join(out, 'cifar10-cnn-seed-4'), { recursive: true });
  const whole = join(out, 'cifar10-cnn-seed-5', 'run.json');
  const before = await readFile(whole, 'utf8');
  const again = await start(...small, '--seeds', '2', '--out', out, '--resume').finished;
  expect(again.code, again.output).toBe(0);
  expect(again.output).toMatch(/seeds 4, 5: mean ± deviation/);
  expect(await readFile(whole, 'utf8')).toBe(before);
  const losses = await Promise.all(
    [4, 5].map(async (seed) => {
      const lines = await new RunFolder(join(out, `cifar10-cnn-seed-${seed}`)).readMetrics();
      return lines.find((line) => line.kind === 'final')?.testLoss;
    }),
  );
  expect(losses[0]).not.toBe(losses[1]);

  const other = await start(...small, '--seeds', '1', '--schedule', 'constant', '--out', out, '--resume')
    .finished;
  expect([other.code, other.output]).toEqual([2, expect.stringContaining('begun with other settings')]);
});

test('a record of another version is refused by its name and version', async () => {
  const folder = join(results, 'from-the-future');
  await new RunFolder(folder).create({ name: 'from-the-future' } as never);
  await writeFile(join(folder, 'run.json'), '{"schema":"vradam-run/9"}');
  const { code, output } = await start('run', '--resume', folder).finished;
  expect(output).toMatch(/from-the-future.*another version.*vradam-run\/9/);
  expect(code).toBe(2);
});

test('list names tasks with the tables they reproduce, optimizers, engines and presets', async () => {
  const { code, output } = await start('list').finished;
  expect(code).toBe(0);
  expect(output).toMatch(/language-model .*Table 2/);
  expect(output).toMatch(/onnxruntime-node \(default\) .*installed/);
  expect(output).toMatch(/vradam-gradient-norm .*if asked for/);
  expect(output).toContain('Presets: quick, medium, paper');
  const { printed } = await start('list', '--json').finished;
  const { engines } = JSON.parse(printed);
  const found = (engines as { readonly name: string }[]).find(({ name }) => name === 'onnxruntime-node');
  expect(found).toMatchObject({ isDefault: true, missing: [], lacks: null });
});
