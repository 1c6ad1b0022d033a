/** A sweep as a user runs it: what is kept, what is repeated, what a bad trial does. */

import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { EpochReport } from '../src/sweep/executor.ts';
import { runTrial } from '../src/sweep/runTrial.ts';
import { checkSpace } from '../src/sweep/space.ts';
import { spaceNames, spaceOf } from '../src/sweep/spaces.ts';
import { type EndLine, Study, type StudyConfig } from '../src/sweep/study.ts';
import { defaultOptimizers } from '../src/tasks/task.ts';
import { start } from './command.ts';
import { studyConfig as config } from './studyConfig.ts';

const temporary = () => mkdtemp(join(tmpdir(), 'vradam-sweep-'));

const end = (trial: number, objective: number | null): Omit<EndLine, 'kind' | 'at'> => ({
  optimizer: 'vradam',
  trial,
  state: objective === null ? 'failed' : 'complete',
  objective,
  objectives: objective === null ? [] : [objective],
  seconds: 1,
});

describe('a study', () => {
  test('is the same after it was closed and opened again, and knows what was interrupted', async () => {
    const folder = await temporary();
    const study = await Study.open(folder, config, false);
    await study.begin({ optimizer: 'vradam', trial: 0, choices: { learningRate: 0.1 } });
    await study.end(end(0, 2));
    await study.begin({ optimizer: 'vradam', trial: 1, choices: { learningRate: 0.2 } });
    const again = await Study.open(folder, { ...config, trials: 9 }, true);
    expect(again.trials('vradam')).toEqual(study.trials('vradam'));
    expect(again.trials('vradam').map((trial) => trial.end?.objective)).toEqual([2, undefined]);
    expect(again.tried('vradam')).toEqual([{ choices: { learningRate: 0.1 }, objective: 2 }]);
    expect(again.trials('adamw')).toEqual([]);
  });

  test('a line that was cut short is forgotten, and the next one is whole', async () => {
    const folder = await temporary();
    const study = await Study.open(folder, config, false);
    await study.begin({ optimizer: 'vradam', trial: 0, choices: { learningRate: 0.1 } });
    const path = join(folder, 'study.jsonl');
    const whole = await readFile(path, 'utf8');
    await writeFile(path, `${whole}{"kind":"end","optimi`);
    const again = await Study.open(folder, config, true);
    await again.end(end(0, null));
    expect((await readFile(path, 'utf8')).startsWith(whole)).toBe(true);
    expect((await Study.open(folder, config, true)).trials('vradam')[0]?.end?.state).toBe('failed');
  });

  test.each<[string, (text: string) => string, Partial<StudyConfig>]>([
    ['ERR_FILE_FORMAT', (text) => text.replace('{"kind":"begin"', '{kind'), {}],
    ['ERR_STATE_VERSION', (text) => text.replace('vradam-sweep/1', 'vradam-sweep/9'), {}],
    ['ERR_STATE_MISMATCH', (text) => text, { seeds: 2 }],
  ])('is refused with %s', async (code, damage, other) => {
    const folder = await temporary();
    const study = await Study.open(folder, config, false);
    await study.begin({ optimizer: 'vradam', trial: 0, choices: {} });
    const path = join(folder, 'study.jsonl');
    await writeFile(path, damage(await readFile(path, 'utf8')));
    await expect(Study.open(folder, { ...config, ...other }, true)).rejects.toMatchObject({ code });
    await expect(Study.open(folder, config, false)).rejects.toMatchObject({ code: 'ERR_RUN_EXISTS' });
  });
});

test('every optimizer has a space in every task of the paper, and all of them make sense', () => {
  for (const spaces of spaceNames)
    for (const task of ['cifar10-cnn', 'language-model', 'gflownet', 'diffusion'])
      for (const optimizer of defaultOptimizers)
        expect(() => checkSpace(spaceOf(spaces, task, optimizer))).not.toThrow();
  expect(spaceOf('paper', 'cifar10-cnn', 'vradam').map(({ name }) => name)).toEqual([
    'learningRate',
    'beta3',
    'normGrad',
    'lrCutoff',
  ]);
  expect(() => spaceOf('paper', 'nothing', 'vradam')).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
  );
});

