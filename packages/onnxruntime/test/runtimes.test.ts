/** What onnxruntime is asked for, which is where its runtimes differ, and who owns what stays on a GPU. */

import {
  adamw,
  averageWeights,
  clipByGlobalNorm,
  type OptimizerSpec,
  rmsprop,
  sgd,
  vradam,
  vrMomentum,
} from '@vradam/core';
import { decodeModel } from '@vradam/onnx-autodiff';
import * as node from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import {
  createTrainingSession,
  type OrtModule,
  type TrainingSession,
  type TrainingSessionOptions,
} from '../src/index.ts';
import { type FakeWebGpu, fakeWebGpu } from './fakeWebGpu.ts';
import { convolutional } from './images.ts';
import { batch, normalized, perceptron, wave } from './models.ts';
import { web } from './nodeWasm.ts';
import { onCpu, type Recording, record } from './recordingOrt.ts';
import { train, training } from './training.ts';

const placements = ['host', 'graph'] as const;
const open = (ort: OrtModule, options: Partial<TrainingSessionOptions> = {}): Promise<TrainingSession> =>
  createTrainingSession(ort, training({ sessionOptions: { intraOpNumThreads: 1 }, ...options }));

/** Every kind of call. */
async function useAll(session: TrainingSession): Promise<void> {
  await train(session, 4);
  await session.gradients(batch(8, 1));
  await session.evalStep(batch(8, 1));
  await session.run({ x: batch(8, 1)['x'] as never });
  const before = await session.saveCheckpoint();
  await session.accumulate(batch(8, 2));
  await session.optimizerStep();
  await session.loadParameters({ 'second.weight': wave(21, 5) });
  await session.trainStep(batch(8, 3));
  await session.loadCheckpoint(before);
  await session.trainStep(batch(8, 3));
  await session.hessianVectorProduct(batch(8, 1), {});
  await session.exportModel();
}

describe('what onnxruntime is asked', () => {
  const modules: [string, () => Recording, Partial<TrainingSessionOptions>][] = [
    ['onnxruntime-node', () => record(node), {}],
    ['onnxruntime-node with WebGPU', () => record(onCpu(node)), { executionProviders: ['webgpu', 'cpu'] }],
    ['onnxruntime-web', () => record(web), {}],
    ['onnxruntime-web with WebGPU', fakeWebGpu, { executionProviders: ['webgpu'] }],
  ];

  // given as `fetches`, outputs on the CPU stay all zero in onnxruntime-web 1.30
  test.each(modules)('%s: never for outputs in tensors of ours', async (_, make, options) => {
    for (const update of placements) {
      const { ort, runs } = make();
      const session = await open(ort, { ...options, update, model: normalized() });
      await useAll(session);
      expect(runs.length).toBeGreaterThan(10);
      expect(runs.filter(({ given }) => given.length !== 1)).toEqual([]);
    }
  });

  // asked for a GPU buffer, onnxruntime-node ends the process
  test.each(modules.slice(0, 3))('%s: never for GPU buffers', async (_, make, options) => {
    for (const update of placements) {
      const { ort, creations } = make();
      await useAll(await open(ort, { ...options, update }));
      expect(creations.length).toBeGreaterThan(4);
      for (const creation of creations) expect(creation).not.toHaveProperty('preferredOutputLocation');
      if (options.executionProviders)
        expect(creations[0]?.executionProviders).toEqual(options.executionProviders);
    }
  });

  test('onnxruntime-web with WebGPU: for what the next step needs in GPU buffers, and nothing else', async () => {
    const { ort, creations } = fakeWebGpu();
    await useAll(await open(ort, { executionProviders: ['webgpu'], model: normalized() }));
    const located = creations.flatMap(({ preferredOutputLocation: given }) => (given ? [given] : []));
    const [training, stepping] = located.map((locations) => Object.keys(locations).sort());
    const learnt = ['first.weight', 'norm.scale', 'norm.shift', 'second.weight'];
    const state = learnt.flatMap((name) => [
      `vradam.state/secondMoment/${name}`,
      `vradam.state/velocity/${name}`,
    ]);
    const next = (names: string[]) => names.map((name) => `vradam.next/${name}`).sort();
    expect(located).toHaveLength(2);
    expect(training).toEqual(next([...learnt, ...state, 'norm.mean', 'norm.variance']));
    expect(stepping).toEqual(next([...learnt, ...state]));
    for (const locations of located)
      expect(new Set(Object.values(locations))).toEqual(new Set(['gpu-buffer']));
  });
});

// seen in the log of onnxruntime-web 1.30; what has no kernel there, such as Sum, is copied to the CPU and back
const onWebGpu = [
  'Abs',
  'Add',
  'Div',
  'Identity',
  'Min',
  'Mul',
  'Pow',
  'ReduceSum',
  'ReduceSumSquare',
  'Reshape',
  'Sqrt',
  'Sub',
];

test.each<[string, OptimizerSpec]>([
  ['vradam', vradam({ power: 3, groups: [{ match: /bias/ }] })],
  ['vrMomentum', vrMomentum({ learningRate: 0.1 })],
  ['adamw, clipped and averaged', averageWeights(clipByGlobalNorm(adamw(), { maxNorm: 1 }), { decay: 0.9 })],
  ['sgd', sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })],
  ['rmsprop', rmsprop({ centered: true, momentum: 0.5 })],
])('the whole step of %s has kernels on WebGPU', async (_, optimizer) => {
  const { ort, models } = record(node);
  const session = await open(ort, { optimizer, update: 'graph' });
  await session.accumulate(batch(8, 1));
  await session.optimizerStep();
  const step = decodeModel(models.at(-1) as Uint8Array);
  expect(step.nodes.length).toBeGreaterThan(10);
  expect(step.nodes.map(({ op }) => op).filter((op) => !onWebGpu.includes(op))).toEqual([]);
});

