/** Learning rates on a grid: the file of all tries, and the command that makes it. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sgd } from '@vradam/core';
import { expect, test } from 'vitest';
import { startEngine } from '../src/engines/index.ts';
import { attempt } from '../src/sweep/attempt.ts';
import { bestRate, hasTry, readTuning, type Try, type TuningRecord, withTry } from '../src/sweep/tuning.ts';
import { diffusion } from '../src/tasks/diffusion/index.ts';
import { ownDefaults } from '../src/tasks/task.ts';
import { emptyFolder, expectFailure } from './dataFolder.ts';

const empty: TuningRecord = {
  schema: 'vradam-tuning/1',
  task: 'diffusion',
  preset: 'quick',
  epochs: 3,
  note: 'a loss',
  rows: [],
};
const one: Try = { data: 'digits', optimizer: 'vradam', learningRate: 0.01, seed: 1 };

test('tries are kept in order, seeds of the same try together, and the best mean wins', () => {
  const tries: [Partial<Try>, number | null][] = [
    [{ learningRate: 0.1 }, null],
    [{ learningRate: 0.1, seed: 2 }, 0.1],
    [{ learningRate: 0.01 }, 0.5],
    [{ learningRate: 0.01, seed: 2 }, 0.3],
    [{ learningRate: 0.001 }, 0.45],
    [{ optimizer: 'adamw' }, 0.2],
    [{ data: 'words', learningRate: 0.1 }, 0.01],
  ];
  const record = tries.reduce(
    (before, [change, loss]) => withTry(before, { ...one, ...change }, loss),
    empty,
  );
  expect(record.rows.map(({ optimizer, learningRate }) => [optimizer, learningRate])).toEqual([
    ['adamw', 0.01],
    ['vradam', 0.001],
    ['vradam', 0.01],
    ['vradam', 0.1],
    ['vradam', 0.1],
  ]);
  expect(record.rows[2]?.validationLoss).toEqual({ 'seed 1': 0.5, 'seed 2': 0.3 });
  const best = (data: string, optimizer: 'vradam' | 'adamw' | 'rmsprop') => bestRate(record, data, optimizer);
  expect([best('digits', 'vradam'), best('digits', 'adamw'), best('digits', 'rmsprop')]).toEqual([
    0.01,
    0.01,
    undefined,
  ]);
  expect(best('words', 'vradam')).toBe(0.1);
  expect([hasTry(record, { ...one, learningRate: 0.1 }), hasTry(record, { ...one, data: 'words' })]).toEqual([
    true,
    false,
  ]);
});

test('a file is gone on with, and refused if it is of something else or damaged', async () => {
  const path = join(await emptyFolder(), 'tuning.json');
  expect(await readTuning(path, empty)).toEqual(empty);
  const record = withTry(empty, one, 0.5);
  await writeFile(path, JSON.stringify(record));
  expect(await readTuning(path, empty)).toEqual(record);
  await expectFailure(readTuning(path, { ...empty, epochs: 5 }), 'ERR_STATE_MISMATCH', '"epochs":3');
  for (const damaged of [
    '{',
    'null',
    '{"schema":"vradam-run/1"}',
    '{"schema":"vradam-tuning/1","rows":[{}]}',
  ]) {
    await writeFile(path, damaged);
    await expectFailure(readTuning(path, empty), 'ERR_FILE_FORMAT', path);
    expect(await readFile(path, 'utf8')).toBe(damaged);
  }
});

test('an attempt has a loss for each step and epoch, and ends where the loss is no number', async () => {
  const whole = await diffusion.prepare({
    ...ownDefaults,
    preset: 'quick',
    seed: 0,
    data: undefined,
    schedule: 'constant',
    epochs: 1,
    tokenizer: undefined,
  });
  const firstTwo = function* () {
    yield* [...(whole.trainBatches(0, {} as never) as Iterable<never>)].slice(0, 2);
  };
  const problem = { ...whole, trainBatches: firstTwo };
  const engine = await startEngine('onnxruntime-node');
  const { signal } = new AbortController();
  const spec = (learningRate: number) => sgd({ learningRate, momentum: 0, weightDecay: 0 });
  const good = await attempt(problem, engine, spec(0.01), 0, signal);
  expect([good.trainLosses.length, good.validationLosses.length, good.failure]).toEqual([2, 1, null]);
  expect(await attempt(problem, engine, spec(0.01), 0, signal)).toEqual(good);
  const bad = await attempt(problem, engine, spec(1e30), 0, signal);
  expect([bad.trainLosses[0], bad.validationLosses]).toEqual([good.trainLosses[0], []]);
  expect(bad.failure).toContain('must be finite');
  await expect(attempt(problem, engine, spec(0.01), 0, AbortSignal.abort('enough'))).rejects.toBe('enough');
});
