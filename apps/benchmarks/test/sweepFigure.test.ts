/** The figure of a sweep: what it is made from, and what it shows. */

import { mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockMeans } from '../src/commands/sweepFigure.ts';
import { lookOf } from '../src/report/figures/palette.ts';
import { drawSweep, type OptimizerCurves } from '../src/report/figures/sweepCurves.ts';
import { Study, type StudyConfig } from '../src/sweep/study.ts';
import { trialName } from '../src/sweep/sweep.ts';
import { start } from './command.ts';

test('points are means over steps, and their mean is that of all steps', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.double({ min: 0, max: 9, noNaN: true })),
      (window, losses) => {
        const points = blockMeans(losses, window);
        const used = losses.slice(0, points.length * window);
        expect(losses.length - used.length).toBeLessThan(window);
        expect(points.map(({ step }) => step)).toEqual(points.map((_, i) => (i + 1) * window));
        const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
        expect(window * sum(points.map(({ loss }) => loss))).toBeCloseTo(sum(used), 9);
      },
    ),
  );
});

const curve = (loss: number) => [10, 20].map((step) => ({ step, loss }));
const all: OptimizerCurves[] = ['vradam', 'adamw'].map((name) => ({
  look: lookOf(name),
  failed: name === 'adamw' ? 2 : 0,
  trials: [0.2, 0.5, 50].map((loss, i) => ({
    train: curve(loss),
    validation: curve(loss),
    isBest: i === 0,
  })),
}));

test('every trial is a line in training and in validation, the best thick, failures counted, texts escaped', () => {
  const { svg } = drawSweep(all, 'a <script>', ['b & c']);
  for (const { look } of all) {
    const lines = (svg.match(/<g [^>]*stroke-width="[^>]*>/g) ?? []).filter((group) =>
      group.includes(`stroke="${look.color}" fill="none"`),
    );
    const widths = lines.map((group) => /stroke-width="([\d.]+)"/.exec(group)?.[1]);
    expect(widths).toEqual(['1.2', '1.2', '2.4', '1.2', '1.2', '2.4']);
  }
  expect(svg).toContain('AdamW: validation, 2 without a loss');
  expect(svg).not.toContain('VRAdam: validation, ');
  expect(svg).toContain('a &lt;script&gt;');
  expect(svg).toContain('b &amp; c');
});

const config: StudyConfig = {
  task: 'diffusion',
  preset: 'quick',
  engine: 'onnxruntime-node',
  optimizers: ['vradam'],
  sampler: 'random',
  spaces: 'paper',
  trials: 2,
  seeds: 1,
  seed: 3,
  objective: 'last',
  schedule: 'constant',
  epochs: 1,
};

async function writeStudy(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vradam-sweep-figure-'));
  const study = await Study.open(folder, config, false);
  for (const trial of [0, 1]) {
    await study.begin({ optimizer: 'vradam', trial, choices: { learningRate: 0.1 } });
    const state = trial === 0 ? 'complete' : 'diverged';
    const objective = trial === 0 ? 0.4 : null;
    await study.end({ optimizer: 'vradam', trial, state, objective, objectives: [], seconds: 1 });
  }
  const run = join(folder, 'trials', trialName('vradam', 0, 3));
  await mkdir(run, { recursive: true });
  const steps = Array.from({ length: 20 }, (_, step) => ({
    ...{ kind: 'step', optimizer: 'vradam', epoch: 0, step, loss: 1, learningRate: 0.1 },
    ...{ effectiveLearningRate: 0.1, norm: 0, stepMs: 1, optimizerMs: null },
  }));
  const lines = [
    ...steps,
    {
      kind: 'epoch',
      optimizer: 'vradam',
      epoch: 0,
      trainLoss: 1,
      validationLoss: 0.4,
      validationAccuracy: null,
    },
  ];
  await writeFile(join(run, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return folder;
}

test('a study is read as far as it has come, and not touched', async () => {
  const folder = await writeStudy();
  const path = join(folder, 'study.jsonl');
  const text = `${await readFile(path, 'utf8')}{"kind":"beg`;
  await writeFile(path, text);
  const study = await Study.read(folder);
  expect(study.config).toEqual(config);
  expect(study.trials('vradam').map(({ end }) => end?.state)).toEqual(['complete', 'diverged']);
  expect(await readFile(path, 'utf8')).toBe(text);
  await expect(Study.read(join(folder, 'trials'))).rejects.toMatchObject({ code: 'ERR_DATA_NOT_FOUND' });
  await writeFile(path, '{"kind":"begin"}\n');
  await expect(Study.read(folder)).rejects.toMatchObject({ code: 'ERR_STATE_VERSION' });
});

test('vradam-bench sweep-figure draws a study, and refuses what is none', async () => {
  const folder = await writeStudy();
  const { code, output } = await start('sweep-figure', folder).finished;
  expect([code, output]).toEqual([0, expect.stringContaining('sweep.{svg,png}')]);
  const svg = await readFile(join(folder, 'sweep.svg'), 'utf8');
  expect(svg).toContain('2 trials of each optimizer: diffusion');
  expect(svg).toContain('1 without a loss');
  expect((await stat(join(folder, 'sweep.png'))).size).toBeGreaterThan(1000);
  const refused = await start('sweep-figure', join(folder, 'trials')).finished;
  expect([refused.code, refused.output]).toEqual([2, expect.stringContaining('no study')]);
});
