/** The final comparison of a sweep: which seeds, which settings, what is repeated, what is said. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readFinals } from '../src/report/sweep/final.ts';
import { finalTable } from '../src/report/sweep/tables.ts';
import { finalVerdicts } from '../src/report/sweep/words.ts';
import type { Executor, TrialOrder } from '../src/sweep/executor.ts';
import { finalSeeds, runFinals } from '../src/sweep/final.ts';
import { Study, type StudyConfig } from '../src/sweep/study.ts';
import type { OptimizerName } from '../src/tasks/task.ts';
import { writeRun } from './reportFolder.ts';
import { studyConfig } from './studyConfig.ts';

const config: StudyConfig = { ...studyConfig, seed: 7, seeds: 2 };
const never = new AbortController().signal;

/** Loss of a run: by its rate, so that each setting has its own, and a little by its seed; rates over 1 diverge. */
const lossOf = (learningRate: number, seed: number): number =>
  learningRate > 1 ? Number.NaN : learningRate + seed / 1000;

/** Writes runs at once, as an executor would in the end. */
function executorIn(folder: string, orders: TrialOrder[]): Executor {
  return {
    async run(order) {
      orders.push(order);
      const losses: number[][] = [];
      for (const { name, config: own, learningRate } of order.runs) {
        const loss = lossOf(learningRate as number, own.seed);
        const [optimizer] = own.optimizers as [OptimizerName];
        await writeRun(join(folder, order.folder), name, { [optimizer]: [loss + 1, loss] });
        losses.push([loss + 1, loss]);
      }
      const allFinite = losses.flat().every(Number.isFinite);
      return allFinite ? { state: 'complete', losses } : { state: 'diverged', losses, reason: 'NaN' };
    },
    async forget() {},
    async close() {},
  };
}

async function add(
  study: Study,
  optimizer: OptimizerName,
  trial: number,
  learningRate: number,
): Promise<void> {
  await study.begin({ optimizer, trial, choices: { learningRate } });
  const objective = learningRate;
  await study.end({ optimizer, trial, state: 'complete', objective, objectives: [objective], seconds: 1 });
}

async function begun() {
  const folder = await mkdtemp(join(tmpdir(), 'vradam-final-'));
  const study = await Study.open(folder, config, false);
  await add(study, 'vradam', 0, 0.5);
  await add(study, 'vradam', 1, 0.25);
  await add(study, 'adamw', 0, 0.75);
  const orders: TrialOrder[] = [];
  const run = (of: Study, count: number) =>
    runFinals(of, { count, executor: executorIn(folder, orders), jobs: 2, signal: never, onEnd() {} });
  return { folder, study, orders, run };
}

const namesOf = (orders: readonly TrialOrder[]) =>
  orders.flatMap(({ folder, runs }) => runs.map(({ name }) => `${folder}/${name}`)).sort();

test('seeds are those after the sweep’s, whatever their number', () => {
  expect(finalSeeds(config, 3)).toEqual([9, 10, 11]);
  expect(finalSeeds({ ...config, seeds: 1 }, 0)).toEqual([]);
});

test('the best trial of each optimizer runs once with each fresh seed, also where the study is opened again', async () => {
  const { folder, study, orders, run } = await begun();
  await run(study, 1);
  await run(study, 2);
  const expected = ['adamw-000-seed-10', 'adamw-000-seed-9', 'vradam-001-seed-10', 'vradam-001-seed-9'];
  expect(namesOf(orders)).toEqual(expected.map((name) => `final/${name}`));
  expect(orders[0]?.runs[0]?.config).toMatchObject({ task: config.task, seed: 9, epochs: 1 });
  const again = await Study.open(folder, config, true);
  await run(again, 2);
  expect(orders).toHaveLength(4);
  expect(again.finals('vradam').map(({ seed, objective }) => [seed, objective])).toEqual([
    [9, 0.259],
    [10, 0.26],
  ]);
});

test('where a later trial is better, its runs are the comparison, and the others are left', async () => {
  const { folder, study, orders, run } = await begun();
  await run(study, 1);
  await add(study, 'vradam', 2, 0.125);
  expect(study.finals('vradam')).toEqual([]);
  await run(study, 1);
  expect(namesOf(orders).slice(-2)).toEqual(['final/vradam-001-seed-9', 'final/vradam-002-seed-9']);
  const rows = await readFinals(study, folder);
  expect(rows.map(({ optimizer, trial }) => [optimizer, trial])).toEqual([
    ['vradam', 2],
    ['adamw', 0],
  ]);
});

test('the table has means, deviations, intervals and differences to VRAdam, seed by seed', async () => {
  const { folder, study, run } = await begun();
  await run(study, 5);
  const rows = await readFinals(study, folder);
  const [ours, theirs] = rows as [(typeof rows)[0], (typeof rows)[0]];
  expect(ours.seeds).toEqual([9, 10, 11, 12, 13]);
  for (const loss of ['validationLoss', 'testLoss'] as const) {
    expect(ours[loss].mean).toBeCloseTo(0.25 + 0.011, 9);
    expect(ours[loss].sd).toBeCloseTo(Math.sqrt(2.5) / 1000, 9);
    expect(ours[loss].againstVradam).toBeNull();
    expect(theirs[loss].againstVradam?.difference.mean).toBeCloseTo(0.5, 9);
    expect(theirs[loss].againstVradam?.lower).toBe(5);
  }
  const cells = finalTable(rows).rows.map((row) => row.map(({ text }) => text));
  expect(cells[0]?.[1]).toBe('0.261 ± 0.002');
  expect(cells[1]?.[3]).toMatch(/^\+0\.500 /);
  expect(finalVerdicts({ finals: rows })[0]).toContain('VRAdam does better');
});

test('a seed that diverges makes the mean NaN, and an optimizer without a loss has no row', async () => {
  const { folder, study, run } = await begun();
  await study.begin({ optimizer: 'adamw', trial: 1, choices: { learningRate: 2 } });
  const end = { state: 'complete', objective: 0.1, objectives: [0.1], seconds: 1 } as const;
  await study.end({ optimizer: 'adamw', trial: 1, ...end });
  await run(study, 2);
  const rows = await readFinals(study, folder);
  expect(rows.find(({ optimizer }) => optimizer === 'adamw')?.validationLoss.mean).toBeNaN();
  expect(finalTable(rows).rows[1]?.map(({ text }) => text)).toContain('NaN (2 of 2 seeds)');
  const empty = await Study.open(join(folder, 'empty'), config, false);
  await run(empty, 2);
  expect(await readFinals(empty, join(folder, 'empty'))).toEqual([]);
});

test('interrupted, it keeps what has ended', async () => {
  const { study, orders, run, folder } = await begun();
  const controller = new AbortController();
  const executor = executorIn(folder, orders);
  const onEnd = () => controller.abort('enough');
  const options = { count: 3, executor, jobs: 1, signal: controller.signal, onEnd };
  await expect(runFinals(study, options)).rejects.toBe('enough');
  expect(orders).toHaveLength(1);
  await run(study, 3);
  expect(new Set(namesOf(orders)).size).toBe(6);
  expect(orders).toHaveLength(6);
});
