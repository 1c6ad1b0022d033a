/** Which shape of workgroups suits a device. */

import { vradam } from '@vradam/core';
import { createOptimizer, type WebGPUOptions } from './create.ts';
import { subgroups } from './kernels/subgroups.ts';

/** Shapes worth trying: those that some device liked best, by size and items. */
const shapes: readonly (readonly [size: number, items: number])[] = [
  [64, 4],
  [64, 16],
  [64, 64],
  [128, 8],
  [256, 4],
  [256, 16],
];

/** Options of {@link tune}. */
export interface TuneOptions {
  /** Parameters of the trial: about as many as there will be. Default 1,000,000. */
  readonly elements?: number;
  /** Timed steps of each shape. Default 5. */
  readonly steps?: number;
}

/** Milliseconds of a step. */
async function timeOf(
  device: GPUDevice,
  shape: WebGPUOptions,
  elements: number,
  steps: number,
): Promise<number> {
  const parameters = { trial: new Float32Array(elements) };
  const optimizer = await createOptimizer(device, vradam(), parameters, shape);
  try {
    const times: number[] = [];
    for (let step = 0; step <= steps; step++) {
      await device.queue.onSubmittedWorkDone();
      const begin = performance.now();
      optimizer.step();
      await device.queue.onSubmittedWorkDone();
      if (step > 0) times.push(performance.now() - begin); // the first one may compile
    }
    return Math.min(...times);
  } finally {
    optimizer.destroy();
  }
}

/** Shapes that the device allows, by the tree and, where it has subgroups, by them. */
function candidates({ limits, features, adapterInfo }: GPUDevice): WebGPUOptions[] {
  return shapes
    .filter(([workgroupSize]) => workgroupSize <= limits.maxComputeInvocationsPerWorkgroup)
    .flatMap(([workgroupSize, itemsPerInvocation]) => {
      const shape = { workgroupSize, itemsPerInvocation };
      const fits = features.has('subgroups') && workgroupSize % adapterInfo.subgroupMaxSize === 0;
      return fits ? [shape, { ...shape, reduction: subgroups }] : [shape];
    });
}

async function search(device: GPUDevice, elements: number, steps: number): Promise<WebGPUOptions> {
  let best: { ms: number; shape: WebGPUOptions } | undefined;
  for (const shape of candidates(device)) {
    const ms = await timeOf(device, shape, elements, steps);
    if (!best || ms < best.ms) best = { ms, shape };
  }
  return best?.shape ?? {};
}

const found = new WeakMap<GPUDevice, Map<number, Promise<WebGPUOptions>>>();

/**
 * Times steps of VRAdam in several shapes. The device should have nothing else to do. What was found is kept for the
 * device, so that only the first call takes time.
 *
 * @returns the fastest shape, for `createOptimizer`. Sums are rounded differently in each shape: give the same one to
 *   runs that are to be equal bit for bit.
 * @throws VRAdamError `ERR_DEVICE_LIMIT` if so many parameters do not fit.
 */
export function tune(device: GPUDevice, options: TuneOptions = {}): Promise<WebGPUOptions> {
  const { elements = 1e6, steps = 5 } = options;
  const ofDevice = found.get(device) ?? new Map<number, Promise<WebGPUOptions>>();
  found.set(device, ofDevice);
  const shape = ofDevice.get(elements) ?? search(device, elements, steps);
  ofDevice.set(elements, shape);
  return shape;
}
