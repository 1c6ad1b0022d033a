/** What a step costs and how it is recorded: dispatches, allocations, encoders, saving. */

import {
  accumulateGradients,
  adamw,
  averageWeights,
  clipByGlobalNorm,
  decodeState,
  encodeState,
  skipNonFinite,
  vradam,
} from '@vradam/core';
import { describe, expect, test } from 'vitest';
import { createOptimizer, exportState, importState } from '../src/index.ts';
import { needsDevice, newDevice, sharedDevice } from './device.ts';
import { noise, writeAll } from './values.ts';

needsDevice();

/** Counts calls of methods while `run` runs. */
async function count<O extends object>(
  object: O,
  methods: readonly (keyof O)[],
  run: () => unknown,
): Promise<number> {
  let calls = 0;
  const originals = methods.map((method) => object[method]);
  for (const method of methods) {
    const original = object[method] as (...args: unknown[]) => unknown;
    object[method] = function (this: O, ...args: unknown[]) {
      calls++;
      return original.apply(this, args);
    } as O[typeof method];
  }
  try {
    await run();
  } finally {
    for (const [i, method] of methods.entries()) object[method] = originals[i] as O[typeof method];
  }
  return calls;
}

const values = (tensors: number) =>
  Object.fromEntries(Array.from({ length: tensors }, (_, i) => [`t${i}`, noise(100 + 37 * i, i + 1)]));

/** Dispatches that one step records. */
async function dispatches(device: GPUDevice, spec: Parameters<typeof createOptimizer>[1], tensors: number) {
  const optimizer = await createOptimizer(device, spec, values(tensors));
  const pass = device.createCommandEncoder().beginComputePass();
  const prototype = Object.getPrototypeOf(pass) as GPUComputePassEncoder;
  pass.end();
  const calls = await count(prototype, ['dispatchWorkgroups'], () => optimizer.step());
  await optimizer.stats();
  optimizer.destroy();
  return calls;
}

describe('dispatches of a step', () => {
  test.each([
    ['vradam', vradam(), 3],
    ['vradam that skips', skipNonFinite(vradam()), 3],
    ['adamw', adamw(), 2],
    ['adamw that skips', skipNonFinite(adamw()), 3],
    ['clipped adamw', clipByGlobalNorm(adamw(), { maxNorm: 1 }), 4],
    ['clipped vradam', clipByGlobalNorm(vradam(), { maxNorm: 1 }), 5],
    ['averaged vradam', averageWeights(vradam()), 3],
    ['vradam over batches that skips', skipNonFinite(accumulateGradients(vradam(), { steps: 2 })), 6],
  ])('%s, whatever the number of tensors', async (_, spec, expected) => {
    const device = await sharedDevice();
    expect(await dispatches(device, spec, 1)).toBe(expected);
    expect(await dispatches(device, spec, 40)).toBe(expected);
  });

  test('two more for each further group', async () => {
    const spec = vradam({ groups: [{ match: /[13579]$/ }] });
    expect(await dispatches(await sharedDevice(), spec, 10)).toBe(5);
  });
});

describe('steps make no objects on the GPU', () => {
  const makers = ['createBuffer', 'createBindGroup', 'createComputePipeline', 'createShaderModule'] as const;

  test.each([
    ['alone', vradam()],
    [
      'clipped, averaged, skipping',
      skipNonFinite(averageWeights(clipByGlobalNorm(vradam(), { maxNorm: 1 }))),
    ],
    ['over batches', accumulateGradients(vradam(), { steps: 2 })],
    ['over batches, skipping', skipNonFinite(accumulateGradients(vradam(), { steps: 2 }))],
  ])('%s, with missing gradients and buffers of the caller', async (_, spec) => {
    const device = await newDevice();
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const own = device.createBuffer({ size: 40, usage });
    const optimizer = await createOptimizer(device, spec, { ...values(5), own });
    const outside = device.createBuffer({ size: 40, usage });
    const steps = async (first: number, last: number) => {
      for (let t = first; t < last; t++) {
        const gradients = { ...optimizer.gradients, own: outside, ...(t % 3 === 0 ? { t1: null } : {}) };
        optimizer.step(t % 2 === 0 ? optimizer.gradients : gradients);
        if (t % 5 === 0) await optimizer.stats();
      }
    };
    await steps(0, 6);
    const calls = await count(device as { -readonly [K in keyof GPUDevice]: GPUDevice[K] }, [...makers], () =>
      steps(6, 30),
    );
    expect(calls).toBe(0);
    device.destroy();
  });
});

