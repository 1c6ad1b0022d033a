/** A session of `@vradam/onnxruntime` that takes its steps in this package's kernels, on the device of its model. */

import { accumulateGradients, adamw, skipNonFinite } from '@vradam/core';
import * as ort from 'onnxruntime-web/webgpu';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
// by its files: an adapter depends on no other one
import { createTrainingSession, type TrainingSessionOptions } from '../../../onnxruntime/src/index.ts';
import { convolutional, images } from '../../../onnxruntime/test/images.ts';
import { batch } from '../../../onnxruntime/test/models.ts';
import { farthest, limit, train, training } from '../../../onnxruntime/test/training.ts';
import { deviceUpdate } from '../../src/onnxruntime.ts';

let device: GPUDevice;
const sessions: { dispose(): Promise<void> }[] = [];

beforeAll(async () => {
  ort.env.wasm.numThreads = 1;
  device = (await (await navigator.gpu.requestAdapter())?.requestDevice()) as GPUDevice;
});

afterAll(async () => {
  for (const session of sessions) await session.dispose();
});

async function open(onDevice: boolean, options: Partial<TrainingSessionOptions> = {}) {
  const session = await createTrainingSession(
    ort as never,
    training({
      executionProviders: [{ name: 'webgpu', device }],
      update: onDevice ? deviceUpdate(device) : 'graph',
      ...options,
    }),
  );
  sessions.push(session);
  return session;
}

describe('a session whose steps are taken on its device', { timeout: 240_000 }, () => {
  test('trains as one with the optimizer in its graph, and is saved and loaded as that is', async () => {
    const [onDevice, inGraph] = [await open(true), await open(false)];
    expect([onDevice.stats().update, inGraph.stats().update]).toEqual(['device', 'graph']);
    expect(farthest(await train(onDevice, 6), await train(inGraph, 6))).toBeLessThan(limit);

    const [own, other] = [onDevice.stats(), inGraph.stats()];
    expect(own).toMatchObject({ step: 6, skippedSteps: 0 });
    const rates = [own, other].map(({ groups }) => groups.map((group) => group.effectiveLearningRate));
    expect(farthest(rates[0] as number[], rates[1] as number[])).toBeLessThan(limit);
    expect(own.groups[0]?.effectiveLearningRate).toBeLessThan(0.05);

    const [a, b] = [await onDevice.evalStep(batch(8, 1)), await inGraph.evalStep(batch(8, 1))];
    expect(farthest([a.loss], [b.loss])).toBeLessThan(limit);

    await inGraph.load(await onDevice.save());
    const [rest, again] = [await train(onDevice, 3), await train(inGraph, 3)];
    expect(farthest(rest, again)).toBeLessThan(limit);
    await onDevice.load(await inGraph.save());
    expect(farthest(await train(onDevice, 2), await train(inGraph, 2))).toBeLessThan(limit);
  });

  test('takes gradients that were accumulated, other learning rates and other parameters', async () => {
    const curves: number[][] = [];
    for (const session of [await open(true), await open(false)]) {
      const start = await session.parameters();
      await train(session, 1);
      await session.accumulate(batch(8, 1));
      await session.accumulate(batch(3, 2));
      await session.optimizerStep();
      const first = await train(session, 1);
      await session.setLearningRate(0.01);
      await session.loadParameters(
        Object.fromEntries(Object.entries(start).map(([name, { data }]) => [name, data])),
      );
      curves.push([...first, ...(await train(session, 2))]);
      expect(session.stats().groups[0]?.learningRate).toBeCloseTo(0.01);
    }
    expect(farthest(curves[0] as number[], curves[1] as number[])).toBeLessThan(limit);
  });

  test('normalizes by the batch, and moves running statistics', async () => {
    const curves: number[][] = [];
    for (const onDevice of [true, false]) {
      const session = await open(onDevice, { model: convolutional() });
      const losses = await train(session, 3, 0, images);
      const evaluated = await session.evalStep(images(8, 1));
      curves.push([...losses, evaluated.loss]);
    }
    expect(farthest(curves[0] as number[], curves[1] as number[])).toBeLessThan(limit);
  });

  test('gathers batches and skips bad ones, which a graph cannot', async () => {
    const optimizer = skipNonFinite(accumulateGradients(adamw({ learningRate: 0.05 }), { steps: 2 }));
    const session = await open(true, { optimizer });
    const host = await open(false, { optimizer, executionProviders: ['wasm'], update: 'host' });
    expect(farthest(await train(session, 5), await train(host, 5))).toBeLessThan(limit);
    expect(session.stats()).toMatchObject({ step: 2, skippedSteps: 0 });
  });

  test('is refused where the model runs elsewhere', async () => {
    await expect(open(true, { executionProviders: ['wasm'] })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
  });
});
