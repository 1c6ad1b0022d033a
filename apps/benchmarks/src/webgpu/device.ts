/** WebGPU in Node: Dawn on a Vulkan driver. */

/// <reference lib="dom" />

import { existsSync } from 'node:fs';
import { create, globals } from 'webgpu';
import { benchmarkError } from '../errors.ts';

/** The software driver that comes with Debian's Chromium. */
const softwareDriver = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** A device with all that its adapter allows, and what the adapter says of itself. */
export interface OpenDevice {
  readonly device: GPUDevice;
  readonly adapter: Readonly<Record<string, unknown>>;
  /** Whether it computes on the CPU: then only ratios say something. */
  readonly isSoftware: boolean;
}

// it lives as long as its devices are in use
let gpu: GPU;

async function findAdapter(): Promise<GPUAdapter> {
  Object.assign(globalThis, globals);
  gpu = create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter) return adapter;
  if (!process.env['VK_DRIVER_FILES'] && existsSync(softwareDriver)) {
    process.env['VK_DRIVER_FILES'] = softwareDriver;
    return findAdapter();
  }
  throw benchmarkError('ERR_UNSUPPORTED', {
    wrong: 'there is no WebGPU adapter',
    received: process.env['VK_DRIVER_FILES'] ?? 'no VK_DRIVER_FILES',
    action: 'Set VK_DRIVER_FILES to the description of a Vulkan driver.',
  });
}

/** Opens the first adapter; the one that VK_DRIVER_FILES names, if it is set. */
export async function openDevice(): Promise<OpenDevice> {
  const adapter = await findAdapter();
  const { limits, info, features } = adapter;
  const { maxBufferSize, maxStorageBufferBindingSize } = limits;
  const device = await adapter.requestDevice({
    requiredFeatures: (['timestamp-query', 'subgroups'] as const).filter((name) => features.has(name)),
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
  });
  const { vendor, architecture, description } = info;
  const isSoftware = info.isFallbackAdapter;
  return { device, isSoftware, adapter: { vendor, architecture, description, isSoftware } };
}
