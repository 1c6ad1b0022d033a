/** This package's operations, for the conformance suite and its command line: on whichever WebGPU there is. */

import { createWebGPUOps } from './dist/index.js';

let gpu; // its devices live no longer than it does

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
  const { missingDriver, nameDriver } = await import('../../scripts/vulkan.mjs');
  const { create, globals } = await import('webgpu');
  nameDriver();
  Object.assign(globalThis, globals);
  gpu ??= create([]);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error(missingDriver);
  return adapter.requestDevice();
}

export const backends = backendsOn(inNode);
