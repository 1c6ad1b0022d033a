/** The engines in Chromium: what they compute, and what becomes of them when something goes wrong. */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sgd, VRAdamError } from '@vradam/core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findChromium, requireChromium } from '../src/engines/chromium/executable.ts';
import type { Engine, Session } from '../src/engines/engine.ts';
import { enginesIn, startEngine, whatIsMissing } from '../src/engines/index.ts';
import type { Batch, Network } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { farthest, lossesOn, smokes, steps } from './smoke.ts';

// the tests of the packages know it by another name
const { CHROMIUM_PATH: named, CI: inCI } = process.env;
if (named) process.env['VRADAM_CHROMIUM'] ??= named;
const chromium = findChromium();
if (chromium === undefined && !['', '0', 'false', undefined].includes(inCI))
  throw new Error('The tests in Chromium may not be skipped here.');

const folder = mkdtempSync(join(tmpdir(), 'vradam-chromium-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A Chromium that leaves its process number in a file. */
function traced(name: string): { readonly path: string; pid(): number } {
  const [path, trace] = [join(folder, name), join(folder, `${name}.pid`)];
  writeFileSync(path, `#!/bin/sh\necho $$ > '${trace}'\nexec '${chromium}' "$@"\n`);
  chmodSync(path, 0o755);
  return { path, pid: () => Number(readFileSync(trace, 'utf8')) };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Starts an engine in a Chromium of ours; null, with the reason, where there is no adapter. */
async function startIn(path: string, name: string): Promise<Engine | string> {
  const before = process.env['VRADAM_CHROMIUM'];
  process.env['VRADAM_CHROMIUM'] = path;
  try {
    return await startEngine(name);
  } catch (error) {
    if (error instanceof VRAdamError && /no WebGPU adapter/.test(error.message)) return error.message;
    throw error;
  } finally {
    if (before === undefined) delete process.env['VRADAM_CHROMIUM'];
    else process.env['VRADAM_CHROMIUM'] = before;
  }
}

/** `w x`, with few shaders to compile. */
const line: Network = {
  inputs: { x: { shape: [3], dtype: 'float32' }, y: { shape: [2], dtype: 'float32' } },
  run: (nn, { x, y }) => {
    const weight = nn.parameter('weight', [2, 3], { kind: 'uniform', bound: 1 });
    const bias = nn.parameter('bias', [2], { kind: 'constant', value: 0 });
    const told = nn.linear(x as NonNullable<typeof x>, weight, bias);
    return { loss: nn.meanSquaredError(told, y as NonNullable<typeof y>), outputs: { told } };
  },
};
const points: Batch = {
  x: { shape: [2, 3], data: Float32Array.of(1, -2, 3, 0.5, 0, -1) },
  y: { shape: [2, 2], data: Float32Array.of(1, 0, -1, 2) },
};

function openLine(engine: Engine): Promise<Session> {
  const summary = summarize(line);
  const optimizer = sgd({ learningRate: (step) => 0.1 / (1 + step), momentum: 0.5, weightDecay: 0 });
  const parameters = initialParameters(summary, 3, 1);
  return engine.createSession({ network: line, parameters, buffers: summary.buffers, optimizer });
}

/** Everything that a session can do, and a product with the Hessian. */
async function useAll(engine: Engine): Promise<{ seen: number[]; product: number[] }> {
  const session = await openLine(engine);
  const seen = [(await session.trainStep(points)).loss, await session.accumulate(points)];
  const { learningRate } = await session.optimizerStep();
  const snapshot = await session.save();
  const next = await session.trainStep(points);
  await session.load(snapshot);
  const again = await session.trainStep(points);
  expect([again.loss, again.learningRate]).toEqual([next.loss, next.learningRate]);
  const vector = { weight: Float32Array.of(1, 0, 0, 0, 2, 0), bias: Float32Array.of(0, 1) };
  const product = await session.hessianVectorProduct(points, vector);
  const { losses, outputs } = await session.evaluate(points);
  session.dispose();
  const told = outputs['told']?.data ?? [];
  seen.push(learningRate, next.loss, next.learningRate, ...losses, ...told);
  return { seen, product: [...(product['weight'] ?? []), ...(product['bias'] ?? [])] };
}

describe.each(enginesIn('chromium'))('%s', { timeout: 400_000 }, (name) => {
  let engine: Engine | undefined;
  let reason = `no Chromium: ${whatIsMissing(name)}`;
  let browser: ReturnType<typeof traced>;

  beforeAll(async () => {
    if (chromium === undefined) return;
    browser = traced(name);
    const started = await startIn(browser.path, name);
    if (typeof started === 'string') reason = started;
    else engine = started;
  }, 120_000);
  beforeEach(({ skip }) => skip(engine === undefined, reason));
  afterAll(() => engine?.close());
  const own = (): Engine => engine as Engine;

  test('says which engine it is, on which adapter of which browser', () => {
    expect(own().name).toBe(name);
    expect(own().hessianStep === null).toBe(name.startsWith('onnxruntime'));
    expect(own().versions).toMatchObject({
      chromium: expect.stringMatching(/^\d+\./),
      'WebGPU adapter': expect.stringMatching(/\w/),
    });
  });

  test('does all that a session does, as onnxruntime-node does it', async () => {
    const reference = await useAll(await startEngine('onnxruntime-node'));
    const { seen, product } = await useAll(own());
    expect([seen.length, product.length]).toEqual([11, 8]);
    expect(farthest(seen, reference.seen)).toBeLessThan(1e-4);
    // a difference of gradients is less exact: 1.4e-3 was measured on tfjs-webgpu
    const most = own().hessianStep === null ? 1e-4 : 1e-2;
    for (const [i, value] of product.entries())
      expect(Math.abs(value - (reference.product[i] as number))).toBeLessThan(most);
  });

  test.each(Object.entries(smokes))(
    '%s: the first five losses are those of onnxruntime-node, to 1e-4',
    async (_, smoke) => {
      // evaluation has shaders of its own to compile, and is tested above
      const reference = await lossesOn(await startEngine('onnxruntime-node'), smoke, false);
      const seen = await lossesOn(own(), smoke, false);
      expect(seen).toHaveLength(steps);
      expect(farthest(seen, reference)).toBeLessThan(1e-4);
    },
  );

  test('a browser that dies is told of, with the step, and closing what is left of it does no harm', async () => {
    const session = await openLine(own());
    await session.trainStep(points);
    process.kill(browser.pid(), 'SIGKILL');
    const failure = await session.trainStep(points).catch((error) => error);
    expect(failure).toMatchObject({ code: 'ERR_BROWSER_ENDED' });
    expect(failure.message).toMatch(/training step 1\. .*--resume/);
    session.dispose();
    await own().close();
  });
});

describe('the browser', { timeout: 120_000 }, () => {
  beforeEach(({ skip }) => skip(chromium === undefined, 'no Chromium: install it, or set VRADAM_CHROMIUM'));

  test('is gone when the engine is closed, and an error of the page is ours again', async ({ skip }) => {
    const { path, pid } = traced('closed');
    const engine = await startIn(path, 'tfjs-webgpu');
    if (typeof engine === 'string') return skip(engine);
    expect(isAlive(pid())).toBe(true);
    try {
      const session = await openLine(engine);
      const far: Batch = { ...points, x: { shape: [2, 3], data: new Float32Array(6).fill(Number.NaN) } };
      const strange = await session.hessianVectorProduct(far, {}).catch((error) => error);
      expect(strange).not.toBeInstanceOf(VRAdamError);
    } finally {
      await engine.close();
    }
    expect(isAlive(pid())).toBe(false);
  });

  test('that does not start is refused with its name', async () => {
    const path = join(folder, 'none.sh');
    writeFileSync(path, '#!/bin/sh\nexit 3\n');
    chmodSync(path, 0o755);
    await expect(startIn(path, 'tfjs-webgpu')).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining(path),
    });
  });
});

test('without a browser the error says what to do', () => {
  const nowhere = { PATH: folder };
  if (process.platform === 'linux') expect(findChromium(nowhere)).toBeUndefined();
  const named = { VRADAM_CHROMIUM: join(folder, 'absent') };
  expect(() => requireChromium(named)).toThrow(/absent\. .*VRADAM_CHROMIUM/);
});
