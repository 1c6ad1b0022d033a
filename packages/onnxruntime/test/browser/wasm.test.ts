/** onnxruntime-web in a browser: WebAssembly with threads, which need a page that is isolated from others. */

import { VRAdamError } from '@vradam/core';
import { buildModel, encodeModel } from '@vradam/onnx-autodiff';
import * as ort from 'onnxruntime-web/wasm';
import { describe, expect, inject, test } from 'vitest';
import { createTrainingSession } from '../../src/index.ts';
import { batch, perceptron } from '../models.ts';
import { farthest, limit, train, training } from '../training.ts';
import { loadedFrom, page, type WorkerClass } from './page.ts';

const { losses: expected, checkpoint } = inject('nodeRun');
ort.env.wasm.numThreads = 2;

/** Counts the workers that are started. */
function countWorkers(): () => number {
  const OwnWorker = page.Worker as WorkerClass;
  let count = 0;
  page.Worker = class extends OwnWorker {
    constructor(...given: unknown[]) {
      super(...given);
      count++;
    }
  };
  return () => count;
}

test('in an isolated page there are two threads, and nothing is loaded from elsewhere', async () => {
  const workers = countWorkers();
  const session = await createTrainingSession(ort, training());
  expect(session.stats()).toMatchObject({
    update: 'host',
    runtime: `onnxruntime-web ${ort.env.versions.web}`,
  });
  expect(page.crossOriginIsolated).toBe(true);
  expect(ort.env.wasm.numThreads).toBe(2);
  expect(workers()).toBe(1);
  const addresses = loadedFrom();
  expect(addresses.some((address) => address.endsWith('.wasm'))).toBe(true);
  expect(addresses.filter((address) => !address.startsWith(`${page.location?.origin}/`))).toEqual([]);
  await session.dispose();
});

describe.each(['host', 'graph'] as const)('the optimizer in the %s', (update) => {
  test('trains as onnxruntime-node does', async () => {
    const session = await createTrainingSession(ort, training({ update }));
    expect(farthest(await train(session, 10), expected)).toBeLessThan(limit);
    await session.dispose();
  });

  test('goes on from where onnxruntime-node was', async () => {
    const session = await createTrainingSession(ort, training({ update }));
    await session.loadCheckpoint(Uint8Array.from(checkpoint));
    expect(farthest(await train(session, 7, 3), expected.slice(3))).toBeLessThan(limit);
    await session.dispose();
  });
});

describe('a model comes', () => {
  const bytes = encodeModel(buildModel(perceptron()));
  const lossOf = async (model: string | URL): Promise<number> => {
    const session = await createTrainingSession(ort, training({ model }));
    const { loss } = await session.evalStep(batch(8, 0));
    await session.dispose();
    return loss;
  };

  test('by fetch from a data: or blob: URL', async () => {
    const blob = URL.createObjectURL(new Blob([bytes]));
    const data = `data:application/octet-stream;base64,${btoa(String.fromCharCode(...bytes))}`;
    const losses = [await lossOf(data), await lossOf(blob), await lossOf(new URL(blob))];
    URL.revokeObjectURL(blob);
    expect(
      farthest(
        losses,
        [0, 0, 0].map(() => expected[0] as number),
      ),
    ).toBeLessThan(limit);
  });

  test('or is refused with a code', async () => {
    const gone = URL.createObjectURL(new Blob([bytes]));
    URL.revokeObjectURL(gone);
    const damaged = `data:,${'no model'.repeat(9)}`;
    for (const url of [gone, damaged]) {
      const error = await lossOf(url).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(VRAdamError);
      expect(error).toMatchObject({ code: 'ERR_FILE_FORMAT' });
    }
  });
});
