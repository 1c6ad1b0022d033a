/** A lost device: WebGPU itself says nothing where it does nothing, so the optimizer must. */

import { averageWeights, type StateDict, vradam } from '@vradam/core';
import { expect, test } from 'vitest';
import { createOptimizer, exportState, importState, type WebGPUOptimizer } from '../src/index.ts';
import { needsDevice, newDevice } from './device.ts';
import { noise, writeAll } from './values.ts';

needsDevice();

const lost = expect.objectContaining({
  code: 'ERR_DEVICE_LOST',
  message: expect.stringMatching(/destroyed/),
});
const spec = averageWeights(vradam({ learningRate: 0.1 }));
const initial = () => ({ w: noise(300, 1), b: noise(3, 2) });
const train = (optimizer: WebGPUOptimizer, t: number) =>
  optimizer.step(writeAll(optimizer, { w: noise(300, t + 10), b: noise(3, t + 50) }));

test('every call after a loss throws ERR_DEVICE_LOST', async () => {
  const device = await newDevice();
  const optimizer = await createOptimizer(device, spec, initial());
  train(optimizer, 1);
  device.destroy();
  await device.lost;
  expect(() => optimizer.step()).toThrow(lost);
  expect(() => optimizer.encode({} as GPUCommandEncoder)).toThrow(lost);
  expect(() => optimizer.setLearningRate(1)).toThrow(lost);
  await expect(optimizer.stats()).rejects.toEqual(lost);
  await expect(optimizer.read()).rejects.toEqual(lost);
  await expect(exportState(optimizer)).rejects.toEqual(lost);
  expect(() => importState(optimizer, {} as StateDict)).toThrow(lost);
});

test('a read under way when the device is lost is rejected, not left waiting', async () => {
  const device = await newDevice();
  const optimizer = await createOptimizer(device, spec, initial());
  train(optimizer, 1);
  const reads = [optimizer.stats(), optimizer.read(), exportState(optimizer)];
  device.destroy();
  for (const result of await Promise.allSettled(reads)) {
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ERR_DEVICE_LOST' });
  }
});

test('the recipe: rebuild on a new device from the last export, and go on bit for bit', async () => {
  const first = await newDevice();
  let optimizer = await createOptimizer(first, spec, initial());
  for (let t = 1; t <= 3; t++) train(optimizer, t);
  const saved = { parameters: await optimizer.read(), state: await exportState(optimizer) };
  train(optimizer, 4); // lost with the device
  first.destroy();
  await first.lost;

  const second = await newDevice();
  optimizer = await createOptimizer(second, spec, saved.parameters);
  importState(optimizer, saved.state);
  for (let t = 4; t <= 6; t++) train(optimizer, t);

  const third = await newDevice();
  const whole = await createOptimizer(third, spec, initial());
  for (let t = 1; t <= 6; t++) train(whole, t);
  expect(await optimizer.read()).toEqual(await whole.read());
  expect(await exportState(optimizer)).toEqual(await exportState(whole));
  second.destroy();
  third.destroy();
});
