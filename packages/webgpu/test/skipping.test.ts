/** `nonFinite: 'skip'`: the device decides by itself, and counts by itself. */

import {
  accumulateGradients,
  adamw,
  averageWeights,
  clipByGlobalNorm,
  linear,
  type OptimizerSpec,
  sgd,
  skipNonFinite,
  vradam,
} from '@vradam/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createOptimizer, exportState, importState } from '../src/index.ts';
import { needsDevice, sharedDevice } from './device.ts';
import { Twin } from './twin.ts';
import { noise, writeAll } from './values.ts';

needsDevice();

const sizes = { w: 700, b: 3 };
const start = () => ({ w: noise(sizes.w, 1), b: noise(sizes.b, 2) });
const good = (t: number) => ({ w: noise(sizes.w, 10 + t, 0.1), b: noise(sizes.b, 20 + t, 0.1) });

const specs: readonly (readonly [name: string, spec: OptimizerSpec])[] = [
  ['vradam', vradam({ learningRate: linear({ from: 0.1, to: 0.01, steps: 20 }) })],
  ['adamw', adamw({ learningRate: 0.05 })],
  ['clipped vradam', clipByGlobalNorm(vradam({ learningRate: 0.05 }), { maxNorm: 0.5 })],
  ['sgd with momentum', sgd({ momentum: 0.9, dampening: 0.5 })],
];

const bads = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

describe.each(specs)('%s', (_, plain) => {
  const spec = skipNonFinite(plain);

  test('a bad gradient anywhere leaves parameters and state as they are, bit for bit, and is counted', async () => {
    const optimizer = await createOptimizer(await sharedDevice(), spec, start());
    optimizer.step(writeAll(optimizer, good(1)));
    const before = [await optimizer.read(), (await exportState(optimizer)).tensors];
    for (const [i, bad] of bads.entries()) {
      for (const [name, place] of [
        ['w', 0],
        ['w', 699],
        ['b', 2],
      ] as const) {
        const gradients = good(2);
        gradients[name][place] = bad;
        optimizer.step(writeAll(optimizer, gradients));
        expect([await optimizer.read(), (await exportState(optimizer)).tensors]).toEqual(before);
      }
      expect(await optimizer.stats()).toMatchObject({ step: 1, skippedSteps: 3 * (i + 1) });
    }
    optimizer.destroy();
  });

  test('after bad steps a run goes on as if they had not been, bit for bit', async () => {
    const device = await sharedDevice();
    const run = async (badAt: readonly number[]) => {
      const optimizer = await createOptimizer(device, spec, start());
      for (let t = 1; t <= 6; t++) {
        for (const _ of badAt.filter((at) => at === t)) {
          optimizer.step(writeAll(optimizer, { ...good(t), b: [0, Number.NaN, 0] }));
        }
        optimizer.step(writeAll(optimizer, t === 4 ? { w: good(t).w, b: null } : good(t)));
      }
      const { tensors, parameterSteps, step } = await exportState(optimizer);
      const result = { parameters: await optimizer.read(), tensors, parameterSteps, step };
      optimizer.destroy();
      return result;
    };
    expect(await run([1, 2, 2, 5])).toEqual(await run([]));
  });
});

