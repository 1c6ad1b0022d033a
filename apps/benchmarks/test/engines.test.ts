/** One model definition, three engines: they check each other. */

import { vradam } from '@vradam/core';
import { expect, test } from 'vitest';
import { engineNames, startEngine } from '../src/engines/index.ts';
import type { Batch } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { openRandom } from '../src/random.ts';
import { cnn } from '../src/tasks/cifar10Cnn/model.ts';
import { presets } from '../src/tasks/cifar10Cnn/presets.ts';

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

async function lossesOn(name: string): Promise<{ losses: number[]; evaluated: number[] }> {
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

test('the quick CNN has the same losses on every engine: 1e-4 over 5 steps, 1e-3 over 20', {
  timeout: 240_000,
}, async () => {
  const [reference, ...others] = await Promise.all(engineNames.map(lossesOn));
  expect(others.length).toBe(2);
  const { losses } = reference as (typeof others)[number];
  expect(new Set(losses).size).toBe(20);
  for (const [i, other] of others.entries()) {
    const errors = relative(other.losses, losses);
    const name = `${engineNames[i + 1]} against ${engineNames[0]}`;
    expect(Math.max(...errors.slice(0, 5)), name).toBeLessThan(1e-4);
    expect(Math.max(...errors), name).toBeLessThan(1e-3);
    // running statistics, too
    expect(Math.max(...relative(other.evaluated, reference?.evaluated ?? [])), name).toBeLessThan(5e-3);
  }
});
