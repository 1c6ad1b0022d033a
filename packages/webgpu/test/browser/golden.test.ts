/** In Chromium: a golden trajectory of every algorithm, by the kernels that users run. */

/// <reference types="vite/types/importMeta.d.ts" />

import { parseTrajectory } from '@vradam/conformance';
import { expect, test } from 'vitest';
import { replayOn } from '../trajectory.ts';

const files = import.meta.glob('../../../conformance/golden/*{twin,missing,momentum,groups,schedule}.json', {
  eager: true,
  import: 'default',
});

const adapter = await navigator.gpu.requestAdapter();
const device = await adapter?.requestDevice();

test('there is a device', () =>
  expect(device?.limits.maxStorageBuffersPerShaderStage).toBeGreaterThanOrEqual(8));

test.each(Object.entries(files).filter(([, json]) => JSON.stringify(json).includes('vradam-trajectory/1')))(
  '%s',
  async (_, json) => {
    const { failures } = await replayOn(device as GPUDevice, parseTrajectory(json));
    expect(failures).toEqual([]);
  },
);
