/** The report of a sweep: what it is made from, and what it shows. */

import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bestSoFar } from '../src/report/analysis/bestSoFar.ts';
import { collect } from '../src/report/analysis/collect.ts';
import { slicesOf } from '../src/report/analysis/slices.ts';
import { estimate, pairedDifference } from '../src/report/analysis/statistics.ts';
import { objectiveAxis } from '../src/report/figures/axes.ts';
import { lookOf, lossColor, lossColors, palette } from '../src/report/figures/palette.ts';
import { drawParallel } from '../src/report/figures/parallel.ts';
import { drawBestSoFar, drawTrials } from '../src/report/figures/search.ts';
import { drawSlice } from '../src/report/figures/slices.ts';
import { drawSweepCurves, type OptimizerCurves } from '../src/report/figures/sweepCurves.ts';
import { sweepPage } from '../src/report/sweep/page.ts';
import { sweepPanels } from '../src/report/sweep/panels.ts';
import { blockMeans, type SweepRecord } from '../src/report/sweep/record.ts';
import { composeReport } from '../src/report/write.ts';
import type { Tried } from '../src/sweep/sampler.ts';
import type { Space } from '../src/sweep/space.ts';
import { Study, type StudyConfig } from '../src/sweep/study.ts';
import { trialName } from '../src/sweep/sweep.ts';
import { start } from './command.ts';
import { writeRun } from './reportFolder.ts';

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

const objective = fc.option(fc.double({ min: 0.1, max: 9, noNaN: true }));
const trialsOf = (objectives: readonly (number | null)[]) =>
  objectives.map((each) => ({ objective: each, objectives: each === null ? [] : [each] }));

describe('the best so far', () => {
  test('never rises, ends at the best of all, and its band is cut where it was told to be', () =>
    fc.assert(
      fc.property(fc.array(objective, { minLength: 1, maxLength: 12 }), (objectives) => {
        const points = bestSoFar(trialsOf(objectives), 9);
        const known = objectives.filter((each) => each !== null);
        const begin = objectives.findIndex((each) => each !== null);
        expect(points).toHaveLength(begin < 0 ? 0 : objectives.length - begin);
        for (const [i, { mean, low, high }] of points.entries()) {
          expect(mean).toBeLessThanOrEqual(points[i - 1]?.mean ?? Number.POSITIVE_INFINITY);
          expect(low).toBeLessThanOrEqual(high);
          expect(high).toBeLessThanOrEqual(9);
        }
        if (known.length > 0) expect(points.at(-1)?.mean).toBe(Math.min(...known));
      }),
      { numRuns: 25 },
    ));

  test('with one seed its band is of draws with replacement: 80 % of the trials at first, narrower later', () => {
    const points = bestSoFar(trialsOf(Array.from({ length: 101 }, (_, i) => i)), 1000);
    const [first, , third] = points as [(typeof points)[0], (typeof points)[0], (typeof points)[0]];
    expect(first.low).toBeGreaterThan(5);
    expect(first.low).toBeLessThan(15);
    expect(first.high).toBeGreaterThan(85);
    expect(first.high).toBeLessThan(95);
    expect(third.high).toBeLessThan(65);
  });

  test('with several seeds its band is of those of the trial that is best so far', () => {
    const trials = [
      { objective: 2, objectives: [1, 3] },
      { objective: 3, objectives: [0, 6] },
      { objective: 1.5, objectives: [1.4, 1.6] },
    ];
    expect(bestSoFar(trials, 9)).toEqual([
      { step: 1, mean: 2, low: 1, high: 3 },
      { step: 2, mean: 2, low: 1, high: 3 },
      { step: 3, mean: 1.5, low: 1.4, high: 1.6 },
    ]);
  });
});

