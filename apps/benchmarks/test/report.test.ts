/** The report: true to its files, whole in itself, and safe whatever stands in them. */

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VRAdamError } from '@vradam/core';
import fc from 'fast-check';
import { parseHTML } from 'linkedom';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collect } from '../src/report/analysis/collect.ts';
import { published } from '../src/report/analysis/published.ts';
import { renderPng } from '../src/report/figures/png.ts';
import { escapeMarkdown } from '../src/report/markdown.ts';
import { composeReport, writeReport } from '../src/report/write.ts';
import { RunFolder } from '../src/run/records.ts';
import { recordOf, writeRun, writeSeed } from './reportFolder.ts';

let results = '';
beforeEach(async () => {
  results = await mkdtemp(join(tmpdir(), 'vradam-report-'));
});
afterEach(() => rm(results, { recursive: true, force: true }));

async function report(): Promise<{ page: string; document: Document; text: string }> {
  const { page, text } = composeReport(await collect([results]));
  return { page, document: parseHTML(page).document as unknown as Document, text };
}

/** Texts of the cells of a section's first table, row by row. */
const cellsOf = (document: Document, section: string): string[][] =>
  [...(document.querySelector(`#${section} table`)?.querySelectorAll('tbody tr') ?? [])].map((row) =>
    [...row.querySelectorAll('th, td')].map(({ textContent }) => textContent ?? ''),
  );

const threeSeeds = async () => {
  await writeSeed(results, 0, { vradam: [3, 1], adamw: [2, 1.5], rmsprop: [4, 4] });
  await writeSeed(results, 1, { vradam: [3, 1.2], adamw: [2, 1.4], rmsprop: [4, Number.NaN] });
  await writeSeed(results, 2, { vradam: [3, 1.1], adamw: [2, 1.9], rmsprop: [4, 3] });
};

test('shows means and deviations of the seeds beside what was published', async () => {
  await threeSeeds();
  const { document, text } = await report();
  const [vradam, adamw, rmsprop] = cellsOf(document, 'race-1');
  // means (1 + 1.2 + 1.1) / 3 and (1.5 + 1.4 + 1.9) / 3; deviations sqrt(0.02 / 2) and sqrt(0.14 / 2)
  expect(vradam?.slice(0, 5)).toEqual(['VRAdam', '1.100 ± 0.100', '1.100 ± 0.100', '0.476', '0.469']);
  expect(adamw?.slice(0, 5)).toEqual(['AdamW', '1.600 ± 0.265', '1.600 ± 0.265', '0.522', '0.565']);
  expect(rmsprop?.[2]).toBe('NaN (1 of 3 seeds)');
  expect(text).toContain('| VRAdam | **1.100 ± 0.100** | **1.100 ± 0.100** | 0.476 | 0.469 |');
  expect(document.querySelector('#race-1')?.textContent).toContain(
    'RMSProp, seed 1: NaN after 4 steps. it ran away',
  );
  expect(text).toContain('RMSProp, seed 1: NaN after 4 steps');
});

test('says seed by seed who got to the target, and that others did not', async () => {
  await threeSeeds();
  const { document } = await report();
  const section = document.querySelector('#race-1')?.textContent ?? '';
  // AdamW's best losses are 1.5, 1.4 and 1.9
  expect(section).toContain('Target: validation loss 1.500');
  const [, speed] = [...document.querySelectorAll('#race-1 table')];
  const rows = [...(speed?.querySelectorAll('tbody tr') ?? [])].map(({ textContent }) => textContent?.trim());
  expect(rows[0]).toMatch(/^VRAdam8, 8, 82\.0 s, 2\.0 s, 2\.0 s250/);
  expect(rows[1]).toMatch(/^AdamW8, 8; not reached ×1/);
  expect(rows[2]).toMatch(/^RMSPropnot reached/);
  expect(section).toContain('lower for VRAdam with 3 of 3 seeds: above 0, VRAdam does better');
  expect(section).toContain('By test loss here: VRAdam < AdamW; NaN: RMSProp.');
});

