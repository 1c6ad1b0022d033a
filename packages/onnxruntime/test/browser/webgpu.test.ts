/**
 * onnxruntime-web on WebGPU, here in software: it is about what happens where, not about speed. The first step of all
 * compiles some thirty shaders, which takes most of the time.
 */

import * as ort from 'onnxruntime-web/webgpu';
import { beforeEach, describe, expect, inject, test } from 'vitest';
import { createTrainingSession, type TrainingSession, type TrainingSessionOptions } from '../../src/index.ts';
import { batch } from '../models.ts';
import { type Recording, record } from '../recordingOrt.ts';
import { farthest, limit, train, training } from '../training.ts';
import { loadedFrom, page } from './page.ts';

const { losses: expected, checkpoint, evaluated } = inject('nodeRun');

beforeEach(async ({ skip }) => {
  const adapter = await page.navigator?.gpu?.requestAdapter();
  skip(!adapter, 'this browser has no WebGPU adapter');
});

const open = (options: Partial<TrainingSessionOptions> = {}, module = ort): Promise<TrainingSession> =>
  createTrainingSession(module, training({ executionProviders: ['webgpu'], ...options }));

describe('on WebGPU', { timeout: 120_000 }, () => {
  test('it trains and evaluates as onnxruntime-node does, and all that is learnt stays in GPU buffers', async () => {
    const recording: Recording = record(ort);
    const session = await createTrainingSession(recording.ort, training({ executionProviders: ['webgpu'] }));
    expect(session.stats().update).toBe('graph');
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
    await session.dispose();
    expect(recording.open).toBe(0);
  });

  test('accumulated gradients make a step there, too', async () => {
    const [gpu, cpu] = [await open(), await open({ executionProviders: ['wasm'] })];
    const curves: number[][] = [];
    for (const session of [gpu, cpu]) {
      await train(session, 1);
      await session.accumulate(batch(8, 1));
      await session.accumulate(batch(3, 2));
      await session.optimizerStep();
      curves.push(await train(session, 2));
      await session.dispose();
    }
    expect(farthest(curves[0] ?? [], curves[1] ?? [])).toBeLessThan(limit);
  });

  test('a checkpoint of onnxruntime-node goes on there, and one from there on the host', async () => {
    const gpu = await open();
    await gpu.loadCheckpoint(Uint8Array.from(checkpoint));
    const middle = await train(gpu, 3, 3);
    const bytes = await gpu.saveCheckpoint();
    const rest = await train(gpu, 4, 6);
    await gpu.dispose();
    const host = await open({ executionProviders: ['wasm'], update: 'host' });
    await host.loadCheckpoint(bytes);
    const resumed = await train(host, 4, 6);
    expect(farthest([...middle, ...rest], expected.slice(3))).toBeLessThan(limit);
    expect(farthest([...middle, ...resumed], expected.slice(3))).toBeLessThan(limit);
    await host.dispose();
  });

  test('nothing is loaded from elsewhere', () => {
    const addresses = loadedFrom();
    expect(addresses.some((address) => address.includes('asyncify'))).toBe(true);
    expect(addresses.filter((address) => !address.startsWith(`${page.location?.origin}/`))).toEqual([]);
  });
});
