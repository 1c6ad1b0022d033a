/** Learning rates on grids, as the report shows them. */

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collect } from '../src/report/analysis/collect.ts';
import { goodRates, sensitivitiesOf } from '../src/report/analysis/sensitivity.ts';
import { composeReport, writeReport } from '../src/report/write.ts';
import type { TuningRecord, TuningRow } from '../src/sweep/tuning.ts';
import { writeSeed } from './reportFolder.ts';

let folder = '';
let results = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vradam-sensitivity-'));
  results = join(folder, 'bench');
  await mkdir(results);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Losses by learning rate, a list of seeds each; null is a seed that failed. */
type Grid = Readonly<Record<string, readonly (number | null)[]>>;

const rowsOf = (optimizer: TuningRow['optimizer'], grid: Grid, data = 'made up'): TuningRow[] =>
  Object.entries(grid).map(([rate, losses]) => ({
    data,
    optimizer,
    learningRate: Number(rate),
    validationLoss: Object.fromEntries(losses.map((loss, i) => [`seed ${i}`, loss])),
  }));

const recordOf = (rows: readonly TuningRow[], task = 'cifar10-cnn'): TuningRecord => ({
  schema: 'vradam-tuning/1',
  task,
  preset: 'quick',
  epochs: 5,
  note: 'validation loss of the last epoch',
  rows,
});

const write = (where: string, record: unknown, name = 'cifar10-cnn-quick-tuning.json') =>
  writeFile(join(where, name), JSON.stringify(record));

const usual = recordOf([
  ...rowsOf('adamw', { '0.01': [1, 1.2], '0.1': [3, null], '0.001': [2, 2.5] }),
  ...rowsOf('vradam', { '0.001': [2, 2], '0.01': [1, 1], '0.1': [1.05, 1.05], '1': [null, null] }),
]);

async function report() {
  const composed = composeReport(await collect([results]));
  return { ...composed, document: parseHTML(composed.page).document as unknown as Document };
}

describe('a grid', () => {
  const [sensitivity] = sensitivitiesOf([usual]);
  const [vradam, adamw] = sensitivity?.curves ?? [];

  test('has a curve for each optimizer, by ascending rate, with mean and range of the seeds', () => {
    expect([vradam?.optimizer, adamw?.optimizer]).toEqual(['vradam', 'adamw']);
    expect(adamw?.points.map(({ learningRate }) => learningRate)).toEqual([0.001, 0.01, 0.1]);
    expect(adamw?.points[0]).toMatchObject({ mean: 2.25, low: 2, high: 2.5, tried: 2, failed: 0 });
  });

  test('has no mean where a seed failed, and says how many did', () => {
    expect(adamw?.points[2]).toMatchObject({ mean: Number.NaN, low: 3, high: 3, tried: 2, failed: 1 });
    expect(vradam?.points[3]).toMatchObject({ mean: Number.NaN, low: Number.NaN, failed: 2 });
  });

  test('tells how far the rate may be from the best: to a loss of a tenth above it', () => {
    expect(goodRates(vradam!)).toEqual([0.01, 0.1]);
    expect(goodRates(adamw!)).toEqual([0.01]);
    const gap = rowsOf('adamw', { '0.01': [1], '0.1': [2], '1': [1.01] });
    expect(goodRates(sensitivitiesOf([recordOf(gap)])[0]!.curves[0]!)).toEqual([0.01]);
    const failed = rowsOf('adamw', { '0.01': [null] });
    expect(goodRates(sensitivitiesOf([recordOf(failed)])[0]!.curves[0]!)).toEqual([]);
  });
});

test('the report has its figure, with a cross for each rate that failed, and its numbers', async () => {
  await write(results, usual);
  const { document, text } = await report();
  const section = document.querySelector('#learning-rates');
  const rows = [...(section?.querySelectorAll('tbody tr') ?? [])].map((row) =>
    [...row.querySelectorAll('th, td')].map(({ textContent }) => textContent),
  );
  expect(rows).toEqual([
    ['VRAdam', '2.000', '1.000', '1.050', 'NaN (2 of 2)', '0.01 … 0.1'],
    ['AdamW', '2.250', '1.100', 'NaN (1 of 2)', '–', '0.01'],
  ]);
  const crosses = [...(section?.querySelectorAll('figure svg path') ?? [])].filter(
    (path) => path.closest('[aria-label=dot]') && path.getAttribute('d')?.includes('L'),
  );
  expect(crosses).toHaveLength(2);
  expect(section?.textContent).toContain('5 epochs; 2 seeds each. Data: made up.');
  expect(document.querySelector('nav a[href="#learning-rates"]')).not.toBeNull();
  expect(text).toContain('| VRAdam | 2.000 | **1.000** | 1.050 | NaN (2 of 2) | 0.01 … 0.1 |');
});

test('the figure is written as SVG and PNG, where the text shows it', async () => {
  await write(results, usual);
  await writeReport([results], results);
  expect(await readdir(join(results, 'figures'))).toEqual(['learning-rates.png', 'learning-rates.svg']);
});

test('a file beside the folder is shown if its task has runs there', async () => {
  await write(folder, usual);
  await writeSeed(results, 0, { vradam: [1] });
  await write(folder, recordOf(usual.rows, 'gflownet'), 'gflownet-quick-tuning.json');
  const { document } = await report();
  const titles = [...document.querySelectorAll('#learning-rates h3')].map(({ textContent }) => textContent);
  expect(titles).toEqual(['cifar10-cnn, quick']);
});

test('other data are another figure, named by them; whatever its name is, it is text', async () => {
  const hostile = '<script>alert(1)</script>';
  const rows = [
    ...rowsOf('adamw', { '0.1': [1] }, 'digits; of a kind'),
    ...rowsOf('adamw', { '0.1': [1] }, hostile),
  ];
  await write(results, recordOf(rows));
  const { document, page, text } = await report();
  const titles = [...document.querySelectorAll('#learning-rates h3')].map(({ textContent }) => textContent);
  expect(titles).toEqual(['cifar10-cnn, quick: digits', `cifar10-cnn, quick: ${hostile}`]);
  expect(page).not.toContain('<script>');
  expect(text).not.toContain('<script');
});

test.each([
  ['of another schema', { ...usual, schema: 'vradam-tuning/2' }],
  ['with a rate of 0, which no logarithm has', recordOf(rowsOf('adamw', { '0': [1] }))],
  ['without losses', { ...usual, rows: [{ data: '', optimizer: 'adamw', learningRate: 1 }] }],
])('a file %s is refused by its name', async (_, record) => {
  await write(results, record);
  const message = expect.stringContaining('cifar10-cnn-quick-tuning.json');
  await expect(report()).rejects.toMatchObject({ code: 'ERR_FILE_FORMAT', message });
});

test('a grid on which everything failed is shown as such', async () => {
  await write(results, recordOf(rowsOf('sgd-nesterov', { '1': [null], '10': [null] })));
  const { document } = await report();
  expect(document.querySelector('#learning-rates tbody')?.textContent).toContain('NaNNaN–');
});