test('is one file: no script runs, nothing is loaded, and its data are in it', async () => {
  await threeSeeds();
  const { page, document } = await report();
  const scripts = [...document.querySelectorAll('script')];
  expect(scripts.map((script) => script.getAttribute('type'))).toEqual(['application/json']);
  const data = JSON.parse(scripts[0]?.textContent ?? '');
  expect(data.races[0].contenders[0].metrics.testLoss.values).toEqual([1, 1.2, 1.1]);
  expect(page.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:\/\/|url\(["']?(?!#)|\ssrc=|@import/);
  expect(document.querySelector('meta[http-equiv]')?.getAttribute('content')).toContain("default-src 'none'");
  const links = [...document.querySelectorAll('a')].map((link) => link.getAttribute('href') ?? '');
  expect(links.length).toBeGreaterThan(2);
  for (const link of links) expect(document.querySelector(link), link).not.toBeNull();
});

test('is written with every figure as SVG and as PNG', async () => {
  await threeSeeds();
  await writeReport([results], results);
  expect(await readdir(results)).toEqual(expect.arrayContaining(['report.html', 'report.md']));
  const figures = await readdir(join(results, 'figures'));
  expect(figures).toEqual(['race-1-cifar10-cnn.png', 'race-1-cifar10-cnn.svg']);
  const png = await readFile(join(results, 'figures', 'race-1-cifar10-cnn.png'));
  expect(png.subarray(0, 4).toString('latin1')).toBe('\x89PNG');
  expect(png.length).toBeGreaterThan(20_000);
  const shown = /\]\(figures\/(.+\.svg)\)/.exec(await readFile(join(results, 'report.md'), 'utf8'));
  expect(figures).toContain(shown?.[1]);
  expect(await readFile(join(results, 'report.html'), 'utf8')).toContain('in its Figures 8 to 11');
});

test('a run named <script> is a name', async () => {
  const name = '<script>alert(1)</script>"\'&';
  const folder = new RunFolder(join(results, 'hostile'));
  const losses = { vradam: [1] };
  await folder.create(
    recordOf(name, losses, { dataLine: '</style><img src=x onerror=alert(1)>', commit: '"><b>' }),
  );
  await folder.append({
    kind: 'failure',
    optimizer: 'vradam',
    epoch: 0,
    step: 0,
    reason: '</script><script>alert(2)</script>',
  });
  const { document, page, text } = await report();
  expect(document.querySelectorAll('script')).toHaveLength(1);
  expect(document.querySelectorAll('img')).toHaveLength(0);
  expect(document.querySelector('#runs th[scope=row]')?.textContent).toBe(name);
  expect(page).not.toMatch(/<script>|<img/);
  expect(text).not.toMatch(/<script|<img/);
});

test('whatever stands in a record, the page has the same elements and shows the text', async () => {
  const nasty = fc
    .array(
      fc.constantFrom('<', '>', '"', "'", '&', '</script>', '<!--', ']]>', '\u2028', '`', '|', 'x', '&lt;'),
    )
    .map((parts) => `a${parts.join('')}`);
  await fc.assert(
    fc.asyncProperty(nasty, nasty, async (name, dataLine) => {
      await rm(results, { recursive: true, force: true });
      await writeRun(results, 'one', { vradam: [1, 2] }, { name, dataLine });
      const { document } = await report();
      const shape = [...document.querySelectorAll('body *')].map(({ tagName }) => tagName).join(' ');
      first ||= shape;
      expect(shape).toBe(first);
      expect(document.querySelector('#runs th[scope=row]')?.textContent).toBe(name);
      expect(JSON.parse(document.querySelector('#data')?.textContent ?? '').races[0].record.name).toBe(name);
    }),
    { numRuns: 20 },
  );
});
let first = '';

test('Markdown keeps any text in its cell', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(escapeMarkdown(text)).not.toMatch(/(?<!\\)\||[\n<>]/);
    }),
  );
});