test('whatever is bad or missing, the core comes to the same', async () => {
  const device = await sharedDevice();
  const call = fc.record({
    bad: fc.option(fc.constantFrom('w', 'b', 'c'), { freq: 2, nil: null }),
    missing: fc.subarray(['w', 'b', 'c']),
  });
  const spec = skipNonFinite(
    vradam({ learningRate: linear({ from: 0.1, to: 0.01, steps: 10 }), beta3: 0.3 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 4, maxLength: 12 }), async (calls) => {
      const twin = await Twin.start(device, spec, { w: noise(300, 1), b: noise(2, 2), c: noise(65, 3) });
      for (const [t, { bad, missing }] of calls.entries()) {
        const all = { w: noise(300, t, 0.1), b: noise(2, t + 50, 0.1), c: noise(65, t + 99, 0.1) };
        if (bad) all[bad as 'w'][1] = Number.NaN;
        twin.step({ ...all, ...Object.fromEntries(missing.map((name) => [name, null])) });
      }
      await twin.compare();
      twin.optimizer.destroy();
    }),
    {
      numRuns: 8,
      examples: [
        [
          // after the skipped step w, b and c have been given one gradient each, of which only b moved
          [
            { bad: null, missing: ['w', 'c'] },
            { bad: 'w', missing: ['b'] },
            ...Array.from({ length: 4 }, () => ({ bad: null, missing: [] })),
          ],
        ],
      ],
    },
  );
});

/** Specs whose step is the mean of several batches. */
const batched: readonly (readonly [name: string, spec: OptimizerSpec])[] = [
  [
    'vradam over 2 batches',
    accumulateGradients(vradam({ learningRate: linear({ from: 0.1, to: 0.01, steps: 4 }), beta3: 0.3 }), {
      steps: 2,
    }),
  ],
  ['adamw over 3 batches', accumulateGradients(adamw({ learningRate: 0.05 }), { steps: 3 })],
  [
    'vradam, clipped, averaged, over 3 batches, each clipped',
    clipByGlobalNorm(
      accumulateGradients(
        averageWeights(clipByGlobalNorm(vradam({ learningRate: 0.05 }), { maxNorm: 0.4 }), { decay: 0.5 }),
        { steps: 3 },
      ),
      { maxNorm: 0.9 },
    ),
  ],
];

describe.each(batched)('%s', (_, plain) => {
  const spec = skipNonFinite(plain);
  const values = () => ({ w: noise(300, 1), b: noise(2, 2), c: noise(65, 3) });
  const gradients = (t: number) => ({
    w: noise(300, t, 0.1),
    b: noise(2, t + 50, 0.1),
    c: noise(65, t + 99, 0.1),
  });

  test('a bad batch adds nothing to the sum and is counted, whatever is missing, as in the core', async () => {
    const device = await sharedDevice();
    const call = fc.record({
      bad: fc.option(fc.constantFrom('w', 'b', 'c'), { freq: 2, nil: null }),
      missing: fc.subarray(['w', 'b', 'c']),
      asks: fc.boolean(),
    });
    const own = device.createBuffer({
      size: 8,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 4, maxLength: 16 }), async (calls) => {
        const start = values();
        device.queue.writeBuffer(own, 0, start.b);
        const twin = await Twin.start(device, spec, start, { ...start, b: own });
        for (const [t, { bad, missing, asks }] of calls.entries()) {
          const all = gradients(t);
          if (bad) all[bad as 'w'][1] = Number.NaN;
          twin.step({ ...all, ...Object.fromEntries(missing.map((name) => [name, null])) });
          if (asks) await twin.optimizer.stats();
        }
        await twin.compare(4e-5);
        twin.optimizer.destroy();
      }),
      { numRuns: 12 },
    );
  });

  test('after bad batches a run goes on as if they had not been, bit for bit', async () => {
    const device = await sharedDevice();
    const run = async (badAt: readonly number[]) => {
      const optimizer = await createOptimizer(device, spec, values());
      for (let t = 1; t <= 8; t++) {
        for (const _ of badAt.filter((at) => at === t)) {
          optimizer.step(writeAll(optimizer, { ...gradients(t), b: [0, Number.POSITIVE_INFINITY] }));
        }
        optimizer.step(writeAll(optimizer, t === 4 ? { ...gradients(t), b: null } : gradients(t)));
      }
      const { skippedSteps, ...state } = await exportState(optimizer);
      expect(skippedSteps).toBe(badAt.length);
      const result = { parameters: await optimizer.read(), state };
      optimizer.destroy();
      return result;
    };
    expect(await run([1, 2, 2, 5, 6, 7, 8])).toEqual(await run([]));
  });

  test('a run that is saved between batches and resumed goes on bit for bit', async () => {
    const device = await sharedDevice();
    const whole = await createOptimizer(device, spec, values());
    const batch = (t: number) => {
      const all = gradients(t);
      if (t % 4 === 0) all.c[64] = Number.NEGATIVE_INFINITY;
      return t % 3 === 0 ? { ...all, w: null } : all;
    };
    for (let t = 1; t <= 5; t++) whole.step(writeAll(whole, batch(t)));
    const state = await exportState(whole);
    expect(state.skippedSteps).toBe(1);
    const resumed = await createOptimizer(device, spec, await whole.read());
    importState(resumed, state);
    expect(await exportState(resumed)).toEqual(state);
    for (const optimizer of [whole, resumed]) {
      for (let t = 6; t <= 13; t++) optimizer.step(writeAll(optimizer, batch(t)));
    }
    expect(await resumed.read()).toEqual(await whole.read());
    expect(await exportState(resumed)).toEqual(await exportState(whole));
  });
});

