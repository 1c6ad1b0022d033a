/** `nonFinite: 'skip'`: the device decides by itself, and counts by itself. */

import {
  adamw,
  clipByGlobalNorm,
  linear,
  type OptimizerSpec,
  sgd,
  skipNonFinite,
  vradam,
} from '@vradam/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createOptimizer, exportState } from '../src/index.ts';
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

test('more bad steps than the ring has places are no trouble, as the host catches up', async () => {
  const spec = skipNonFinite(adamw({ learningRate: linear({ from: 0.1, to: 0, steps: 200 }) }));
  const twin = await Twin.start(await sharedDevice(), spec, { w: noise(5, 1) });
  for (let t = 0; t < 1600; t++) {
    twin.step({ w: t % 8 === 0 ? noise(5, t) : [0, 1, Number.POSITIVE_INFINITY, 0, 0] });
    if (t % 100 === 0) await twin.optimizer.stats();
  }
  await twin.compare(1e-4);
});

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
