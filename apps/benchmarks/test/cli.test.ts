/** What a user of `vradam-bench` meets: a race, its record, an interruption, and going on. */

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunFolder } from '../src/run/records.ts';
import { measuredIn, start } from './command.ts';

let results = '';
beforeAll(async () => {
  results = await mkdtemp(join(tmpdir(), 'vradam-bench-'));
});
afterAll(() => rm(results, { recursive: true, force: true }));

const race = ['run', '--seeds', '1', '--epochs', '2', '--optimizer', 'vradam,sgd-nesterov'];

const measured = (name: string) => measuredIn(join(results, name));

test('a race records every step; killed or interrupted and resumed it measures the same', {
  timeout: 240_000,
}, async () => {
  const whole = await start(...race, '--results', results, '--name', 'whole').finished;
  expect(whole.code, whole.output).toBe(0);
  expect(whole.output).toMatch(/Data: generated|Data: .*pictures/);
  expect(whole.output).toMatch(/optimizer ms\/step/);
  const record = await new RunFolder(join(results, 'whole')).readRecord();
  expect(record).toMatchObject({
    schema: 'vradam-run/1',
    status: 'completed',
    config: { seed: 0, epochs: 2 },
  });
  const lines = await measured('whole');
  expect(lines).toHaveLength(2 * (2 * 16 + 2 + 1));

  const killed = start(...race, '--results', results, '--name', 'cut');
  const checkpoint = join(results, 'cut', 'checkpoint.safetensors');
  while (!existsSync(checkpoint)) await sleep(50);
  await sleep(400); // into the next epoch
  killed.child.kill('SIGKILL');
  await killed.finished;

  const stopped = start('run', '--results', results, '--resume', 'cut');
  // a slow machine takes long to begin
  const before = (await measured('cut')).length;
  while (stopped.child.exitCode === null && (await measured('cut')).length === before) await sleep(100);
  stopped.child.kill('SIGINT');
  const { code, output } = await stopped.finished;
  if (code !== 0) {
    expect(code, output).toBe(130);
    expect(output).toContain('Interrupted');
    const interrupted = await new RunFolder(join(results, 'cut')).readRecord();
    expect(interrupted.status).toBe('interrupted');
    const resumed = await start('run', '--results', results, '--resume', 'cut').finished;
    expect(resumed.code, resumed.output).toBe(0);
  }
  expect(await measured('cut')).toEqual(lines);

  const again = await start('run', '--results', results, '--resume', 'cut').finished;
  expect(again.code).toBe(2);
  expect(again.output).toContain('nothing to resume');
  const taken = await start(...race, '--results', results, '--name', 'cut').finished;
  expect(taken.output).toContain('already there');
});

test('an optimizer whose gradients blow up is recorded as NaN, and the race goes on', {
  timeout: 120_000,
}, async () => {
  const args = [
    '--epochs',
    '1',
    '--optimizer',
    'sgd-nesterov',
    '--learning-rate',
    '1e30',
    '--schedule',
    'constant',
  ];
  const { code, output } = await start(
    'run',
    '--seeds',
    '1',
    ...args,
    '--results',
    results,
    '--name',
    'blown',
  ).finished;
  expect(code, output).toBe(0);
  expect(output).toContain('cannot go on');
  expect(output).toMatch(/sgd-nesterov .*NaN/);
  expect(await readFile(join(results, 'blown', 'metrics.jsonl'), 'utf8')).toContain('"kind":"failure"');
});

