/** In Chromium: the GPU process crashes, and training goes on. */

import { vradam } from '@vradam/core';
import { expect, test } from 'vitest';
import { cdp } from 'vitest/browser';
import { createOptimizer, exportState, importState, type WebGPUOptimizer } from '../../src/index.ts';
import { noise, writeAll } from '../values.ts';

/** A device; a browser whose GPU process has just crashed may need a moment. */
async function newDevice(): Promise<GPUDevice> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const adapter = await navigator.gpu.requestAdapter();
    if (adapter) return adapter.requestDevice();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('no adapter');
}

const spec = vradam({ learningRate: 0.1 });
const train = (optimizer: WebGPUOptimizer, t: number) =>
  optimizer.step(writeAll(optimizer, { w: noise(300, t) }));

test('a crash of the GPU process is told, and the last export goes on bit for bit on a new device', async () => {
  const device = await newDevice();
  const optimizer = await createOptimizer(device, spec, { w: noise(300, 99) });
  for (let t = 1; t <= 3; t++) train(optimizer, t);
  const saved = { parameters: await optimizer.read(), state: await exportState(optimizer) };

  await (cdp() as unknown as { send(method: string): Promise<unknown> }).send('Browser.crashGpuProcess');
  expect((await device.lost).reason).toBe('unknown');
  expect(() => optimizer.step()).toThrow(expect.objectContaining({ code: 'ERR_DEVICE_LOST' }));
  await expect(optimizer.stats()).rejects.toMatchObject({ code: 'ERR_DEVICE_LOST' });

  const second = await newDevice();
  const [resumed, whole] = await Promise.all([
    createOptimizer(second, spec, saved.parameters),
    createOptimizer(second, spec, { w: noise(300, 99) }),
  ]);
  importState(resumed, saved.state);
  for (let t = 4; t <= 6; t++) train(resumed, t);
  for (let t = 1; t <= 6; t++) train(whole, t);
  expect(await resumed.read()).toEqual(await whole.read());
  expect(await exportState(resumed)).toEqual(await exportState(whole));
});
