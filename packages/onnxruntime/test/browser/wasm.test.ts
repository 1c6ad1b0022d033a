/** onnxruntime-web in a browser: WebAssembly with threads, which need a page that is isolated from others. */

import { buildModel, encodeModel } from '@vradam/onnx-autodiff';
import * as ort from 'onnxruntime-web';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { createTrainingSession } from '../../src/index.ts';
import { batch, perceptron } from '../models.ts';
import { farthest, limit, train, training } from '../training.ts';

const { losses: expected, checkpoint } = inject('nodeRun');

beforeAll(() => {
  ort.env.wasm.numThreads = 2;
});

test('the page may share memory between threads, and the session has two', async () => {
  expect(globalThis.crossOriginIsolated).toBe(true);
  const session = await createTrainingSession(ort, training());
  expect(ort.env.wasm.numThreads).toBe(2);
  await session.dispose();
});

describe.each(['host', 'graph'] as const)('the optimizer in the %s', (update) => {
  test('trains as onnxruntime-node does', async () => {
    const session = await createTrainingSession(ort, training({ update }));
    const losses = await train(session, 10);
    console.log(update, farthest(losses, expected));
    expect(farthest(losses, expected)).toBeLessThan(limit);
    await session.dispose();
  });
});