test('two tasks in one call: the language task shows its text and baseline, and NaN where an optimizer fails', {
  timeout: 120_000,
}, async () => {
  const args = ['--optimizer', 'sgd-nesterov', '--learning-rate', '1e30', '--masking', 'as-published'];
  const where = ['--seeds', '1', '--results', results, '--name', 'text'];
  const { code, output } = await start('run', 'language-model', 'cifar10-cnn', ...args, ...where).finished;
  expect(code, output).toBe(0);
  expect(output).toContain('Data: Moby Dick');
  expect(output).toMatch(/unigram: val loss [3-6]\.\d+, test loss [3-6]\.\d+/);
  expect(output).toMatch(/sgd-nesterov .*NaN/);
  expect(output).toMatch(/Test perplexity: sgd-nesterov NaN, unigram 1\d\d\.\d/);
  const record = await new RunFolder(join(results, 'text-language-model')).readRecord();
  expect(record.config).toMatchObject({ masking: 'as-published', accumulateBug: false });
  expect(record.baselines).toHaveLength(1);
  const images = await new RunFolder(join(results, 'text-cifar10-cnn')).readRecord();
  expect([images.status, images.baselines]).toEqual(['completed', undefined]);
});

test.each([
  [['run', '--preset', 'huge'], /quick, medium, paper/],
  [['run', '--preset', 'medum'], /Did you mean medium\?/],
  [['run', '--engine', 'onxruntime-node'], /Did you mean onnxruntime-node\?/],
  [['run', 'langauge-model'], /Did you mean language-model\?/],
  [['run', '--optimizer', 'vradam,adamv'], /Did you mean adamw\?/],
  [['run', '--seeds', '0'], /whole number/],
  [['run', '--resume'], /needs to know what to go on with/],
  [['diagnostics', '--optimizer', 'rmsprob'], /Did you mean rmsprop\?/],
  [['run', '--optimizer', 'vradam,lion'], /Choose each once/],
  [['run', '--seed', '-1'], /whole number/],
  [['run', '--learning-rate', '0'], /number > 0/],
  [['run', 'imagenet'], /must be one of cifar10-cnn/],
  [['run', '--optimizer', 'adam,adam'], /Choose each once.*vradam-gradient-norm, adam/],
  [['run', '--masking', 'causal'], /has no option .*--masking/],
  [['run', 'language-model', '--masking', 'none'], /causal, as-published/],
  [['run', '--gflownet-loss', 'corrected'], /has no option .*--gflownet-loss/],
  [['run', 'gflownet', '--gflownet-loss', 'none'], /corrected, as-published/],
  [['run', '--data', 'nowhere-at-all'], /data folder cannot be read/],
  [['run', '--resume', 'nothing'], /no readable run/],
  [['phase-portrait', '--learning-rate', '60', '--steps', '400'], /runs away/],
  [['phase-portrait', '--beta1', '1'], /\[0, 1\)/],
  [['phase-portrait', '--out', 'package.json'], /cannot be read or written/],
  [['diagnostics', '--problem', 'sphere,everest'], /Choose each once/],
  [['data', 'fetch', 'imagenet'], /cifar10, mnist, wikitext-2/],
])('%o is refused with a reason', async (args, message) => {
  const { code, output } = await start(...(args as string[])).finished;
  expect(output).toMatch(message as RegExp);
  expect(code).toBe(2);
});

test('diagnostics print a table and leave every loss', async () => {
  const flags = ['--problem', 'noise', '--optimizer', 'adamw,rmsprop', '--seeds', '2', '--out', results];
  const { code, output } = await start('diagnostics', ...flags).finished;
  expect(code, output).toBe(0);
  expect(output).toMatch(/problem.*adamw.*rmsprop/);
  const record = JSON.parse(await readFile(join(results, 'diagnostics.json'), 'utf8'));
  expect(record).toMatchObject({ schema: 'vradam-diagnostics/1', seeds: [0, 1] });
  expect(record.cells).toHaveLength(2);
  for (const { losses } of record.cells) {
    expect(losses).toHaveLength(record.learningRates.length);
    for (const bySeed of losses) expect(bySeed).toHaveLength(2);
  }
});

test('--help explains tasks and options', async () => {
  const { output } = await start('run', '--help').finished;
  for (const word of [
    'cifar10-cnn',
    'language-model',
    '--masking',
    '--accumulate-bug',
    'gflownet',
    '--gflownet-loss',
    '--preset',
    '--engine',
    '--data',
    '--resume',
    '--schedule',
    '3 for quick',
  ]) {
    expect(output).toContain(word);
  }
});