test('MaxPool with indices, which WebGPU takes and then cannot run, is left to the CPU', async () => {
  const device = {};
  const providers = [{ name: 'webgpu', device, forceCpuNodeNames: ['mine'] }, 'wasm'];
  const pixels = { x: { dims: [2, 1, 7, 7], data: wave(98, 1) } };
  for (const [model, feeds, pools] of [
    [convolutional(true), pixels, 1],
    [convolutional(), pixels, 0],
    [perceptron(), { x: { dims: [2, 5], data: wave(10, 1) } }, 0],
  ] as const) {
    const { ort, creations, models } = fakeWebGpu();
    // inference gives all outputs of the model, the training step does without the indices
    await (await open(ort, { model, executionProviders: providers })).run(feeds);
    const nodes = decodeModel(models.at(-1) as Uint8Array).nodes;
    const names = nodes
      .filter(({ op, outputs }) => op === 'MaxPool' && outputs.length > 1)
      .map(({ name }) => name);
    expect(names).toHaveLength(pools);
    expect(creations.at(-1)?.executionProviders).toEqual([
      { name: 'webgpu', device, forceCpuNodeNames: ['mine', ...names] },
      'wasm',
    ]);
  }
});

describe('GPU tensors', () => {
  const live = ({ tensors }: FakeWebGpu) => tensors.filter(({ releases }) => releases === 0).length;
  const webgpu = { executionProviders: ['webgpu'] };

  test('of a step take the place of those before, which are released at once', async () => {
    const gpu = fakeWebGpu();
    const session = await open(gpu.ort, webgpu);
    const counts: number[] = [];
    for (let i = 0; i < 5; i++) {
      await session.trainStep(batch(8, i));
      counts.push(live(gpu));
    }
    // four parameters, each with two moments
    expect(counts).toEqual([12, 12, 12, 12, 12]);
    expect(gpu.tensors).toHaveLength(60);
    const { inputs, outputs } = gpu.runs.at(-1) ?? { inputs: {}, outputs: {} };
    expect(inputs).toMatchObject({ 'first.weight': 'gpu-buffer', x: 'cpu', labels: 'cpu' });
    expect(outputs).toMatchObject({ 'vradam.next/first.weight': 'gpu-buffer', 'vradam.loss': 'cpu' });
  });

  test.each([
    ['perceptron', perceptron()],
    ['normalized', normalized()],
    ['perceptron with Dropout', perceptron(0.5)],
  ])('are released once each, and sessions too, whatever was called (%s)', async (_, model) => {
    const gpu = fakeWebGpu();
    const session = await open(gpu.ort, { ...webgpu, model });
    await useAll(session);
    expect(live(gpu)).toBeGreaterThan(0);
    await session.dispose();
    expect(gpu.tensors.map(({ releases }) => releases)).toEqual(gpu.tensors.map(() => 1));
    expect(gpu.open).toBe(0);
  });

  test('stay where they are when a step is refused or fails', async () => {
    const gpu = fakeWebGpu();
    const session = await open(gpu.ort, webgpu);
    await train(session, 2);
    const before = live(gpu);
    await expect(session.trainStep({})).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_FEED_MISSING' }),
    );
    const x = new node.Tensor('float32', wave(40, 1), [8, 5]);
    Object.defineProperty(x, 'data', { get: () => 'nothing that onnxruntime could read' });
    const failing = session.trainStep({ ...batch(8, 1), x });
    await expect(failing).rejects.toThrow(expect.objectContaining({ code: 'ERR_RUNTIME' }));
    expect(live(gpu)).toBe(before);
    const straight = await open(node, { update: 'graph' });
    await train(straight, 2);
    expect(await train(session, 2, 2)).toEqual(await train(straight, 2, 2));
  });

  test('of a graph that was traced anew are not those of the session before', async () => {
    const groups = [{ match: /bias/, name: 'biases' }];
    const optimizer = vradam({ learningRate: 0.05, beta3: 2, groups });
    const gpu = fakeWebGpu();
    const [session, straight] = [
      await open(gpu.ort, { ...webgpu, optimizer }),
      await open(node, { optimizer, update: 'graph' }),
    ];
    for (const each of [session, straight]) {
      await train(each, 2);
      // two groups that shared a rate no longer do
      await each.setLearningRate(0.01, 'biases');
    }
    expect(await train(session, 3, 2)).toEqual(await train(straight, 3, 2));
    expect(gpu.models).toHaveLength(2);
    expect(gpu.open).toBe(1);
    await session.dispose();
    expect(gpu.tensors.map(({ releases }) => releases)).toEqual(gpu.tensors.map(() => 1));
  });

  test('can be saved at any step: it goes on as if nothing had been read', async () => {
    const gpu = fakeWebGpu();
    const [read, straight] = [await open(gpu.ort, webgpu), await open(node, { update: 'graph' })];
    for (let i = 0; i < 4; i++) {
      const bytes = await read.saveCheckpoint();
      expect(bytes).toEqual(await straight.saveCheckpoint());
      expect(await train(read, 1, i)).toEqual(await train(straight, 1, i));
    }
    await read.dispose();
    expect(live(gpu)).toBe(0);
  });
});
