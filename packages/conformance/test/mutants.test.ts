/** The golden trajectories can tell a wrong Algorithm 1: each mutation of the built core makes the CLI fail. */

import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const here = fileURLToPath(new URL('..', import.meta.url));
// below the workspace's node_modules, so that the copies find their dependencies
const scratch = join(here, '../../node_modules/.cache/vradam-mutants', String(process.pid));
afterAll(() => rm(scratch, { recursive: true, force: true }));

interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const step = 'kernel.apply(before[k], entry, effectiveLearningRate, options)';
const mutants: readonly Mutant[] = [
  { name: 'no bias correction of the velocity', file: 'vradam', from: '1 / (1 - beta1 ** step)', to: '1' },
  {
    name: 'no bias correction of the second moment',
    file: 'vradam',
    from: 'Math.sqrt(1 - beta2 ** step)',
    to: '1',
  },
  {
    name: 'a norm for each tensor',
    file: 'phases',
    from: step,
    to: 'kernel.apply(before[k], entry, algorithm.effectiveLearningRate?.(ops, learningRate, ops.sumPower(options.normGrad ? entry.gradient : entry.slots.velocity, options.power), options) ?? learningRate, options)',
  },
  {
    name: 'the norm of the velocity before the update',
    file: 'vradam',
    from: 'accumulateMoments(ops, entry, options);',
    to: 'const early = ops.sumPower(entry.slots.velocity, options.power); accumulateMoments(ops, entry, options); if (!options.normGrad) return early;',
  },
  {
    name: 'decay by the base rate instead of the effective one',
    file: 'phases',
    from: step,
    to: 'kernel.apply(before[k], { ...entry, weightDecay: (entry.weightDecay * learningRate) / effectiveLearningRate }, effectiveLearningRate, options)',
  },
  {
    name: 'the counter off by one',
    file: 'vradam',
    from: 'learningRate, { beta1, beta2, epsilon }) {',
    to: 'learningRate, { beta1, beta2, epsilon }) { step++;',
  },
  {
    name: 'one counter for all parameters',
    file: 'phases',
    from: 'const step = ++own.step;',
    to: 'const step = (own.step = state.step + 1);',
  },
  {
    name: 'one norm for all groups',
    file: 'phases',
    from: 'entries, norms, stepping: true }',
    to: 'entries, norms: norms.map(() => norms.reduce((a, b) => a + b)), stepping: true }',
  },
  {
    name: 'a missing gradient counts as zero',
    file: 'phases',
    from: 'const gradient = find(name);',
    to: 'const gradient = find(name) ?? new Float64Array(own.shape.reduce((a, b) => a * b, 1));',
  },
  {
    name: 'epsilon inside the root',
    file: 'vradam',
    from: 'ops.affine(rootCorrection, ops.sqrt(slots.secondMoment), epsilon)',
    to: 'ops.sqrt(ops.affine(rootCorrection, slots.secondMoment, epsilon))',
  },
  {
    name: 'the cutoff applied to the rate instead of the penalty',
    file: 'vradam',
    from: 'scalars.min(scalars.mul(beta3, norm), lrCutoff)',
    to: 'scalars.mul(beta3, norm)',
  },
  {
    name: 'a learning rate set between steps is ignored',
    file: 'state',
    from: 'learningRates[i] ?? (',
    to: '(',
  },
  {
    name: 'dampening in the first step too',
    file: 'sgd',
    from: 'step === 1 ? 1 : 1 - dampening',
    to: '1 - dampening',
  },
  {
    name: 'epsilon left out of RMSProp',
    file: 'rmsprop',
    from: 'ops.sqrt(variance), epsilon',
    to: 'ops.sqrt(variance), 0',
  },
];

/** The packages as installed, in a folder of their own, with one change. */
async function install(name: string, mutate: (dist: string) => Promise<void>): Promise<string> {
  const scope = join(scratch, name.replaceAll(/\W+/g, '-'), 'node_modules/@vradam');
  const copy = (from: string, to: string) => cp(from, join(scope, to), { recursive: true });
  await mkdir(scope, { recursive: true });
  for (const part of ['dist', 'bin', 'package.json']) await copy(join(here, part), `conformance/${part}`);
  for (const part of ['dist', 'package.json']) await copy(join(here, '../core', part), `core/${part}`);
  await mutate(join(scope, 'core/dist'));
  return join(scope, 'conformance/bin/vradam-conformance.mjs');
}

function run(cli: string): Promise<{ code: number; last: string }> {
  return new Promise((done) => {
    const args = [cli, '--golden', join(here, 'golden'), '--backend', 'core-float64'];
    execFile(process.execPath, args, { maxBuffer: 1 << 24 }, (error, stdout) => {
      done({ code: Number(error?.code ?? 0), last: stdout.trimEnd().split('\n').at(-1) ?? '' });
    });
  });
}

test('the core as it is passes', { timeout: 30_000 }, async () => {
  const { code, last } = await run(await install('as it is', async () => {}));
  expect(last).toMatch(/^\d+ passed, 0 failed$/);
  expect(code).toBe(0);
});

test.each(mutants)('caught: $name', { timeout: 30_000 }, async ({ name, file, from, to }) => {
  const cli = await install(name, async (dist) => {
    const path = join(dist, `${file}.js`);
    const source = await readFile(path, 'utf8');
    expect(source, `${file}.js no longer has the line to mutate`).toContain(from);
    await writeFile(path, source.replace(from, to));
  });
  const { code, last } = await run(cli);
  expect(last).toMatch(/^\d+ passed, [1-9]\d* failed/);
  expect(code).toBe(1);
});
