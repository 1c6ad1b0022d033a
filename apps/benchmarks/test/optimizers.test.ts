/** The optimizers that a race may have. */

import { createOptimizer, float64Ops } from '@vradam/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startEngine } from '../src/engines/index.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { adam } from '../src/tasks/adam.ts';
import { cnn } from '../src/tasks/cifar10Cnn/model.ts';
import { presets } from '../src/tasks/cifar10Cnn/presets.ts';
import { adamwOptions, taskOptimizers } from '../src/tasks/optimizers.ts';
import { optimizerNames } from '../src/tasks/task.ts';

const rivals = {
  adamw: { ...adamwOptions, weightDecay: 0.1 },
  'sgd-nesterov': { momentum: 0.9, nesterov: true, weightDecay: 1e-5 },
  rmsprop: { alpha: 0.99, momentum: 0.2, epsilon: 1e-8, weightDecay: 1e-5 },
};
const optimizer = taskOptimizers(presets.quick, rivals, 4, { schedule: 'constant', epochs: 1 });

test('adam adds its decay to the gradient and is Adam otherwise', () => {
  const number = fc.double({ min: -3, max: 3, noNaN: true });
  const property = fc.property(
    number,
    fc.array(number, { minLength: 1, maxLength: 6 }),
    (start, gradients) => {
      const optimizer = createOptimizer(float64Ops, adam({ learningRate: 0.1, weightDecay: 0.3 }));
      let parameters: Readonly<Record<string, Float64Array>> = { x: Float64Array.of(start) };
      let state = optimizer.init(parameters);
      let [x, first, second] = [start, 0, 0];
      for (const [i, gradient] of gradients.entries()) {
        ({ parameters, state } = optimizer.update(parameters, { x: Float64Array.of(gradient) }, state));
        const g = gradient + 0.3 * x;
        first = 0.9 * first + 0.1 * g;
        second = 0.999 * second + 0.001 * g ** 2;
        const root = Math.sqrt(second / (1 - 0.999 ** (i + 1))) + 1e-8;
        x -= (0.1 * first) / (1 - 0.9 ** (i + 1)) / root;
      }
      expect(parameters['x']?.[0]).toBeCloseTo(x, 9);
    },
  );
  fc.assert(property);
});

test('names without a learning rate of their own have that of their kin, and differ in one thing', () => {
  const [vradam, byGradient] = (['vradam', 'vradam-gradient-norm'] as const).map((name) => optimizer(name));
  expect(byGradient?.options).toEqual({ ...vradam?.options, normGrad: true });
  expect(optimizer('adam').options).toEqual(optimizer('adamw').options);
  expect(optimizer('adam').spec.algorithm.name).toBe('adam');
  expect(optimizer('rmsprop', 7).learningRate).toBe(7);
});

test.each(['onnxruntime-node', 'tfjs-wasm'])('%s: each of them takes a step of its own', async (name) => {
  const network = cnn({ ...presets.quick, widths: [2, 3, 4], hidden: 5 }, 8, 3);
  const summary = summarize(network);
  const data = Float32Array.from({ length: 4 * 3 * 64 }, (_, i) => Math.sin(1.3 * i));
  const labels = { shape: [4], data: Int32Array.of(0, 1, 2, 0) };
  const batch = { images: { shape: [4, 3, 8, 8], data }, labels };
  const engine = await startEngine(name);
  const losses = new Map<string, number>();
  for (const each of optimizerNames) {
    const parameters = initialParameters(summary, 3, 1);
    const { spec } = optimizer(each, 0.1);
    const session = await engine.createSession({
      network,
      parameters,
      buffers: summary.buffers,
      optimizer: spec,
    });
    for (let step = 0; step < 3; step++) losses.set(each, (await session.trainStep(batch)).loss);
    session.dispose();
  }
  expect([...losses.values()].every(Number.isFinite)).toBe(true);
  expect(new Set(losses.values()).size).toBe(optimizerNames.length);
});
