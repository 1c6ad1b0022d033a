/**
 * onnxruntime-web on WebGPU, here in software: it is about what happens where, not about speed. Most of the time goes
 * into compiling shaders. They last as long as any session: one is open all the while.
 */

import * as ort from 'onnxruntime-web/webgpu';
import { afterAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { createTrainingSession, type TrainingSession, type TrainingSessionOptions } from '../../src/index.ts';
import { convolutional, images } from '../images.ts';
import { batch } from '../models.ts';
import { record } from '../recordingOrt.ts';
import { farthest, limit, train, training } from '../training.ts';
import { loadedFrom, page } from './page.ts';

const { losses: expected, checkpoint, evaluated, imageLosses } = inject('nodeRun');

beforeEach(async ({ skip }) => {
  const adapter = await page.navigator?.gpu?.requestAdapter();
  skip(!adapter, 'this browser has no WebGPU adapter');
});

const recording = record(ort);
const opened: TrainingSession[] = [];

async function open(options: Partial<TrainingSessionOptions> = {}): Promise<TrainingSession> {
  const session = await createTrainingSession(
    recording.ort,
    training({ executionProviders: ['webgpu'], ...options }),
  );
  opened.push(session);
  return session;
}

afterAll(async () => {
  for (const session of opened) await session.dispose();
  expect(recording.open).toBe(0);
});

describe('on WebGPU', { timeout: 120_000 }, () => {
  test('a model trains as on onnxruntime-node, and all that is learnt stays in GPU buffers', async () => {
    const session = await open();
    expect(session.stats()).toMatchObject({
      update: 'graph',
      runtime: `onnxruntime-web ${ort.env.versions.web}`,
    });
    expect(farthest(await train(session, 10), expected)).toBeLessThan(limit);
    const last = recording.runs.at(-1);
    const learnt = Object.keys(await session.parameters());
    const state = learnt.flatMap((name) =>
      ['velocity', 'secondMoment'].map((slot) => `vradam.state/${slot}/${name}`),
    );
    for (const name of [...learnt, ...state]) {
      expect([name, last?.inputs[name]]).toEqual([name, 'gpu-buffer']);
      expect([name, last?.outputs[`vradam.next/${name}`]]).toEqual([name, 'gpu-buffer']);
    }
    expect(last?.outputs['vradam.loss']).toBe('cpu');
    const { loss, outputs } = await session.evalStep(batch(8, 1));
    expect(farthest([loss], [evaluated])).toBeLessThan(limit);
    expect(outputs['logits']?.dims).toEqual([8, 3]);
  });

  test('a checkpoint of onnxruntime-node goes on, and the one made then goes on on the host', async () => {
    const gpu = await open();
    await gpu.loadCheckpoint(Uint8Array.from(checkpoint));
    const middle = await train(gpu, 3, 3);
    const bytes = await gpu.saveCheckpoint();
    const rest = await train(gpu, 4, 6);
    const host = await open({ executionProviders: ['wasm'], update: 'host' });
    await host.loadCheckpoint(bytes);
    const resumed = await train(host, 4, 6);
    expect(farthest([...middle, ...rest], expected.slice(3))).toBeLessThan(limit);
    expect(farthest([...middle, ...resumed], expected.slice(3))).toBeLessThan(limit);
  });

  test('accumulated gradients make the step that they make in WebAssembly', async () => {
    const curves: number[][] = [];
    for (const executionProviders of [['webgpu'], ['wasm']]) {
      const session = await open({ executionProviders });
      await train(session, 1);
      await session.accumulate(batch(8, 1));
      await session.accumulate(batch(3, 2));
      await session.optimizerStep();
      curves.push(await train(session, 2));
    }
    expect(farthest(curves[0] ?? [], curves[1] ?? [])).toBeLessThan(limit);
  });

  test('convolution, normalization by the batch and overlapping pools train as on onnxruntime-node', async () => {
    const session = await open({ model: convolutional() });
    expect(farthest(await train(session, 5, 0, images), imageLosses)).toBeLessThan(limit);
  });

  test('a session can be had after the last one is gone', async () => {
    for (const session of opened.splice(0)) await session.dispose();
    expect(recording.open).toBe(0);
    const { loss } = await (await open()).evalStep(batch(8, 0));
    expect(farthest([loss], expected.slice(0, 1))).toBeLessThan(limit);
  });

  test('nothing is loaded from elsewhere', () => {
    const addresses = loadedFrom();
    expect(addresses.some((address) => address.endsWith('.asyncify.wasm'))).toBe(true);
    expect(addresses.filter((address) => !address.startsWith(`${page.location?.origin}/`))).toEqual([]);
  });
});
