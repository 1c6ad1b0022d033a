/** WebGPU in Node: Dawn, on the software Vulkan driver that comes with Chromium unless VK_DRIVER_FILES names another. */

import { beforeEach } from 'vitest';
import { create, globals } from 'webgpu';
// @ts-expect-error plain JavaScript, shared with the other packages
import { inCI } from '../../../scripts/chromium.mjs';
// @ts-expect-error the same
import { missingDriver, nameDriver } from '../../../scripts/vulkan.mjs';

nameDriver();
Object.assign(globalThis, globals);

/** Held on to: its devices live no longer than it does. */
export const gpu: GPU = create([]);

const found = await gpu.requestAdapter();

/** Why there is no device; undefined if there is one. */
export const missing: string | undefined = found ? undefined : missingDriver;

if (missing && inCI) throw new Error(missing);

/** What the adapter calls itself. */
export const adapterName: string = found?.info.description ?? 'none';

/** A device of its own for whoever asks. */
export async function newDevice(descriptor: GPUDeviceDescriptor = {}): Promise<GPUDevice> {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error(missing);
  return adapter.requestDevice(descriptor);
}

let shared: Promise<GPUDevice> | undefined;

/** One device for all tests of a file that do not harm it. */
export function sharedDevice(): Promise<GPUDevice> {
  shared ??= newDevice();
  return shared;
}

/** Skips each test of a file, with the reason, where there is no device. */
export function needsDevice(): void {
  beforeEach(({ skip }) => skip(missing !== undefined, missing));
}