test('steps recorded into one encoder are those taken one by one, bit for bit', async () => {
  const device = await sharedDevice();
  const spec = averageWeights(vradam({ learningRate: 0.1 }));
  const [a, b] = await Promise.all([0, 1].map(() => createOptimizer(device, spec, values(4))));
  for (const optimizer of [a, b]) writeAll(optimizer as typeof a & {}, values(4));
  const present = (t: number, { gradients } = a as NonNullable<typeof a>) =>
    t === 3 ? { ...gradients, t2: null } : gradients;
  const encoder = device.createCommandEncoder();
  for (let t = 0; t < 6; t++) {
    a?.encode(encoder, present(t, a));
    b?.step(present(t, b));
  }
  device.queue.submit([encoder.finish()]);
  expect(await a?.read()).toEqual(await b?.read());
  expect(await exportState(a as NonNullable<typeof a>)).toEqual(
    await exportState(b as NonNullable<typeof b>),
  );
});

describe('saving', () => {
  const spec = averageWeights(
    accumulateGradients(clipByGlobalNorm(vradam({ learningRate: 0.1 }), { maxNorm: 3 }), { steps: 2 }),
  );

  test.each([4, 5])(
    'a run that is saved after %i batches and resumed on another device goes on bit for bit',
    async (saved) => {
      const whole = await createOptimizer(await sharedDevice(), spec, values(3));
      const gradients = (t: number) => ({
        t0: noise(100, t),
        t1: t % 3 === 0 ? null : noise(137, t + 9),
        t2: noise(174, t + 5),
      });
      for (let t = 1; t <= saved; t++) whole.step(writeAll(whole, gradients(t)));
      whole.setLearningRate(0.03);

      const file = encodeState(await exportState(whole));
      const other = await newDevice();
      const resumed = await createOptimizer(other, spec, await whole.read());
      importState(resumed, decodeState(file));
      expect(await exportState(resumed)).toEqual(await exportState(whole));

      for (const optimizer of [whole, resumed]) {
        for (let t = saved + 1; t <= 9; t++) optimizer.step(writeAll(optimizer, gradients(t)));
      }
      expect(await resumed.read()).toEqual(await whole.read());
      expect(await exportState(resumed)).toEqual(await exportState(whole));
      other.destroy();
    },
  );

  test('a state that does not fit is refused, and changes nothing', async () => {
    const device = await sharedDevice();
    const optimizer = await createOptimizer(device, adamw(), values(2));
    optimizer.step(writeAll(optimizer, values(2)));
    const before = await exportState(optimizer);
    const refuse = (dict: object, code: string) =>
      expect(() => importState(optimizer, dict as typeof before)).toThrow(expect.objectContaining({ code }));
    refuse({ ...before, schema: 'vradam-state/9' }, 'ERR_STATE_VERSION');
    refuse({ ...before, algorithm: 'sgd' }, 'ERR_STATE_MISMATCH');
    refuse({ ...before, parameterSteps: { t0: 1 } }, 'ERR_STATE_MISMATCH');
    const { 'velocity/t0': _, ...tensors } = before.tensors;
    refuse({ ...before, tensors }, 'ERR_STATE_MISMATCH');
    expect(await exportState(optimizer)).toEqual(before);
  });
});
