/** Reading buffers without holding up the queue. */

import { failure } from './errors.ts';
import { copyTarget, mapRead, modeRead } from './platform.ts';

/** A part of a buffer to be read. */
export interface Part {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** Reads parts of buffers, all as they are at one moment of the queue. Keeps its buffer for the next time. */
export class Readback {
  readonly #device: GPUDevice;
  #idle: GPUBuffer | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  #take(size: number): GPUBuffer {
    const kept = this.#idle;
    this.#idle = undefined;
    if (kept && kept.size >= size) return kept;
    kept?.destroy();
    return this.#device.createBuffer({ label: 'vradam readback', size, usage: mapRead | copyTarget });
  }

  /**
   * Reads parts.
   *
   * @returns for each part its bytes, a copy.
   * @throws VRAdamError `ERR_DEVICE_LOST`.
   */
  async read(parts: readonly Part[]): Promise<ArrayBuffer[]> {
    const size = parts.reduce((sum, { bytes }) => sum + bytes, 0);
    const staging = this.#take(Math.max(4, size));
    const encoder = this.#device.createCommandEncoder();
    let at = 0;
    for (const { buffer, offset, bytes } of parts) {
      if (bytes > 0) encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
      at += bytes;
    }
    this.#device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(modeRead, 0, Math.max(4, size));
    } catch (cause) {
      throw failure('ERR_DEVICE_LOST', 'nothing can be read: the device is lost.', cause);
    }
    const whole = staging.getMappedRange(0, Math.max(4, size)).slice(0);
    staging.unmap();
    if (this.#idle) staging.destroy();
    else this.#idle = staging;
    let end = 0;
    return parts.map(({ bytes }) => {
      end += bytes;
      return whole.slice(end - bytes, end);
    });
  }

  destroy(): void {
    this.#idle?.destroy();
  }
}
