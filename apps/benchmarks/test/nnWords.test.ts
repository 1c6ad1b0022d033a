/** Words of models by themselves: their values and gradients against plain arithmetic, on both kinds of engines. */

import { sgd } from '@vradam/core';
import { expect, test } from 'vitest';
import { startEngine } from '../src/engines/index.ts';
import type { Network, Nn } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';

/** The loss of an example: the mean of `log(softplus(x w))` over its features, once along each axis it can have. */
const network: Network = {
  inputs: {
    x: { shape: [3], dtype: 'float32' },
    rows: { shape: [], dtype: 'int32', rows: 'pairs' },
  },
  run<V>(nn: Nn<V>, { x, rows }: Readonly<Record<string, V>>) {
    const y = nn.log(nn.softplus(nn.mul(x as V, nn.parameter('w', [3], { kind: 'normal', deviation: 0.5 }))));
    const [last, first] = [nn.mean(y, -1), nn.mean(nn.transpose(y, [1, 0]), 0)];
    const halves = nn.scale(nn.add(last, first), 0.5);
    return { loss: halves, outputs: { picked: nn.embedding(y, rows as V) } };
  },
};
const summary = summarize(network);
const parameters = initialParameters(summary, 5, 1);
const w = [...(parameters.get('w')?.data ?? [])];
const x = [0.3, -1.2, 2, 0.9, 0.1, -0.4];
const batch = {
  x: { shape: [2, 3], data: Float32Array.from(x) },
  rows: { shape: [3], data: Int32Array.of(1, 0, 1) },
};

test.each(['onnxruntime-node', 'tfjs-wasm'])('%s: products, logarithms and means', async (name) => {
  const engine = await startEngine(name);
  const optimizer = sgd({ learningRate: 1 });
  const session = await engine.createSession({ network, parameters, buffers: summary.buffers, optimizer });
  const y = x.map((value, i) => Math.log(Math.log1p(Math.exp(value * (w[i % 3] as number)))));
  const { losses, outputs } = await session.evaluate(batch);
  const mean = (from: number): number => y.slice(from, from + 3).reduce((a, b) => a + b, 0) / 3;
  for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo(mean(3 * i), 5);
  expect(outputs['picked']?.shape).toEqual([3, 3]);
  for (const [i, value] of (outputs['picked']?.data ?? []).entries())
    expect(value).toBeCloseTo(y[(i + 3) % 6] as number, 5);

  await session.trainStep(batch);
  const moved = (await session.save()).parameters['w']?.data ?? [];
  session.dispose();
  for (const [j, before] of w.entries()) {
    const slope = (value: number): number =>
      value / (1 + Math.exp(-value * before)) / Math.log1p(Math.exp(value * before));
    const gradient = (slope(x[j] as number) + slope(x[j + 3] as number)) / 6;
    expect(moved[j]).toBeCloseTo(before - gradient, 5);
  }
});

test('normal weights have their deviation, and none is beyond three of them', () => {
  const wide: Network = {
    inputs: { x: { shape: [], dtype: 'float32' } },
    run: (nn, { x }) => {
      nn.parameter('w', [100, 100], { kind: 'normal', deviation: 0.01 });
      return { loss: x as never, outputs: {} };
    },
  };
  const data = [...(initialParameters(summarize(wide), 1, 1).get('w')?.data ?? [])];
  const variance = data.reduce((sum, value) => sum + value ** 2, 0) / data.length;
  expect(Math.sqrt(variance)).toBeCloseTo(0.01, 3);
  expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(0.03 + 1e-9);
});