describe('what is not comparable', () => {
  test('is another race: other engines, sizes or data', async () => {
    await writeSeed(results, 0, { vradam: [1] });
    const { config } = recordOf('other', { vradam: [1] });
    await writeRun(results, 'other', { vradam: [1] }, { config: { ...config, engine: 'tfjs-wasm' } });
    const { document } = await report();
    expect(document.querySelectorAll('section[id^=race-]')).toHaveLength(2);
  });

  test('is told apart by what was chosen of the task’s own options', async () => {
    const { config } = recordOf('any', { vradam: [1] });
    const own = { ...config, task: 'gflownet', masking: 'causal', accumulateBug: true } as const;
    for (const gflownetLoss of ['corrected', 'as-published'] as const)
      await writeRun(results, gflownetLoss, { vradam: [1] }, { config: { ...own, gflownetLoss } });
    const { text } = await report();
    for (const kind of ['corrected', 'as-published']) {
      expect(text).toContain(`gflownet, quick, gflownet loss ${kind} |`);
      expect(text).toContain(`schedule constant, gflownet loss ${kind}.`);
    }
    expect(text).not.toMatch(/masking|accumulate/);
  });

  test('the same optimizer with two learning rates is two contenders, named by them', async () => {
    await writeSeed(results, 0, { vradam: [1] });
    await writeRun(results, 'fast', { vradam: [2] }, { optimizers: { vradam: { learningRate: 0.5 } } });
    const { document } = await report();
    expect(cellsOf(document, 'race-1').map(([name]) => name)).toEqual([
      'VRAdam, rate 0.01',
      'VRAdam, rate 0.5',
    ]);
  });

  test('a second run of the same seed is named and left out', async () => {
    await writeSeed(results, 0, { vradam: [1] });
    await writeRun(results, 'again', { vradam: [2] });
    const { document } = await report();
    expect(cellsOf(document, 'race-1')[0]?.[2]).toMatch(/^(1|2)\.000$/);
    expect(document.querySelector('#race-1')?.textContent).toMatch(/Left out, .*(again|seed-0)/);
  });
});

test('numbers that a task adds of its own have a column and a curve', async () => {
  await writeSeed(results, 0, { vradam: [1] });
  const folder = new RunFolder(join(results, 'seed-0'));
  const common = { optimizer: 'vradam', trainLoss: 1, validationLoss: 1, validationAccuracy: Number.NaN };
  await folder.append(
    { kind: 'epoch', epoch: 1, ...common, meanReward: 6.5 } as never,
    { kind: 'epoch', epoch: 2, ...common, metrics: { diversity: 3.25 }, meanReward: 7.5 } as never,
  );
  const { document, text } = await report();
  const table = document.querySelector('#race-1 table');
  const heads = [...(table?.querySelectorAll('thead th') ?? [])].map((head) => head.textContent);
  expect(heads).toEqual(expect.arrayContaining(['mean reward', 'diversity']));
  expect(cellsOf(document, 'race-1')[0]?.[heads.indexOf('mean reward')]).toBe('7.500');
  const captions = [...document.querySelectorAll('#race-1 figcaption')].map(({ textContent }) => textContent);
  expect(captions.join()).toContain('Mean reward');
  expect(text).toContain('mean reward');
});

test('the last pictures that a task left are in the page; what only has their name is not', async () => {
  await writeSeed(results, 0, { vradam: [1], adamw: [2] });
  const folder = join(results, 'seed-0', 'pictures');
  await mkdir(folder);
  const picture = renderPng('<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"/>');
  await writeFile(join(folder, 'vradam-epoch-002.png'), 'too early');
  await writeFile(join(folder, 'vradam-epoch-010.png'), picture);
  await writeFile(join(folder, 'adamw-epoch-010.png'), '<svg onload=alert(1)>');
  const { document } = await report();
  const sources = [...document.querySelectorAll('img')].map((image) => image.getAttribute('src'));
  expect(sources).toEqual([`data:image/png;base64,${Buffer.from(picture).toString('base64')}`]);
  expect(document.querySelector('#race-1')?.textContent).toContain('VRAdamafter 10 epochs');
});

test('a step of the optimizer alone has a table of its own', async () => {
  const common = { tensors: 1000, elements: 1000 };
  const costs = [
    { ...common, name: 'by hand', ms: 2, ratio: 1 },
    { ...common, name: 'core <vradam>', ms: 3, ratio: 1.5 },
  ];
  const record = { schema: 'vradam-step/1', rounds: 7, results: costs };
  await writeFile(join(results, 'step.json'), JSON.stringify(record));
  const { document, text } = await report();
  expect(cellsOf(document, 'step')).toEqual([
    ['by hand', '2.00', '1.00'],
    ['core <vradam>', '3.00', '1.50'],
  ]);
  expect(text).toContain('| core &lt;vradam&gt; | 3.00 | 1.50 |');
});

