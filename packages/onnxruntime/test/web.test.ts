/** What a user of onnxruntime-web relies on, as far as Node shows it; the rest is in `test/browser`. */

import { GraphBuilder, type Value } from '@vradam/onnx-autodiff';
import * as node from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import {
  createTrainingSession,
  type OrtModule,
  type TrainingSession,
  type TrainingSessionOptions,
} from '../src/index.ts';
import { fakeWebGpu } from './fakeWebGpu.ts';
import { batch, normalized, parameter, perceptron, wave } from './models.ts';
import { web } from './nodeWasm.ts';
import { deviation, farthest, limit, train, training } from './training.ts';

const placements = ['host', 'graph'] as const;
const sessionOptions = { intraOpNumThreads: 1 };
const open = (ort: OrtModule, options: Partial<TrainingSessionOptions> = {}): Promise<TrainingSession> =>
  createTrainingSession(ort, training({ sessionOptions, ...options }));
const openBoth = (options: Partial<TrainingSessionOptions> = {}) =>
  Promise.all([open(node, options), open(web, options)]);

/** Elements of a tensor. */
const numbers = (tensor: { readonly data: unknown } | undefined): number[] => [
  ...((tensor?.data ?? []) as Float32Array),
];

describe.each(placements)('in WebAssembly, the optimizer in the %s', (update) => {
  test('ten steps lose and learn as on onnxruntime-node', async () => {
    const [native, wasm] = await openBoth({ update });
    const [expected, losses] = [await train(native, 10), await train(wasm, 10)];
    // measured: 2e-7
    expect(farthest(losses, expected)).toBeLessThan(limit);
    expect(new Set(losses).size).toBe(10);
    const [p, q] = [await native.parameters(), await wasm.parameters()];
    for (const [name, { data, dims }] of Object.entries(p)) {
      expect(q[name]?.dims).toEqual(dims);
      expect(deviation(q[name]?.data, data)).toBeLessThan(limit);
    }
    expect(wasm.stats()).toMatchObject({
      update,
      step: 10,
      runtime: `onnxruntime-web ${web.env.versions.web}`,
    });
  });

  test('running statistics and Dropout masks are those of onnxruntime-node', async () => {
    for (const model of [normalized(), perceptron(0.5)]) {
      const [native, wasm] = await openBoth({ update, model, seed: 7 });
      const expected = await train(native, 5);
      expect(farthest(await train(wasm, 5), expected)).toBeLessThan(limit);
      const [{ buffers: a }, { buffers: b }] = [await native.save(), await wasm.save()];
      for (const [name, data] of a) expect(deviation(b.get(name), data)).toBeLessThan(limit);
    }
  });

  test('a last, smaller batch counts by its own size', async () => {
    const [native, wasm] = await openBoth({ update });
    for (const size of [8, 8, 1]) {
      const expected = await native.trainStep(batch(size, size));
      const report = await wasm.trainStep(batch(size, size));
      expect(farthest([report.loss], [expected.loss])).toBeLessThan(limit);
      expect(report.groups[0]?.norm).toBeCloseTo(expected.groups[0]?.norm as number, 5);
    }
  });

  test('accumulated gradients make the step that they make on onnxruntime-node', async () => {
    const both = await openBoth({ update });
    for (const session of both) {
      await session.accumulate(batch(8, 1));
      await session.accumulate(batch(8, 2));
      await session.optimizerStep();
    }
    const [expected, actual] = await Promise.all(both.map((session) => session.evalStep(batch(8, 3))));
    expect(farthest([actual?.loss as number], [expected?.loss as number])).toBeLessThan(limit);
  });

  test.each(placements)(
    'a checkpoint goes on from and to onnxruntime-node, there in the %s',
    async (other) => {
      for (const [from, to] of [
        [node, web],
        [web, node],
      ]) {
        const straight = await open(from as OrtModule, { update: from === web ? update : other });
        await train(straight, 3);
        const resumed = await open(to as OrtModule, { update: to === web ? update : other });
        await resumed.loadCheckpoint(await straight.saveCheckpoint());
        const expected = await train(straight, 4, 3);
        expect(farthest(await train(resumed, 4, 3), expected)).toBeLessThan(limit);
      }
    },
  );
});

/** Two inputs, three outputs. */
function twins(): GraphBuilder {
  const g = new GraphBuilder({ name: 'twins' });
  const halves = ['left', 'right'].map((side, i): Value => {
    const x = g.input(side, 'float32', ['batch', 4]);
    const hidden = g.tanh(g.gemm(x, parameter(g, `${side}.weight`, [6, 4], i + 1), undefined, { transB: 1 }));
    g.output(`${side}.hidden`, hidden);
    return hidden;
  });
  const [left, right] = halves as [Value, Value];
  g.output('logits', g.gemm(g.mul(left, right), parameter(g, 'top', [3, 6], 3), undefined, { transB: 1 }));
  return g;
}

test('run and evalStep take several inputs and give all outputs', async () => {
  const [native, wasm] = await openBoth({ model: twins() });
  const inputs = {
    left: { dims: [5, 4], data: wave(20, 1) },
    right: { dims: [5, 4], data: wave(20, 2) },
  };
  const feeds = { ...inputs, labels: { dims: [5], data: [0, 1, 2, 1, 0] } };
  for (const session of [native, wasm]) await session.trainStep(feeds);
  const expected = await native.evalStep(feeds);
  const { loss, outputs } = await wasm.evalStep(feeds);
  const inference = await wasm.run(inputs);
  expect(farthest([loss], [expected.loss])).toBeLessThan(limit);
  expect(Object.keys(inference)).toEqual(['left.hidden', 'right.hidden', 'logits']);
  for (const [name, tensor] of Object.entries(expected.outputs)) {
    expect(outputs[name]?.dims).toEqual(tensor.dims);
    expect(deviation(numbers(outputs[name]), numbers(tensor))).toBeLessThan(limit);
    expect(numbers(inference[name])).toEqual(numbers(outputs[name]));
  }
});

test("'auto' is the host on CPUs, and the graph on WebGPU", async () => {
  const [native, wasm] = await openBoth();
  const gpu = await open(fakeWebGpu().ort, { executionProviders: [{ name: 'webgpu' }, 'wasm'] });
  expect([native, wasm, gpu].map((session) => session.stats().update)).toEqual(['host', 'host', 'graph']);
});
