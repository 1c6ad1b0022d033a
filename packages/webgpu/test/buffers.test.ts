/** Parameters and gradients in buffers that somebody else owns: any size, any place in a buffer. */

import { averageWeights, clipByGlobalNorm, skipNonFinite, vradam } from '@vradam/core';
import { expect, test } from 'vitest';
import { type BufferRange, createOptimizer } from '../src/index.ts';
import { needsDevice, sharedDevice } from './device.ts';
import { type Step, Twin } from './twin.ts';
import { bufferOf, noise, writeAll } from './values.ts';

needsDevice();

const values = { a: noise(1, 1), b: noise(3, 2), c: noise(255, 3), d: noise(257, 4), e: noise(65_537, 5) };
const gradientsOf = (t: number): Step =>
  Object.fromEntries(
    Object.entries(values).map(([name, { length }], i) => [
      name,
      (t + i) % 5 === 0 ? null : noise(length, 9 * t + i, 0.1),
    ]),
  );

const spec = clipByGlobalNorm(averageWeights(skipNonFinite(vradam({ learningRate: 0.05 }))), { maxNorm: 2 });

test('whole buffers of sizes that are no multiple of 16 bytes are updated in place', async () => {
  const device = await sharedDevice();
  const own = Object.fromEntries(
    Object.entries(values).map(([name, data]) => [name, bufferOf(device, data)]),
  );
  const twin = await Twin.start(device, spec, values, own);
  for (let t = 1; t <= 5; t++) {
    const gradients = Object.entries(gradientsOf(t)).map(([name, data]) => [
      name,
      data && bufferOf(device, data),
    ]);
    twin.optimizer.step(Object.fromEntries(gradients));
    twin.stepCore(gradientsOf(t));
  }
  expect(twin.optimizer.parameters['c']?.buffer).toBe(own['c']);
  await twin.compare();
});

test('parts of one buffer, beside parameters in the arena, leave what lies between them alone', async () => {
  const device = await sharedDevice();
  const whole = bufferOf(device, new Float32Array(400).fill(7));
  const [b, c] = [
    { buffer: whole, offset: 4 },
    { buffer: whole, offset: 100 },
  ];
  device.queue.writeBuffer(whole, b.offset, values.b);
  device.queue.writeBuffer(whole, c.offset, values.c);
  const part = (range: BufferRange, length: number) => ({ ...range, shape: [length] });
  const given = { ...values, b: part(b, 3), c: part(c, 255) };
  const twin = await Twin.start(device, spec, values, given);
  const gradient = bufferOf(device, new Float32Array(300));
  for (let t = 1; t <= 3; t++) {
    const own = writeAll(twin.optimizer, { ...gradientsOf(t), c: null });
    device.queue.writeBuffer(gradient, 40, noise(255, t));
    twin.optimizer.step({ ...own, c: { buffer: gradient, offset: 40 } });
    twin.stepCore({ ...gradientsOf(t), c: noise(255, t) });
  }
  await twin.compare();
  const { whole: after } = await twin.optimizer.read({ whole: { buffer: whole, offset: 0, size: 1600 } });
  const rest = [...(after as Float32Array)].filter((_, i) => !(i >= 1 && i < 4) && !(i >= 25 && i < 280));
  expect(new Set(rest)).toEqual(new Set([7]));
});

test('a buffer is the truth: what its owner writes there between steps is what moves', async () => {
  const device = await sharedDevice();
  const own = bufferOf(device, [1, 1]);
  const optimizer = await createOptimizer(device, vradam({ learningRate: 0, weightDecay: 0 }), { own });
  optimizer.step({ own: bufferOf(device, [1, 1]) });
  device.queue.writeBuffer(own, 0, Float32Array.of(5, 6));
  optimizer.step({ own: bufferOf(device, [1, 1]) });
  expect((await optimizer.read())['own']).toEqual(Float32Array.of(5, 6));
});

test('destroy() leaves the caller’s buffers alone', async () => {
  const device = await sharedDevice();
  const own = bufferOf(device, [1, 2, 3]);
  const optimizer = await createOptimizer(device, vradam(), { own });
  optimizer.destroy();
  optimizer.destroy();
  const next = await createOptimizer(device, vradam(), { own });
  expect((await next.read())['own']).toEqual(Float32Array.of(1, 2, 3));
});
