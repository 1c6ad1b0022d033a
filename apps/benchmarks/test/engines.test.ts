/** One model definition, many engines: they check each other. Those in Chromium have a file of their own. */

import { vradam } from '@vradam/core';
import { expect, test } from 'vitest';
import { enginesIn, startEngine } from '../src/engines/index.ts';
import type { Batch } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { openRandom } from '../src/random.ts';
import { cnn } from '../src/tasks/cifar10Cnn/model.ts';
import { presets } from '../src/tasks/cifar10Cnn/presets.ts';
import { tasks } from '../src/tasks/index.ts';
import { farthest, lossesOn, smokes, steps } from './smoke.ts';

const network = cnn(presets.quick, 32, 10);
const summary = summarize(network);

/** A batch of the quick preset: pictures that have something to do with their labels. */
const size = presets.quick.batchSize;
function picture(step: number): Batch {
  const random = openRandom(step, 3);
  const labels = Int32Array.from({ length: size }, () => random.integer(10));
  const data = Float32Array.from({ length: size * 3 * 32 * 32 }, (_, i) => {
    const label = labels[Math.floor(i / 3072)] as number;
    return random.normal() + Math.sin((i % 32) * (label + 1) * 0.2);
  });
  return { images: { shape: [size, 3, 32, 32], data }, labels: { shape: [size], data: labels } };
}

/** The engines that are fast enough for it. */
const fastNames = enginesIn('node').filter((name) => name !== 'tfjs-cpu');

async function quickLossesOn(name: string): Promise<{ losses: number[]; evaluated: number[] }> {
  const engine = await startEngine(name);
  const session = await engine.createSession({
    network,
    parameters: initialParameters(summary, 3, 1),
    buffers: summary.buffers,
    optimizer: vradam({ learningRate: 1e-3 }),
  });
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) losses.push((await session.trainStep(picture(step))).loss);
  const evaluated = [...(await session.evaluate(picture(100))).losses];
  session.dispose();
  return { losses, evaluated };
}

const relative = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((value, i) => Math.abs(value - (b[i] as number)) / Math.abs(b[i] as number));

test('the quick CNN has the same losses on every fast engine: 1e-4 over 5 steps, 1e-3 over 20', {
  timeout: 240_000,
}, async () => {
  const [reference, ...others] = await Promise.all(fastNames.map(quickLossesOn));
  expect(others.length).toBe(2);
  const { losses } = reference as (typeof others)[number];
  expect(new Set(losses).size).toBe(20);
  for (const [i, other] of others.entries()) {
    const errors = relative(other.losses, losses);
    const name = `${fastNames[i + 1]} against ${fastNames[0]}`;
    expect(Math.max(...errors.slice(0, 5)), name).toBeLessThan(1e-4);
    expect(Math.max(...errors), name).toBeLessThan(1e-3);
    // running statistics, too
    expect(Math.max(...relative(other.evaluated, reference?.evaluated ?? [])), name).toBeLessThan(5e-3);
  }
});

test('every task that is raced has a smoke size', () => {
  expect(Object.keys(smokes).sort()).toEqual(tasks.map(({ name }) => name).sort());
});

test.each(Object.entries(smokes))(
  '%s: the first five losses are the same on every engine in Node, to 1e-4',
  async (_, smoke) => {
    const names = enginesIn('node');
    expect(names).toContain('tfjs-cpu');
    const losses = new Map<string, number[]>();
    // one after another: tfjs knows one backend at a time
    for (const name of names) losses.set(name, await lossesOn(await startEngine(name), smoke));
    const reference = losses.get('onnxruntime-node') as number[];
    expect(new Set(reference).size).toBe(steps + 1);
    const untrained = await lossesOn(await startEngine('onnxruntime-node'), { ...smoke, learningRate: 0 });
    expect(Math.abs((untrained[steps - 1] as number) / (reference[steps - 1] as number) - 1)).toBeGreaterThan(
      1e-3,
    );
    for (const [name, own] of losses) expect(farthest(own, reference), name).toBeLessThan(1e-4);
  },
);
