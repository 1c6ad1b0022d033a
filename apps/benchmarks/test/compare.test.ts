/** Comparing two result folders. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { collect } from '../src/report/analysis/collect.ts';
import { compareRuns } from '../src/report/analysis/compare.ts';
import { start } from './command.ts';
import { recordOf, writeRun, writeSeed } from './reportFolder.ts';

let results = '';
beforeEach(async () => {
  results = await mkdtemp(join(tmpdir(), 'vradam-compare-'));
});
afterEach(() => rm(results, { recursive: true, force: true }));

const folder = (name: string): string => join(results, name);
const compare = async () => {
  const [a, b] = await Promise.all([collect([folder('a')]), collect([folder('b')])]);
  return compareRuns(a.runs, b.runs);
};

test('results compared with themselves do not differ', async () => {
  for (const name of ['a', 'b'])
    for (const seed of [0, 1]) await writeSeed(folder(name), seed, { vradam: [1 + seed], adamw: [2] });
  const found = await compare();
  expect(found.map(({ optimizer }) => optimizer)).toEqual(['vradam', 'adamw']);
  for (const { testLoss, unlike } of found) {
    expect(testLoss.difference).toMatchObject({ values: [0, 0], mean: 0, interval: [0, 0] });
    expect([testLoss.lower, testLoss.higher, unlike.length]).toEqual([0, 0, 0]);
  }
});

test('only seeds of both count, and a failure counts as lost', async () => {
  for (const [seed, loss] of [1, 2, 3].entries()) await writeSeed(folder('a'), seed, { vradam: [loss] });
  for (const [seed, loss] of [Number.NaN, 2.5].entries())
    await writeSeed(folder('b'), seed, { vradam: [loss] });
  const [found] = await compare();
  expect(found?.testLoss.seeds).toEqual([0, 1]);
  expect(found?.testLoss.difference).toMatchObject({ values: [Number.NaN, 0.5], mean: Number.NaN });
  expect(found?.testLoss.lower).toBe(2);
});

test('says what else is not the same', async () => {
  await writeSeed(folder('a'), 0, { vradam: [1] });
  const { config } = recordOf('b', { vradam: [1] });
  const other = { config: { ...config, engine: 'tfjs-wasm' }, optimizers: { vradam: { learningRate: 0.5 } } };
  await writeRun(folder('b'), 'b', { vradam: [1] }, other);
  const [found] = await compare();
  expect(found?.unlike).toEqual([
    'engine: "tfjs-wasm", was "onnxruntime-node"',
    'learningRate: 0.5, was 0.01',
  ]);
});

test('folders with nothing in common, and the same seed twice, are refused', async () => {
  await writeSeed(folder('a'), 0, { vradam: [1] });
  await writeSeed(folder('b'), 1, { vradam: [1] });
  await expect(compare()).rejects.toMatchObject({ code: 'ERR_STATE_MISMATCH' });
  await writeRun(folder('b'), 'one', { vradam: [1] });
  await writeRun(folder('b'), 'two', { vradam: [1] });
  await expect(compare()).rejects.toMatchObject({ message: expect.stringMatching(/twice.*one, two/s) });
});

test('the command prints differences with intervals', async () => {
  for (const seed of [0, 1, 2]) {
    await writeSeed(folder('a'), seed, { vradam: [1 + seed] });
    await writeSeed(folder('b'), seed, { vradam: [1.25 + seed] });
  }
  const { code, output } = await start('compare', folder('a'), folder('b')).finished;
  expect(code, output).toBe(0);
  expect(output).toMatch(/cifar10-cnn, quick .*vradam .*3 .*\+0\.250 \(\+0\.250 … \+0\.250\)/);
  expect(output).toContain('All settings are the same.');
  const json = await start('compare', folder('a'), folder('b'), '--json').finished;
  expect(JSON.parse(json.printed)[0].testLoss.seeds).toEqual([0, 1, 2]);
  const missing = await start('compare', folder('a'), folder('c')).finished;
  expect([missing.code, missing.output]).toEqual([2, expect.stringContaining('cannot be read')]);
});