const space: Space = [
  { kind: 'float', name: 'learningRate', low: 1e-4, high: 1, log: true },
  { kind: 'boolean', name: 'normGrad' },
  { kind: 'integer', name: 'lrCutoff', low: 3, high: 30 },
];
const bowl = (rate: number) => 0.2 + (Math.log10(rate) + 2) ** 2;
const tried: Tried[] = [1e-4, 1e-3, 5e-3, 1e-2, 2e-2, 0.1, 1].map((learningRate, i) => ({
  choices: { learningRate, normGrad: i % 2 === 0, lrCutoff: 10 },
  objective: bowl(learningRate),
}));

describe('slices', () => {
  test('go through the trials, are lowest where these are, and know little where there are none', () => {
    const slices = slicesOf(space, tried, 10);
    const rates = slices.get('learningRate') ?? [];
    const near = (rate: number) =>
      rates.reduce((a, b) =>
        Math.abs(Math.log((b.value as number) / rate)) < Math.abs(Math.log((a.value as number) / rate))
          ? b
          : a,
      );
    for (const rate of [1e-3, 1e-2, 0.1]) expect(near(rate).mean / bowl(rate)).toBeCloseTo(1, 0);
    const lowest = rates.reduce((a, b) => (b.mean < a.mean ? b : a));
    expect(Math.abs(Math.log10(lowest.value as number) + 2)).toBeLessThan(0.5);
    for (const { low, mean, high } of rates) expect(low <= mean && mean <= high).toBe(true);
    expect((slices.get('normGrad') ?? []).map(({ value, place }) => [value, place])).toEqual([
      [false, 0.25],
      [true, 0.75],
    ]);
    const cutoffs = slices.get('lrCutoff') ?? [];
    expect(cutoffs.map(({ value }) => value)).toEqual(Array.from({ length: 28 }, (_, i) => i + 3));
    const spreadAt = (value: number) => {
      const { low = 0, high = 0 } = cutoffs.find((each) => each.value === value) ?? {};
      return high - low;
    };
    expect(spreadAt(30)).toBeGreaterThan(spreadAt(10));
  });

  test('a trial without a loss counts as bad; of two trials nothing is believed; what does not count has no slice', () => {
    const [first, ...rest] = tried as [Tried, ...Tried[]];
    const failed = slicesOf(space, [{ ...first, objective: null }, ...rest], 2).get('learningRate') ?? [];
    expect((failed[0]?.mean ?? 0) > 1).toBe(true);
    expect(slicesOf(space, tried.slice(0, 2), 10).size).toBe(0);
    const without = tried.map(({ choices, objective }) => {
      return { choices: { learningRate: choices['learningRate'] as number, normGrad: true }, objective };
    });
    expect([...slicesOf(space, without, 10).keys()]).toEqual(['learningRate', 'normGrad']);
  });
});

const linesIn = (svg: string): string[] => svg.match(/<path [^>]*d="M[^"]*C[^"]*"/g) ?? [];