describe('a trial', () => {
  const never = new AbortController().signal;
  const script = fileURLToPath(new URL('../dist/sweep/trialProcess.js', import.meta.url));
  const places = { data: undefined, tokenizer: undefined, results: tmpdir() };
  const company = { signal: never, stop: never, onEpoch() {} };
  const order = (task: string) => ({
    folder: 'trials',
    runs: [
      {
        config: {
          task,
          preset: 'quick' as const,
          engine: 'onnxruntime-node',
          optimizers: ['vradam' as const],
          schedule: 'constant' as const,
          epochs: 40,
          seed: 0,
        },
        learningRate: 1e-3,
        name: `vradam-trial-${process.pid}-${task}`,
      },
    ],
  });

  test('that cannot be done has failed, and says why', async () => {
    const { state, reason } = await runTrial(order('no-such-task'), places, 60, company, script);
    expect([state, reason]).toEqual(['failed', expect.stringContaining('no-such-task')]);
  });

  test('that takes too long is ended', { timeout: 60_000 }, async () => {
    const begin = performance.now();
    expect(await runTrial(order('cifar10-cnn'), places, 2, company, script)).toMatchObject({
      state: 'timeout',
    });
    expect(performance.now() - begin).toBeLessThan(20_000);
  });

  test('that has no program fails, and says why', async () => {
    const { state, reason } = await runTrial(order('gflownet'), places, 60, company, `${script}-missing`);
    expect([state, reason]).toEqual(['failed', expect.stringContaining('Cannot find module')]);
  });

  test('can be broken off', async () => {
    const controller = new AbortController();
    const broken = { ...company, signal: controller.signal };
    const trial = runTrial(order('language-model'), places, 60, broken, script);
    await setTimeout(300);
    controller.abort('enough');
    await expect(trial).rejects.toBe('enough');
  });

  test('tells of its epochs, keeps a checkpoint when it is stopped, and tells of them again when it goes on', {
    timeout: 120_000,
  }, async () => {
    const [stop, told] = [new AbortController(), [] as EpochReport[]];
    const results = await temporary();
    const onEpoch = (report: EpochReport) => {
      told.push(report);
      if (report.epoch === 1) stop.abort();
    };
    const watched = { signal: never, stop: stop.signal, onEpoch };
    const inFolder = { ...places, results };
    const { state, losses } = await runTrial(order('gflownet'), inFolder, 60, watched, script);
    expect(state).toBe('pruned');
    expect(losses[0]?.slice(0, 2)).toEqual(told.slice(0, 2).map(({ validationLoss }) => validationLoss));
    const [name] = await readdir(results);
    expect(await readdir(join(results, name as string))).toContain('checkpoint.safetensors');
    expect(JSON.parse(await readFile(join(results, name as string, 'run.json'), 'utf8')).status).toBe(
      'interrupted',
    );

    const [again, more] = [new AbortController(), [] as EpochReport[]];
    const goOn = (report: EpochReport) => {
      more.push(report);
      if (report.epoch > 2) again.abort();
    };
    const company2 = { signal: never, stop: again.signal, onEpoch: goOn };
    await runTrial(order('gflownet'), inFolder, 60, company2, script);
    expect(more.slice(0, told.length)).toEqual(told);
    expect(more.length).toBeGreaterThan(told.length);
  });
});

describe('the command', () => {
  const args = (out: string) => [
    'sweep',
    'gflownet',
    '--optimizer',
    'vradam,adamw',
    '--trials',
    '3',
    '--epochs',
    '1',
    '--out',
    out,
  ];
  const lines = async (out: string): Promise<Record<string, unknown>[]> =>
    (await readFile(join(out, 'study.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const outcomes = async (out: string) =>
    (await lines(out))
      .filter(({ kind }) => kind === 'end')
      .map(({ optimizer, trial, state, objective }) => ({ optimizer, trial, state, objective }));

  test('killed at any moment and resumed, it has each trial once, with the same outcome', {
    timeout: 400_000,
  }, async () => {
    const [whole, cut] = [await temporary(), await temporary()];
    const plain = await start(...args(whole), '--json').finished;
    expect(plain.code, plain.output).toBe(0);
    const found = JSON.parse(plain.printed).best;
    expect(found.map(({ optimizer }: { optimizer: string }) => optimizer)).toEqual(['vradam', 'adamw']);

    const { child, finished } = start(...args(cut));
    await setTimeout(9000);
    child.kill('SIGKILL');
    await finished;
    const before = await outcomes(cut).catch(() => []);
    const again = await start(...args(cut), '--resume').finished;
    expect(again.code, again.output).toBe(0);
    const after = await outcomes(cut);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after).toEqual(await outcomes(whole));
    expect(after).toHaveLength(6);

    // a study that is finished can be compared with fresh seeds later
    const compared = await start(...args(whole), '--resume', '--final-seeds', '1', '--json').finished;
    expect(compared.code, compared.output).toBe(0);
    const { finals } = JSON.parse(compared.printed);
    expect(finals.map((row: { seeds: number[] }) => row.seeds)).toEqual([[1], [1]]);
    expect(finals[1].testLoss.againstVradam.seeds).toEqual([1]);
    expect(await outcomes(whole)).toEqual(after);
    expect(await readFile(join(whole, 'report.md'), 'utf8')).toContain(
      '## The best settings with fresh seeds',
    );
  });

  test('refuses what it cannot do, with exit code 2', async () => {
    for (const [bad, words] of [
      [['sweep', 'gflownett'], 'gflownet'],
      [['sweep', 'gflownet', '--sampler', 'bayes'], 'random'],
      [['sweep', 'gflownet', '--jobs', '0'], 'whole number'],
      [['sweep', 'gflownet', '--optimizer', 'vradam-gradient-norm', '--out', await temporary()], 'no space'],
    ] as const) {
      const { code, output } = await start(...bad).finished;
      expect([code, output]).toEqual([2, expect.stringContaining(words)]);
    }
  });
});
