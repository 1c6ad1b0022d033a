/** Journals of Optuna: written for it, and read from it. With the real Optuna where it is installed. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { OptunaJournal } from '../src/sweep/optunaJournal.ts';
import { Study } from '../src/sweep/study.ts';
import { studyConfig as config } from './studyConfig.ts';

const run = promisify(execFile);

/** A study with a good, a bad, a failed and an unfinished trial. */
async function begun() {
  const folder = await mkdtemp(join(tmpdir(), 'vradam-optuna-'));
  const study = await Study.open(folder, config, false);
  const path = join(folder, 'journal.log');
  const journal = new OptunaJournal(path);
  for (const [trial, objective] of [2.5, 1.5, null].entries()) {
    const choices = {
      learningRate: 10 ** -(trial + 1),
      beta3: 1 + trial / 10,
      normGrad: trial === 1,
      lrCutoff: 5 + trial,
    };
    await study.begin({ optimizer: 'vradam', trial, choices });
    await journal.sync(study);
    const state = objective === null ? ('failed' as const) : ('complete' as const);
    const objectives = objective === null ? [] : [objective];
    await study.end({ optimizer: 'vradam', trial, state, objective, objectives, seconds: 1 });
    await journal.sync(study);
  }
  await study.begin({ optimizer: 'adamw', trial: 0, choices: { learningRate: 0.01 } });
  await journal.sync(study);
  return { study, path, journal };
}

