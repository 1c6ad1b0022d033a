/** Pruners: who is ended, when, and how a study keeps it. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readSweep } from '../src/report/sweep/record.ts';
import { bestTable } from '../src/report/sweep/tables.ts';
import { sweepNotes } from '../src/report/sweep/words.ts';
import type { Executor } from '../src/sweep/executor.ts';
import { isPruned, type PrunerConfig } from '../src/sweep/pruner.ts';
import { Study, type StudyConfig } from '../src/sweep/study.ts';
import { runSweep } from '../src/sweep/sweep.ts';
import type { OptimizerName } from '../src/tasks/task.ts';
import { writeRun } from './reportFolder.ts';
import { studyConfig } from './studyConfig.ts';

const median: PrunerConfig = { name: 'median', warmupEpochs: 1, warmupTrials: 3 };
const halving: PrunerConfig = { ...median, name: 'halving' };
const falling = (to: number, epochs = 9) => Array.from({ length: epochs }, (_, i) => to + (epochs - i) / 10);

describe('the median', () => {
  const others = [1, 2, 3].map((to) => falling(to));

  test('ends what is above it, and nothing else', () => {
    expect(isPruned(median, falling(2.5).slice(0, 2), others)).toBe(true);
    expect(isPruned(median, falling(1.5).slice(0, 2), others)).toBe(false);
    expect(isPruned(median, falling(2).slice(0, 2), others)).toBe(false);
  });

  test('waits for its epochs and its trials, and spares whoever has had all epochs', () => {
    expect(isPruned({ ...median, warmupEpochs: 3 }, falling(9).slice(0, 2), others)).toBe(false);
    expect(isPruned({ ...median, warmupEpochs: 3 }, falling(9).slice(0, 3), others)).toBe(true);
    expect(isPruned(median, falling(9).slice(0, 2), others.slice(1))).toBe(false);
    expect(isPruned(median, falling(9), others)).toBe(false);
    expect(isPruned(median, falling(9).slice(0, 2), [])).toBe(false);
  });

  test('goes by the best of the epochs, and a loss that is no number is the worst', () => {
    expect(isPruned(median, [0.5, 99], others)).toBe(false);
    expect(isPruned(median, [Number.NaN], others)).toBe(true);
    const failed = [Number.NaN, Number.NaN, Number.NaN].map((loss) => [loss, loss]);
    expect(isPruned(median, [9], failed)).toBe(false);
  });
});

test('halving judges at rungs alone, and there leaves one of three, the first always', () => {
  const others = [1, 2, 3, 4, 5].map((to) => falling(to));
  const pruned = (to: number, epochs: number) => isPruned(halving, falling(to).slice(0, epochs), others);
  expect([1, 2, 3, 4].map((epochs) => pruned(9, epochs))).toEqual([true, false, true, false]);
  expect(pruned(1.5, 3)).toBe(false);
  expect(pruned(2.5, 3)).toBe(true);
  expect(isPruned(halving, [1], [[2, 2]])).toBe(false);
});

test('no pruner ends the best of all', () =>
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.double({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), { maxLength: 8 }),
      fc.constantFrom<PrunerConfig['name']>('median', 'halving'),
      fc.integer({ min: 1, max: 6 }),
      (others, name, epochs) => {
        expect(isPruned({ ...median, name }, Array(epochs).fill(0.5), others)).toBe(false);
      },
    ),
  ));

const never = new AbortController().signal;

/** Trains six epochs to the rate, and stops when it is told to. */
function executorIn(folder: string): Executor {
  return {
    async run(order, { stop, onEpoch }) {
      const losses: number[][] = [];
      for (const [run, { name, learningRate, config }] of order.runs.entries()) {
        const seen: number[] = [];
        for (const [epoch, validationLoss] of falling(learningRate as number, 6).entries()) {
          seen.push(validationLoss);
          onEpoch({ run, epoch, validationLoss });
          if (stop.aborted) break;
        }
        losses.push(seen);
        const [optimizer] = config.optimizers as [OptimizerName];
        await writeRun(join(folder, order.folder), name, { [optimizer]: seen });
        if (stop.aborted) return { state: 'pruned', losses };
      }
      return { state: 'complete', losses };
    },
    async forget() {},
    async close() {},
  };
}

const config: StudyConfig = {
  ...studyConfig,
  ...{ optimizers: ['adamw'], sampler: 'random', trials: 12, seeds: 2, pruner: median },
};

test('a sweep ends bad trials, keeps their losses, and counts trials and epochs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vradam-pruner-'));
  const study = await Study.open(folder, config, false);
  const executor = executorIn(folder);
  await runSweep(study, { executor, jobs: 1, signal: never, journal: undefined, onEnd() {} });
  const ends = (await Study.open(folder, config, true)).trials('adamw').map(({ end }) => end);
  const pruned = ends.filter((end) => end?.state === 'pruned');
  expect(ends).toHaveLength(12);
  expect(pruned.length).toBeGreaterThan(2);
  expect(pruned.length).toBeLessThan(10);
  for (const end of pruned) {
    expect(end).toMatchObject({ objective: null, objectives: [] });
    const had = end?.epochLosses?.length ?? 0;
    expect([1, 2, 3, 4, 5]).toContain(had);
    expect(end?.reason).toBe(had === 1 ? 'after 1 epoch' : `after ${had} epochs`);
  }
  expect(ends.slice(0, 3).map((end) => end?.state)).toEqual(['complete', 'complete', 'complete']);
  const rates = study.trials('adamw').map(({ choices }) => choices['learningRate'] as number);
  expect(study.best('adamw')?.choices['learningRate']).toBe(Math.min(...rates));
  const learnt = study.tried('adamw').map(({ objective }) => objective);
  expect(learnt.every((objective) => objective !== null)).toBe(true);
  const record = await readSweep(folder);
  const cells = bestTable(record).rows[0]?.map(({ text }) => text) ?? [];
  const had = pruned.reduce((all, end) => all + (end?.epochLosses?.length ?? 0), 0);
  const epochs = 12 * (12 - pruned.length) + had;
  expect(cells.slice(3, 7)).toEqual(['12', String(pruned.length), String(epochs), '0']);
  expect(sweepNotes(record)[0]).toContain('not as many epochs');
});

test('a study without a pruner is another one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vradam-pruner-'));
  await Study.open(folder, config, false);
  const { pruner: _, ...plain } = config;
  await expect(Study.open(folder, plain, true)).rejects.toMatchObject({ code: 'ERR_STATE_MISMATCH' });
});
