/** Workgroups of any shape, and segments of any length, come to the same. */

import { averageWeights, clipByGlobalNorm, skipNonFinite, vradam } from '@vradam/core';
import { describe, expect, test } from 'vitest';
import {
  createOptimizer,
  exportState,
  importState,
  subgroups,
  tune,
  type WebGPUOptions,
} from '../src/index.ts';
import { needsDevice, newDevice, sharedDevice } from './device.ts';
import { type Step, Twin } from './twin.ts';
import { noise, writeAll } from './values.ts';

needsDevice();

const sizes = { a: 1000, b: 1, c: 640, d: 129, e: 5000 };
const values = Object.fromEntries(Object.entries(sizes).map(([name, n], i) => [name, noise(n, i + 1)]));
const gradientsOf = (t: number): Step =>
  Object.fromEntries(
    Object.entries(sizes).map(([name, n], i) => [name, (t + i) % 4 === 0 ? null : noise(n, 50 * t + i, 0.2)]),
  );
const spec = averageWeights(clipByGlobalNorm(skipNonFinite(vradam({ learningRate: 0.05 })), { maxNorm: 2 }));

describe('shapes', () => {
  const shapes = [
    [8, 1],
    [16, 3],
    [32, 64],
    [64, 4],
    [128, 7],
    [256, 16],
  ] as const;

  test.each(shapes)(
    '%i invocations that walk over %i vectors each',
    async (workgroupSize, itemsPerInvocation) => {
      const device = await sharedDevice();
      const optimizer = await createOptimizer(device, spec, values, { workgroupSize, itemsPerInvocation });
      const plain = await Twin.start(device, spec, values);
      for (let t = 1; t <= 4; t++) {
        optimizer.step(writeAll(optimizer, gradientsOf(t)));
        plain.step(gradientsOf(t));
      }
      await plain.compare();
      const [own, other] = [await optimizer.read(), await plain.optimizer.read()];
      for (const name of Object.keys(sizes)) {
        for (const [i, x] of (own[name] as Float32Array).entries())
          expect(x).toBeCloseTo(other[name]?.[i] as number, 5);
      }
      optimizer.destroy();
    },
  );

  test('tune() finds one of them, once for each device', async () => {
    const device = await sharedDevice();
    const shape: WebGPUOptions = await tune(device, { elements: 10_000, steps: 2 });
    expect(Object.keys(shape)).toEqual(['workgroupSize', 'itemsPerInvocation']);
    expect(tune(device, { elements: 10_000 })).toBe(tune(device, { elements: 10_000 }));
    expect(await tune(device, { elements: 10_000 })).toBe(shape);
    const optimizer = await createOptimizer(device, vradam(), values, shape);
    optimizer.step();
    expect((await optimizer.stats()).step).toBe(1);
  });
});

describe('subgroups', () => {
  const wanted: GPUDeviceDescriptor = { requiredFeatures: ['subgroups'] };

  test.each([
    [64, 4],
    [128, 7],
    [256, 16],
  ] as const)(
    '%i invocations come to what the tree comes to, and twice to the same bits',
    async (size, items) => {
      const device = await newDevice(wanted);
      const shape = { workgroupSize: size, itemsPerInvocation: items };
      const run = async (options: WebGPUOptions) => {
        const optimizer = await createOptimizer(device, spec, values, options);
        for (let t = 1; t <= 4; t++) optimizer.step(writeAll(optimizer, gradientsOf(t)));
        return { values: await optimizer.read(), norm: (await optimizer.stats()).groups[0]?.norm as number };
      };
      const tree = await run(shape);
      const [first, again] = [
        await run({ ...shape, reduction: subgroups }),
        await run({ ...shape, reduction: subgroups }),
      ];
      expect(again).toEqual(first);
      expect(Math.abs(first.norm / tree.norm - 1)).toBeLessThan(1e-6);
      for (const name of Object.keys(sizes)) {
        for (const [i, x] of (first.values[name] as Float32Array).entries())
          expect(x).toBeCloseTo(tree.values[name]?.[i] as number, 5);
      }
      device.destroy();
    },
  );

  test('a device without them refuses them, and says how to ask for them', async () => {
    const device = await sharedDevice();
    await expect(createOptimizer(device, spec, values, { reduction: subgroups })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('requiredFeatures'),
    });
  });

  test('a workgroup that subgroups do not fill is refused, and so is a name in place of the value', async () => {
    const device = await newDevice(wanted);
    Object.defineProperty(device, 'adapterInfo', { value: { subgroupMaxSize: 32 } });
    const options = { reduction: subgroups, workgroupSize: 48 };
    await expect(createOptimizer(device, spec, values, options)).rejects.toMatchObject({
      code: 'ERR_OPTION_RANGE',
      message: expect.stringMatching(/multiple of 32.*48/),
    });
    const named = { reduction: 'subgroups' } as unknown as WebGPUOptions;
    await expect(createOptimizer(device, spec, values, named)).rejects.toMatchObject({
      code: 'ERR_OPTION_TYPE',
    });
    device.destroy();
  });
});

describe('segments', () => {
  /** A device whose bindings are said to be small; it takes what it is given all the same. */
  async function smallDevice(bytes: number): Promise<GPUDevice> {
    const device = await newDevice();
    const { limits } = device;
    const small = new Proxy(limits, {
      get: (target, name) =>
        name === 'maxStorageBufferBindingSize'
          ? bytes
          : (target[name as keyof GPUSupportedLimits] as unknown),
    });
    Object.defineProperty(device, 'limits', { value: small });
    return device;
  }

  test('a group that outgrows a binding takes several, with one norm over all', async () => {
    const device = await smallDevice(20_480);
    const twin = await Twin.start(device, spec, values);
    const { parameters } = twin.optimizer;
    expect(new Set(Object.values(parameters).map(({ buffer }) => buffer)).size).toBe(2);
    for (const { offset } of Object.values(parameters)) expect((offset as number) % 256).toBe(0);
    for (let t = 1; t <= 5; t++) twin.step(gradientsOf(t));
    await twin.compare();
    const state = await exportState(twin.optimizer);
    const whole = await createOptimizer(await sharedDevice(), spec, values);
    importState(whole, state);
    expect(await exportState(whole)).toEqual(state);
    device.destroy();
  });

  test('a tensor that outgrows a binding is refused by name', async () => {
    const device = await smallDevice(16_384);
    await expect(createOptimizer(device, spec, values)).rejects.toMatchObject({
      code: 'ERR_DEVICE_LIMIT',
      message: expect.stringMatching(/"e" needs 20224 bytes.*allows: 16384/),
    });
    device.destroy();
  });
});