describe('is refused', () => {
  test('where there is nothing to report', async () => {
    await expect(report()).rejects.toMatchObject({ code: 'ERR_RUN_NOT_FOUND' });
  });

  test('with the name of the file that another version wrote', async () => {
    await writeSeed(results, 0, { vradam: [1] });
    await writeFile(join(results, 'seed-0', 'run.json'), '{"schema":"vradam-run/2"}');
    await expect(report()).rejects.toMatchObject({
      code: 'ERR_STATE_VERSION',
      message: expect.stringMatching(/seed-0.*vradam-run\/2/),
    });
  });

  test('with the name of a damaged file', async () => {
    await writeFile(join(results, 'diagnostics.json'), '{"schema":');
    await expect(report()).rejects.toMatchObject({
      code: 'ERR_FILE_FORMAT',
      message: expect.stringContaining('diagnostics.json'),
    });
  });
});

describe('a damaged file', () => {
  /** Every way to a part of a value. */
  const pathsOf = (value: unknown): string[][] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, each]) => [
          [key],
          ...pathsOf(each).map((path) => [key, ...path]),
        ])
      : [];

  /** The value with another part there; undefined takes it out. */
  const changed = (value: unknown, [key, ...rest]: readonly string[], part: unknown): unknown => {
    if (key === undefined) return part;
    const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
    const own = copy as Record<string, unknown>;
    own[key] = changed(own[key], rest, part);
    return copy;
  };

  const junk = fc.constantFrom(undefined, null, true, -1, 1e308, '', 'NaN', [], [null], {}, { a: null });

  async function changeAndReport(
    file: string,
    lineAt: number | null,
    at: number,
    part: unknown,
  ): Promise<void> {
    const path = join(results, 'seed-0', file);
    const before = await readFile(path, 'utf8');
    const lines = lineAt === null ? [before] : before.trimEnd().split('\n');
    const place = lineAt === null ? 0 : lineAt % lines.length;
    const value = JSON.parse(lines[place] as string);
    const paths = pathsOf(value).filter(([key]) => key !== 'schema');
    lines[place] = JSON.stringify(changed(value, paths[at % paths.length] as string[], part));
    await writeFile(path, `${lines.join('\n')}\n`);
    await report().catch((error) => expect(error, String(error.stack)).toBeInstanceOf(VRAdamError));
    await writeFile(path, before);
  }

  test('is reported on or refused, and never an error of ours', { timeout: 120_000 }, async () => {
    await writeSeed(results, 0, { vradam: [1, 2], adamw: [2, Number.NaN] });
    await fc.assert(
      fc.asyncProperty(fc.nat(), junk, (at, part) => changeAndReport('run.json', null, at, part)),
      { numRuns: 40 },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), junk, (line, at, part) =>
        changeAndReport('metrics.jsonl', line, at, part),
      ),
      { numRuns: 40 },
    );
  });

  test('of another command is refused by its name', async () => {
    for (const [name, content] of [
      ['sharpness.json', '{"schema":"vradam-sharpness/1"}'],
      ['phase-portrait.json', '{"schema":"vradam-phase-portrait/1","options":{}}'],
      ['diagnostics.json', '{"schema":"vradam-diagnostics/1","cells":[{}]}'],
      ['step.json', '{"schema":"vradam-step/1","rounds":1,"results":[{"name":1}]}'],
    ] as const) {
      await writeFile(join(results, name), content);
      const message = expect.stringContaining(name);
      await expect(report()).rejects.toMatchObject({ code: 'ERR_FILE_FORMAT', message });
      await rm(join(results, name));
    }
  });
});

test('the published numbers are those behind the paper’s “up to 63 %”', () => {
  const loss = (optimizer: string) =>
    published['gflownet']?.rows.find((row) => row.optimizer === optimizer)?.testLoss as number;
  expect(Math.round(100 * (1 - loss('vradam') / loss('adamw')))).toBe(63);
});
