/** Numbers for tests, and their way into an optimizer. */

import type { GPUGradients, Views, WebGPUOptimizer } from '../src/index.ts';

/** Writes numbers into views. */
function write(device: GPUDevice, views: Views, name: string, data: ArrayLike<number>): void {
  const { buffer, offset } = views[name] as Views[string];
  device.queue.writeBuffer(buffer, offset, Float32Array.from(data));
}

/** Writes gradients into the arena. @returns what `step` takes: those that are there. */
export function writeAll(
  optimizer: WebGPUOptimizer,
  gradients: Readonly<Record<string, ArrayLike<number> | null | undefined>>,
): GPUGradients {
  const present = Object.entries(gradients).filter(([, data]) => data != null);
  for (const [name, data] of present) write(optimizer.device, optimizer.gradients, name, data as number[]);
  return Object.fromEntries(present.map(([name]) => [name, optimizer.gradients[name]]));
}

/** Numbers in (-scale, scale), the same for the same seed. */
export function noise(length: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  let x = (seed * 2654435761 + 1) >>> 0 || 1;
  return Float32Array.from({ length }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return ((x >>> 0) / 2 ** 31 - 1) * scale;
  });
}

const usage = 0x80 | 0x4 | 0x8; // STORAGE, COPY_SRC, COPY_DST

/** A buffer that holds numbers, and nothing more. */
export function bufferOf(device: GPUDevice, data: ArrayLike<number>, flags: number = usage): GPUBuffer {
  const buffer = device.createBuffer({ size: 4 * data.length, usage: flags, mappedAtCreation: true });
  new Float32Array(buffer.getMappedRange()).set(data);
  buffer.unmap();
  return buffer;
}