test('finite batches whose mean overflows are not skipped', async () => {
  const spec = skipNonFinite(accumulateGradients(sgd({ learningRate: 1 }), { steps: 2 }));
  const optimizer = await createOptimizer(await sharedDevice(), spec, { w: Float32Array.of(0) });
  for (let t = 0; t < 4; t++) optimizer.step(writeAll(optimizer, { w: [-3e38] }));
  expect(await optimizer.stats()).toMatchObject({ step: 2, skippedSteps: 0 });
  expect((await optimizer.read())['w']).toEqual(Float32Array.of(Number.POSITIVE_INFINITY));
});

test.each([1, 2])(
  'more bad batches of %i than the ring has places are no trouble, as the host catches up',
  async (steps) => {
    const spec = skipNonFinite(
      accumulateGradients(adamw({ learningRate: linear({ from: 0.1, to: 0, steps: 200 }) }), { steps }),
    );
    const twin = await Twin.start(await sharedDevice(), spec, { w: noise(5, 1) });
    for (let t = 0; t < 1600; t++) {
      twin.step({ w: t % 8 === 0 ? noise(5, t) : [0, 1, Number.POSITIVE_INFINITY, 0, 0] });
      if (t % 100 === 0) await twin.optimizer.stats();
    }
    await twin.compare(1e-4);
  },
);

test('a learning rate that is set holds at once, however many steps were skipped', async () => {
  const optimizer = await createOptimizer(await sharedDevice(), skipNonFinite(sgd({ learningRate: 1 })), {
    w: Float32Array.of(0),
  });
  for (let t = 0; t < 5; t++) optimizer.step(writeAll(optimizer, { w: [Number.NaN] }));
  optimizer.setLearningRate(0.25);
  optimizer.step(writeAll(optimizer, { w: [-1] }));
  expect((await optimizer.read())['w']).toEqual(Float32Array.of(0.25));
});

test('more steps at a stretch than the host can keep track of are refused, not guessed', async () => {
  const optimizer = await createOptimizer(await sharedDevice(), skipNonFinite(sgd()), {
    w: Float32Array.of(0),
  });
  const stretch = () => {
    for (let t = 0; t < 2000; t++) optimizer.step();
  };
  expect(stretch).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  await optimizer.stats();
  optimizer.step();
  expect((await optimizer.stats()).step).toBeGreaterThan(1000);
});

test('finite gradients whose squares overflow are no reason to skip', async () => {
  const optimizer = await createOptimizer(await sharedDevice(), skipNonFinite(vradam()), {
    w: Float32Array.of(1),
  });
  optimizer.step(writeAll(optimizer, { w: [3e38] }));
  expect(await optimizer.stats()).toMatchObject({ step: 1, skippedSteps: 0 });
});
