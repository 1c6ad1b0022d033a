/** A step on the device is the core's step: every algorithm, every transform, tensors of any size. */

import { specs } from '@vradam/conformance';
import {
  accumulateGradients,
  adamw,
  averageWeights,
  clipByGlobalNorm,
  defineOptimizer,
  linear,
  maskWeightDecay,
  type OptimizerSpec,
  sgd,
  vradam,
} from '@vradam/core';
import { describe, expect, test } from 'vitest';
import { createOptimizer, exportState } from '../src/index.ts';
import { needsDevice, sharedDevice } from './device.ts';
import { type Step, Twin } from './twin.ts';
import { noise, writeAll } from './values.ts';

needsDevice();

const sizes = { weight: 300, 'layer.bias': 3, scale: 1, embedding: 1025, empty: 0 };
const values = Object.fromEntries(Object.entries(sizes).map(([name, n], i) => [name, noise(n, i + 1)]));

/** Gradients of step `t`, of which some are missing where `missing` says so. */
const gradientsOf = (t: number, missing = true, of: Readonly<Record<string, number>> = sizes): Step =>
  Object.fromEntries(
    Object.entries(of).map(([name, n], i) => {
      const isMissing = missing && (t + 3 * i) % 4 === 0;
      return [name, isMissing ? null : noise(n, 100 * t + i, 0.2)];
    }),
  );

const around: readonly (readonly [name: string, wrap: (spec: OptimizerSpec) => OptimizerSpec])[] = [
  ['alone', (spec) => spec],
  ['clipped', (spec) => clipByGlobalNorm(spec, { maxNorm: 0.5 })],
  ['averaged', (spec) => averageWeights(spec, { decay: 0.8 })],
  ['over 3 batches', (spec) => accumulateGradients(spec, { steps: 3 })],
  [
    'clipped, over 2 batches, each clipped, averaged, without decay of biases',
    (spec) => {
      const clipped = clipByGlobalNorm(maskWeightDecay(spec), { maxNorm: 0.3 });
      const batches = accumulateGradients(averageWeights(clipped, { decay: 0.5 }), { steps: 2 });
      return clipByGlobalNorm(batches, { maxNorm: 0.9 });
    },
  ],
];

describe.each(specs)('%s', (_, spec) => {
  test.each(around)('%s: the core in float64 comes to the same', async (_, wrap) => {
    const twin = await Twin.start(await sharedDevice(), wrap(spec), values);
    for (let t = 1; t <= 7; t++) twin.step(gradientsOf(t));
    await twin.compare();
    twin.optimizer.destroy();
  });
});

test('groups have their own options, norms and schedules', async () => {
  const spec = vradam({
    beta3: 0.3,
    learningRate: 0.01,
    groups: [
      { name: 'biases', match: /bias/, learningRate: linear({ from: 0.1, to: 0, steps: 5 }), weightDecay: 0 },
      { name: 'rest', match: ['scale', 'embedding'], beta3: 0, normGrad: true, power: 3 },
    ],
  });
  const twin = await Twin.start(await sharedDevice(), spec, values);
  for (let t = 1; t <= 6; t++) twin.step(gradientsOf(t));
  await twin.compare();
  const { groups } = await twin.optimizer.stats();
  expect(groups.map(({ group }) => group)).toEqual(['biases', 'rest', 'default']);
  expect(groups[0]?.learningRate).toBe(0);
  expect(groups[1]?.effectiveLearningRate).toBe(Math.fround(0.01));
  expect(groups[2]?.effectiveLearningRate).toBeLessThan(0.01);
});

test('a group whose gradients are all missing keeps its parameters, and its norm is 0', async () => {
  const spec = vradam({ groups: [{ name: 'head', match: 'weight' }] });
  const twin = await Twin.start(await sharedDevice(), spec, values);
  twin.step(gradientsOf(1, false));
  const before = await twin.optimizer.read();
  twin.step({ ...gradientsOf(2, false), weight: null });
  await twin.compare();
  expect((await twin.optimizer.read())['weight']).toEqual(before['weight']);
  expect((await twin.optimizer.stats()).groups[0]).toMatchObject({ group: 'head', norm: 0, velocityNorm: 0 });
});

test('a step without any gradient is counted and moves nothing', async () => {
  const twin = await Twin.start(await sharedDevice(), adamw(), values);
  twin.step({});
  await twin.compare(0);
});

test.each([1, 3, 255, 256, 257, 65_537, 1_000_003])('a tensor of %i elements', async (size) => {
  const twin = await Twin.start(await sharedDevice(), vradam({ beta3: 0.01, learningRate: 0.01 }), {
    w: noise(size, 7),
  });
  for (let t = 1; t <= 3; t++) twin.step({ w: noise(size, t, 0.1) });
  await twin.compare();
  twin.optimizer.destroy();
});

const mixed = Object.fromEntries(
  Array.from({ length: 40 }, (_, i) => [`t${i}`, [1, 7, 64, 65, 1000, 4099][i % 6] as number]),
);