describe('figures', () => {
  const lost: Tried = { choices: { learningRate: 0.5, normGrad: false, lrCutoff: 4 }, objective: null };

  test('parallel coordinates have a line for each trial, dashed without a loss, thick for the best, texts escaped', () => {
    const trials = [...tried, lost];
    const hostile: Space = [...space, { kind: 'categorical', name: '<b>', choices: ['<i>', '&'] }];
    const axis = objectiveAxis(tried.map((each) => each.objective as number));
    const { svg } = drawParallel({ space: hostile, trials, axis, description: '"<u>' });
    expect(linesIn(svg)).toHaveLength(trials.length + 1); // the best is drawn once more, thick
    expect(svg.match(/stroke-dasharray/g)).toHaveLength(1);
    expect(svg).toContain('>none<');
    expect(svg).not.toMatch(/<b>|<i>|<u>/);
    expect(svg).toContain(lossColors[0]);
    expect(svg).not.toContain('NaN');
    const all = drawParallel({ space, trials: tried, axis, description: '' }).svg;
    expect(all).not.toContain('>none<');
  });

  test('a small loss and a large one have the ends of the scale', () => {
    expect([lossColor(0), lossColor(1)]).toEqual([lossColors[0], lossColors.at(-1)]);
  });

  test('an axis of losses has room for three quarters of the trials, however bad the others are', () => {
    const good = [1, 1.1, 1.2, 1.3, 1.4, 1.5];
    const { domain } = objectiveAxis([...good, 1e6, 1e9]);
    expect(domain[0]).toBeLessThan(1);
    expect(domain[1]).toBeGreaterThan(1.5);
    expect(domain[1]).toBeLessThan(10);
    expect(objectiveAxis([2, 2]).domain[0]).toBeLessThan(2);
    expect(objectiveAxis([]).domain).toHaveLength(2);
  });

  const [triangle, cross] = [/ d="M[^"M]*Z"/g, / d="M[^"]*M[^"]*" transform/g];

  test('every trial is a mark: a dot, a triangle beyond the axis, a cross without a loss', () => {
    const axis = objectiveAxis([1, 1.1, 1.2, 1.3]);
    const curves = [{ look: lookOf('vradam'), best: [], objectives: [1, 1.2, null, 40] }];
    const { svg } = drawTrials({ curves, axis, description: '' });
    expect(svg.match(/<circle /g)).toHaveLength(1 + 1);
    expect(svg.match(triangle)).toHaveLength(1);
    expect(svg.match(cross)).toHaveLength(1);
    const names = drawBestSoFar({
      curves: [{ ...(curves[0] as (typeof curves)[0]), best: bestSoFar(trialsOf([1, 1.2]), 9) }],
      axis,
      description: '',
    }).svg;
    expect(names).toContain('>VRAdam<');
  });

  test('a slice has a ring for each trial and a dot for the best', () => {
    const axis = objectiveAxis([1, 1.1, 1.2]);
    const trials = [1, 1.1, 40, null].map((objective, i) => {
      return { value: 10 ** -i, objective, isBest: i === 0 };
    });
    const parameter = space[0] as Space[number];
    const look = lookOf('adamw');
    const { svg } = drawSlice({ parameter, trials, slice: [], axis, look, description: '' });
    expect(svg.match(/<circle /g)).toHaveLength(2);
    expect(svg.match(triangle)).toHaveLength(1);
    expect(svg.match(cross)).toHaveLength(1);
    expect(svg).toContain('>learningRate<');
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

  test('every trial is a line in training and in validation, the best thick, failures counted', () => {
    const panels = drawSweepCurves(all);
    for (const [i, { look }] of all.entries()) {
      const svg = (panels[i] ?? []).map(({ drawing }) => drawing.svg).join('');
      const lines = (svg.match(/<g [^>]*stroke-width="[^>]*>/g) ?? []).filter((group) =>
        group.includes(`stroke="${look.color}" fill="none"`),
      );
      const widths = lines.map((group) => /stroke-width="([\d.]+)"/.exec(group)?.[1]);
      expect(widths).toEqual(['1.2', '1.2', '2.4', '1.2', '1.2', '2.4']);
    }
    expect(panels.map(([, validation]) => validation?.detail)).toEqual(['', '2 without a loss']);
    expect(drawSweepCurves([])).toEqual([]);
  });
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
  const folder = await mkdtemp(join(tmpdir(), 'vradam-sweep-report-'));
  const study = await Study.open(folder, config, false);
  for (const trial of [0, 1]) {
    await study.begin({ optimizer: 'vradam', trial, choices: { learningRate: 0.1 } });
    const state = trial === 0 ? 'complete' : 'diverged';
    const objective = trial === 0 ? 0.4 : null;
    await study.end({ optimizer: 'vradam', trial, state, objective, objectives: [], seconds: 1 });
  }
  await writeRun(join(folder, 'trials'), trialName('vradam', 0, 3), { vradam: [0.4, 0.3] });
  return folder;
}

test('a report of all that is there shows the losses of a sweep, and takes none of its trials for a run', async () => {
  const folder = await writeStudy();
  const { page, text, figures, races } = composeReport(await collect([folder]));
  expect(races).toBe(0);
  expect(figures.map(([name]) => name)).toEqual(['sweep-1']);
  expect(page).toContain('id="sweep-1"');
  expect(text).toContain('](figures/sweep-1.svg)');
  const { races: named } = composeReport(await collect([join(folder, 'trials')]));
  expect(named).toBe(1);
});

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
  await writeFile(path, `${text.split('\n')[1]}\n`);
  await expect(Study.read(folder)).rejects.toMatchObject({ code: 'ERR_STATE_VERSION' });
});

test.each([
  ['a begin without choices', '{"kind":"begin","optimizer":"vradam","trial":0,"at":""}'],
  [
    'an end with words for a loss',
    '{"kind":"end","optimizer":"vradam","trial":0,"state":"complete","objective":"<b>","objectives":[],"seconds":1,"at":""}',
  ],
])('a study with %s is refused by its line', async (_, line) => {
  const folder = await writeStudy();
  const path = join(folder, 'study.jsonl');
  await writeFile(path, `${await readFile(path, 'utf8')}${line}\n`);
  await expect(Study.read(folder)).rejects.toMatchObject({
    code: 'ERR_FILE_FORMAT',
    message: expect.stringContaining('line 6'),
  });
});

test('nothing that a file says is markup in the page, and all colours are the page’s', () => {
  const hostile = '<script>alert(1)</script>';
  const values = new Map([
    [1, 2],
    [2, 3],
  ]);
  const loss = { ...estimate([2, 3]), againstVradam: pairedDifference(values, values) };
  const finals = [
    {
      ...{ optimizer: hostile, trial: 0, choices: { [hostile]: hostile }, seeds: [1, 2] },
      ...{ validationLoss: loss, testLoss: loss },
    },
  ];
  const record: SweepRecord = {
    finals,
    config: { ...config, task: hostile, engine: hostile },
    window: 5,
    run: null,
    optimizers: [
      {
        optimizer: hostile,
        look: lookOf(hostile),
        space,
        trials: tried.map(({ choices, objective }, trial) => ({
          ...{ trial, objective, objectives: [objective as number], seconds: 1, curves: [] },
          ...{ choices: { ...choices, [hostile]: hostile }, state: 'complete' as const, reason: hostile },
        })),
      },
    ],
  };
  const page = sweepPage(record, sweepPanels(record));
  expect(page).not.toContain('<script>');
  expect(page.match(/<script/g)).toHaveLength(1);
  expect(page).toContain('&lt;script&gt;');
  const drawn = (page.match(/<svg.*?<\/svg>/gs) ?? []).join('');
  expect(drawn).not.toMatch(/#[0-9a-f]{6}/);
  expect(page).toContain(palette.vradam); // in the style sheet alone
});

test('vradam-bench sweep-report writes page, text and figures, and refuses what is no study', {
  timeout: 120_000,
}, async () => {
  const folder = await writeStudy();
  const { code, output } = await start('sweep-report', folder).finished;
  expect([code, output]).toEqual([0, expect.stringContaining('report.html')]);
  const page = await readFile(join(folder, 'report.html'), 'utf8');
  expect(page).toContain('2 trials of each of 1 optimizers');
  expect(page).toContain('Losses of all trials');
  const text = await readFile(join(folder, 'report.md'), 'utf8');
  expect(text).toContain('| VRAdam | 2 | – | 1.0 s | learningRate 0.1 | diverged |');
  const figures = await readdir(join(folder, 'figures'));
  expect(figures.sort()).toEqual(
    ['choices', 'curves', 'parameters', 'search'].flatMap((name) => [`${name}.png`, `${name}.svg`]),
  );
  expect((await stat(join(folder, 'figures', 'choices.png'))).size).toBeGreaterThan(1000);
  const refused = await start('sweep-report', join(folder, 'trials')).finished;
  expect([refused.code, refused.output]).toEqual([2, expect.stringContaining('no study')]);
});