const lines = async (path: string): Promise<Record<string, unknown>[]> =>
  (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('each study and trial is made once, however often the journal is brought up to date', async () => {
  const { study, path } = await begun();
  const before = await readFile(path, 'utf8');
  await new OptunaJournal(path).sync(study);
  expect(await readFile(path, 'utf8')).toBe(before);
  const codes = (await lines(path)).map(({ op_code }) => op_code);
  expect(codes.filter((code) => code === 0)).toHaveLength(2);
  expect(codes.filter((code) => code === 4)).toHaveLength(4);
  expect(codes.filter((code) => code === 6)).toHaveLength(3);
});

test('a study of others in the same file moves all numbers, and nothing else', async () => {
  const { study } = await begun();
  const folder = await mkdtemp(join(tmpdir(), 'vradam-optuna-'));
  const path = join(folder, 'shared.log');
  const foreign = [
    { op_code: 0, worker_id: 'x', study_name: 'theirs', directions: [2] },
    { op_code: 4, worker_id: 'x', study_id: 0, datetime_start: '2026-01-01T00:00:00.000000' },
    { op_code: 6, worker_id: 'x', trial_id: 0, state: 1, values: [Number.NaN] },
  ];
  await writeFile(path, foreign.map((line) => `${JSON.stringify(line).replace('null', 'NaN')}\n`).join(''));
  await new OptunaJournal(path).sync(study);
  const own = (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .slice(3)
    .map((line) => JSON.parse(line));
  expect(own.filter(({ op_code }) => op_code === 4).map(({ study_id }) => study_id)).toEqual([1, 1, 1, 2]);
  expect(own.filter(({ op_code }) => op_code === 6).map(({ trial_id }) => trial_id)).toEqual([1, 2, 3]);
});

test('a last line that was cut short is taken away; a damaged one before it is refused by number', async () => {
  const { study, path } = await begun();
  const whole = await readFile(path, 'utf8');
  await writeFile(path, `${whole}{"op_code":6,"wor`);
  await study.end({
    optimizer: 'adamw',
    trial: 0,
    state: 'complete',
    objective: 3,
    objectives: [3],
    seconds: 1,
  });
  await new OptunaJournal(path).sync(study);
  expect((await lines(path)).at(-1)).toMatchObject({ op_code: 6, state: 1, values: [3] });
  await writeFile(path, whole.replace('{"op_code":4', '{op'));
  await expect(new OptunaJournal(path).sync(study)).rejects.toMatchObject({
    code: 'ERR_FILE_FORMAT',
    message: expect.stringContaining('line'),
  });
});

test('two writers at once lose nothing', async () => {
  const { study, path } = await begun();
  const writers = [new OptunaJournal(path), new OptunaJournal(path), new OptunaJournal(path)];
  await study.begin({ optimizer: 'adamw', trial: 1, choices: { learningRate: 0.1 } });
  await Promise.all(writers.map((writer) => writer.sync(study)));
  const made = (await lines(path)).filter(({ op_code }) => op_code === 4);
  expect(made).toHaveLength(5);
});

const python = '/usr/bin/python3';
const isInstalled = await run(python, ['-c', 'import optuna']).then(
  () => true,
  () => false,
);
const title = isInstalled ? 'Optuna itself' : 'Optuna itself (skipped: python3-optuna is not installed)';

describe.skipIf(!isInstalled)(title, () => {
  const script = (path: string, body: string) => `
import json, warnings
warnings.simplefilter('ignore')
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
from optuna.storages import JournalStorage, JournalFileStorage
storage = JournalStorage(JournalFileStorage(${JSON.stringify(path)}))
study = optuna.load_study(study_name='cifar10-cnn/vradam', storage=storage)
${body}
`;
  const ask = async (path: string, body: string) =>
    JSON.parse((await run(python, ['-c', script(path, body)])).stdout);

  test('lists the trials, finds the best one, and knows the failed and the unfinished', {
    timeout: 60_000,
  }, async () => {
    const { path } = await begun();
    const seen = await ask(
      path,
      `
both = optuna.load_study(study_name='cifar10-cnn/adamw', storage=storage)
print(json.dumps({
  'states': [t.state.name for t in study.trials], 'values': [t.value for t in study.trials],
  'best': study.best_params, 'other': [t.state.name for t in both.trials]}))`,
    );
    expect(seen.states).toEqual(['COMPLETE', 'COMPLETE', 'FAIL']);
    expect(seen.values).toEqual([2.5, 1.5, null]);
    expect(seen.best).toEqual({ learningRate: 0.01, beta3: 1.1, normGrad: true, lrCutoff: 6 });
    expect(seen.other).toEqual(['RUNNING']);
  });

  test('knows a pruned trial, the losses of its epochs and the last of them, and learns from it', {
    timeout: 60_000,
  }, async () => {
    const { study, path, journal } = await begun();
    await study.begin({ optimizer: 'vradam', trial: 3, choices: { learningRate: 0.2 } });
    await study.end({
      ...{ optimizer: 'vradam', trial: 3, state: 'pruned', objective: null, objectives: [], seconds: 1 },
      epochLosses: [3.5, null, 3.25],
    });
    await journal.sync(study);
    const body = `
t = study.trials[3]
print(json.dumps([t.state.name, t.value, t.intermediate_values, t.last_step, study.best_value]))`;
    expect(await ask(path, body)).toEqual(['PRUNED', 3.25, { 0: 3.5, 2: 3.25 }, 2, 1.5]);
    expect(study.tried('vradam').at(-1)?.objective).toBe(3.25);
  });

  test('goes on with the study, and we with what it has added', { timeout: 120_000 }, async () => {
    const { study, path, journal } = await begun();
    const [added] = await ask(
      path,
      `
def objective(trial):
  trial.suggest_float('learningRate', 1e-4, 0.3, log=True)
  trial.suggest_float('beta3', 0.1, 1.5)
  trial.suggest_categorical('normGrad', [False, True])
  trial.suggest_int('lrCutoff', 3, 30)
  if trial.number == 4: raise optuna.TrialPruned()
  return 0.5
study.optimize(objective, n_trials=2)
print(json.dumps([[t.params for t in study.trials[3:]]]))`,
    );
    await study.begin({ optimizer: 'vradam', trial: 3, choices: { learningRate: 0.2 } });
    await journal.sync(study);
    expect(journal.foreign('cifar10-cnn', 'vradam')).toEqual([
      { choices: added[0], objective: 0.5 },
      { choices: added[1], objective: null },
    ]);
    await study.end({
      optimizer: 'vradam',
      trial: 3,
      state: 'complete',
      objective: 0.25,
      objectives: [0.25],
      seconds: 1,
    });
    await journal.sync(study);
    const seen = await ask(path, 'print(json.dumps([study.best_value, len(study.trials)]))');
    expect(seen).toEqual([0.25, 6]);
  });
});