test('40 tensors of mixed sizes', async () => {
  const start = Object.fromEntries(Object.entries(mixed).map(([name, n], i) => [name, noise(n, i + 1)]));
  const twin = await Twin.start(await sharedDevice(), vradam({ learningRate: 0.01 }), start);
  for (let t = 1; t <= 3; t++) twin.step(gradientsOf(t, t === 2, mixed));
  await twin.compare();
});

test('two runs are equal bit for bit', async () => {
  const device = await sharedDevice();
  const run = async () => {
    const spec = clipByGlobalNorm(vradam({ learningRate: 0.01 }), { maxNorm: 5 });
    const optimizer = await createOptimizer(device, spec, { w: noise(100_003, 1) });
    for (let t = 1; t <= 3; t++) optimizer.step(writeAll(optimizer, { w: noise(100_003, t) }));
    const result = [await optimizer.read(), await optimizer.stats(), await exportState(optimizer)];
    optimizer.destroy();
    return result;
  };
  expect(await run()).toEqual(await run());
});

test('the norm of a million equal numbers keeps 6 digits', async () => {
  const n = 1_000_003;
  const optimizer = await createOptimizer(await sharedDevice(), vradam({ normGrad: true }), {
    w: new Float32Array(n),
  });
  optimizer.step(writeAll(optimizer, { w: new Float32Array(n).fill(0.1) }));
  const { groups } = await optimizer.stats();
  const exact = n * Math.fround(0.1) ** 2;
  expect(Math.abs((groups[0]?.norm ?? 0) / exact - 1)).toBeLessThan(1e-6);
});

test('an algorithm of a user’s own has kernels, too', async () => {
  const signless = defineOptimizer(
    {
      name: 'cubed',
      slots: () => ['memory'] as const,
      apply(ops, parameter, { gradient, slots, step }, learningRate) {
        const cube = ops.mul(gradient, ops.mul(gradient, gradient));
        slots.memory = ops.replace(
          slots.memory,
          ops.axpby(ops.scalars.of(1 / step, 'share'), cube, 0.5, slots.memory),
        );
        return ops.axpby(1, parameter, ops.scalars.mul(-1, learningRate), slots.memory);
      },
    },
    { learningRate: [1, 'rate'], weightDecay: [0, '[0, Infinity)'] },
    {},
  );
  const twin = await Twin.start(await sharedDevice(), signless, values);
  for (let t = 1; t <= 5; t++) twin.step(gradientsOf(t));
  await twin.compare();
});

test('a norm that is not finite brakes, or spreads, as in the core', async () => {
  const device = await sharedDevice();
  const spec = vradam({ nonFinite: 'propagate', learningRate: 0.5 });
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const twin = await Twin.start(device, spec, { w: Float32Array.of(1, 2), b: Float32Array.of(3) });
    twin.step({ w: [bad, 1], b: [0] });
    const { w, b } = await twin.optimizer.read();
    const core = await corePropagates(spec, bad);
    expect([...(w as Float32Array), ...(b as Float32Array)].map(Number.isNaN)).toEqual(
      core.map(Number.isNaN),
    );
  }
});

/** What the core makes of a bad gradient, in float64. */
async function corePropagates(spec: OptimizerSpec, bad: number): Promise<number[]> {
  const { createOptimizer: bindCore, float64Ops } = await import('@vradam/core');
  const core = bindCore(float64Ops, spec);
  const parameters = { w: Float64Array.of(1, 2), b: Float64Array.of(3) };
  const gradients = { w: Float64Array.of(bad, 1), b: Float64Array.of(0) };
  const result = core.update(parameters, gradients, core.init(parameters));
  return Object.values(result.parameters).flatMap((data) => [...data]);
}

test('the learning rate can be set, for one group or all, and given back to the schedule', async () => {
  const schedule = linear({ from: 1, to: 0, steps: 10 });
  const spec = sgd({ learningRate: schedule, groups: [{ name: 'a', match: 'a' }] });
  const optimizer = await createOptimizer(await sharedDevice(), spec, {
    a: Float32Array.of(0),
    b: Float32Array.of(0),
  });
  const moved = async () => {
    const before = await optimizer.read();
    optimizer.step(writeAll(optimizer, { a: [1], b: [1] }));
    const after = await optimizer.read();
    return ['a', 'b'].map((name) =>
      Math.fround((before[name]?.[0] as number) - (after[name]?.[0] as number)),
    );
  };
  expect(await moved()).toEqual([1, 1]);
  optimizer.setLearningRate(0.25, 'a');
  expect(await moved()).toEqual([0.25, expect.closeTo(0.9)]);
  optimizer.setLearningRate(0.5);
  expect(await moved()).toEqual([0.5, expect.closeTo(0.5)]);
  optimizer.setLearningRate(null);
  expect(await moved()).toEqual([expect.closeTo(0.7), expect.closeTo(0.7)]);
});
