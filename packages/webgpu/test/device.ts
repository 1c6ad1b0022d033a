/** WebGPU in Node: Dawn, on the software Vulkan driver that comes with Chromium unless VK_DRIVER_FILES names another. */

import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach } from 'vitest';
import { create, globals } from 'webgpu';
// @ts-expect-error plain JavaScript, shared with the other packages
import { chromiumPath, inCI } from '../../../scripts/chromium.mjs';

const folders = ['/usr/lib/chromium', existsSync(chromiumPath) ? dirname(realpathSync(chromiumPath)) : ''];
const driver = folders
  .map((folder) => join(folder, 'vk_swiftshader_icd.json'))
  .find((file) => existsSync(file));
if (!process.env['VK_DRIVER_FILES'] && driver) process.env['VK_DRIVER_FILES'] = driver;

Object.assign(globalThis, globals);

/** Held on to: its devices live no longer than it does. */
export const gpu: GPU = create([]);

const found = await gpu.requestAdapter();

/** Why there is no device; undefined if there is one. */
export const missing: string | undefined = found
  ? undefined
  : 'no WebGPU adapter: install Debian packages chromium and libvulkan1, or set VK_DRIVER_FILES to a Vulkan driver';

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
