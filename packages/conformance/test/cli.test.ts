/** What a user of `vradam-conformance` meets. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { goldenDirectory } from '../src/node.ts';

const cli = fileURLToPath(new URL('../bin/vradam-conformance.mjs', import.meta.url));
let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'vradam-conformance-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

function run(...args: string[]): Promise<{ code: number; lines: string[]; errors: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [cli, ...args], { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      done({ code: Number(error?.code ?? 0), lines: stdout.trimEnd().split('\n'), errors: stderr });
    });
  });
}

/** A directory with the given files. */
async function folder(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const directory = await mkdtemp(join(scratch, 'golden-'));
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  return directory;
}

const golden = (name: string) => readFile(join(goldenDirectory, name), 'utf8');

test('prints one line a file with its worst deviations, and a closing count', async () => {
  const directory = await folder({
    'a.json': await golden('vradam-defaults.json'),
    's.json': await golden('schedule.json'),
  });
  const { code, lines } = await run('--golden', directory, '--backend', 'core-float64');
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(
    /^passed\s+core-float64\s+a\.json\s+params \S+e-\d+\s+state \S+\s+eta \S+\s+norm \S+$/,
  );
  expect(lines.at(-1)).toBe('2 passed, 0 failed');
  expect(code).toBe(0);
});

test('reads gzipped files and passes over an index', async () => {
  const directory = await folder({
    'a.json.gz': gzipSync(await golden('adamw-twin.json')),
    'index.json': await golden('index.json'),
  });
  expect((await run('--golden', directory)).lines.at(-1)).toBe('1 passed, 0 failed');
});

test('--tolerance replaces the limits, and --json writes the report', async () => {
  const directory = await folder({ 'a.json': await golden('vradam-defaults.json') });
  const report = join(scratch, 'report.json');
  const { code, lines } = await run('--golden', directory, '--tolerance', '1e-20', '--json', report);
  expect(lines.at(-1)).toBe('0 passed, 1 failed');
  expect(code).toBe(1);
  expect(JSON.parse(await readFile(report, 'utf8'))).toMatchObject([{ name: 'a.json', outcome: 'failed' }]);
});

test('a wrong expectation is a failure that says what deviates', async () => {
  const trajectory = JSON.parse(await golden('vradam-two-groups.json'));
  trajectory.steps[3].expected.eta[1] *= 1 + 1e-9;
  const { code, lines } = await run('--golden', await folder({ 'a.json': JSON.stringify(trajectory) }));
  expect(lines[0]).toMatch(/^failed .*effectiveLearningRate deviates by 1\.0e-9/);
  expect(code).toBe(1);
});

const broken: [string, (trajectory: Record<string, never>) => unknown, RegExp][] = [
  ['no JSON', () => '{"schema": "vradam-traj', /is not JSON/],
  ['another schema', () => ({ schema: 'vradam-trajectory/2' }), /schema must be vradam-trajectory\/1/],
  ['an array', () => [], /schema must be/],
  ['an unknown optimizer', (t) => ({ ...t, optimizer: 'Lion' }), /optimizer must be VRAdam/],
  ['an unknown option', (t) => edit(t, (c) => (c.groups[0].options.gamma = 1)), /ERR_OPTION_UNKNOWN.*gamma/],
  [
    'an option out of range',
    (t) => edit(t, (c) => (c.groups[0].options.beta1 = 1)),
    /ERR_OPTION_RANGE.*beta1/,
  ],
  [
    'data that do not fit the shape',
    (t) => edit(t, (c) => c.groups[0].params[1].data.pop()),
    /params\[1\]\.data must be 5/,
  ],
  [
    'a gradient too short',
    (t) => edit(t, (c) => c.steps[0].grads[0][1].pop()),
    /steps\[0\]\.grads\[0\]\[1\]/,
  ],
  [
    'a text among numbers',
    (t) => edit(t, (c) => (c.steps[1].expected.params[0][0][0] = 'x')),
    /must be a number/,
  ],
  [
    'a huge shape',
    (t) => edit(t, (c) => (c.groups[0].params[0].shape = [2 ** 40])),
    /must be 1099511627776 numbers/,
  ],
  ['no steps', (t) => ({ ...t, steps: [] }), /not empty/],
];

// biome-ignore lint/suspicious/noExplicitAny: the point is to break the types of a file.
function edit(trajectory: object, change: (copy: any) => void): object {
  const copy = structuredClone(trajectory);
  change(copy);
  return copy;
}

test.each(broken)('a malformed file is a failure that names the place: %s', async (_, make, message) => {
  const made = make(JSON.parse(await golden('vradam-defaults.json')));
  const directory = await folder({ 'a.json': typeof made === 'string' ? made : JSON.stringify(made) });
  const { code, lines } = await run('--golden', directory);
  expect(lines[0]).toMatch(message);
  expect(lines.at(-1)).toBe('0 passed, 1 failed');
  expect(code).toBe(1);
});

test.each([
  ['an empty directory', async () => ['--golden', await folder({})], /no \.json files/],
  [
    'only an index',
    async () => ['--golden', await folder({ 'index.json': await golden('index.json') })],
    /no trajectories/,
  ],
  ['a missing directory', async () => ['--golden', join(scratch, 'nowhere')], /cannot read directory/],
  ['an unknown backend', async () => ['--backend', 'abacus'], /must be one of core-float64/],
  [
    'a training file of another schema',
    async () => ['--train', join(goldenDirectory, 'schedule.json')],
    /vradam-train\/1/,
  ],
])('%s exits 1 with a clear message', async (_, makeArgs, message) => {
  const { code, lines, errors } = await run(...(await makeArgs()));
  expect(errors).toMatch(message);
  expect(lines.at(-1)).toBe('0 passed, 1 failed');
  expect(code).toBe(1);
});

test('a backend of one’s own is loaded from a module and held against the suite', async () => {
  const core = new URL('../../core/dist/index.js', import.meta.url).href;
  const module = join(scratch, 'mine.mjs');
  const wrong = '{ ...float64Ops, sqrt: (x) => x.map((value) => Math.sqrt(value) + 1e-6) }';
  await writeFile(
    module,
    `import { float64Ops } from ${JSON.stringify(core)};
     export const backends = [{ name: 'mine', create: () => float64Ops }, { name: 'wrong', create: () => (${wrong}) }];`,
  );
  expect((await run('--backends', module, '--list')).lines).toEqual(
    expect.arrayContaining(['mine', 'wrong']),
  );
  const mine = await run('--backends', module, '--backend', 'mine', '--suite');
  expect(mine.lines.at(-1)).toMatch(/^\d+ passed, 0 failed$/);
  const other = await run('--backends', module, '--backend', 'wrong', '--suite');
  expect(other.lines.join('\n')).toMatch(/failed .*sqrt of shape \[\]\[0\] must be/);
  expect(other.code).toBe(1);
});

test('--help explains every option', async () => {
  const { code, lines } = await run('--help');
  for (const option of ['--golden', '--train', '--suite', '--backend', '--tolerance', '--json']) {
    expect(lines.join('\n')).toContain(option);
  }
  expect(code).toBe(0);
});
