/** This package's operations, for the conformance suite and its command line: on whichever WebGPU there is. */

import { createWebGPUOps } from './dist/index.js';

/** @param newDevice - makes a device. */
export function backendsOn(newDevice) {
  let ops;
  const webgpu = {
    name: 'webgpu',
    async create() {
      ops ??= createWebGPUOps(await newDevice());
      return ops;
    },
    liveTensors: () => ops?.liveTensors() ?? 0,
  };
  return [webgpu];
}

async function inNode() {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  globalThis.vradamGpu ??= create([]); // its devices live no longer than it does
  const adapter = await globalThis.vradamGpu.requestAdapter();
  if (!adapter) throw new Error('no WebGPU adapter: set VK_DRIVER_FILES to a Vulkan driver');
  return adapter.requestDevice();
}

export const backends = backendsOn(inNode);
