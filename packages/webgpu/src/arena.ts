/**
 * The arena: for each kind of tensor one buffer a segment, in which every tensor begins at a multiple of 256 bytes, so
 * that any shader can bind it as a view. What fills up between tensors stays 0.
 *
 * A segment holds tensors of one group and is as long as one binding may be.
 */

import { failure, show } from './errors.ts';
import { blockBytes } from './layout.ts';
import { copySource, copyTarget, storage } from './platform.ts';
import type { Tensor } from './tensors.ts';

/** Tensors of one group, side by side. */
export interface Segment {
  /** Index of the group. */
  readonly group: number;
  readonly tensors: readonly Tensor[];
  /** Where each of them begins, in bytes. */
  readonly offsets: readonly number[];
  readonly bytes: number;
  /** Which tensor each block belongs to. */
  readonly owners: readonly number[];
  /** Buffers by role: `parameter`, `gradient`, `slot0`, ... */
  readonly buffers: Record<string, GPUBuffer>;
}

const padded = ({ elements }: Tensor): number =>
  Math.max(1, Math.ceil((4 * elements) / blockBytes)) * blockBytes;

/** Bytes of the largest tensor that a device takes: one binding, one dispatch. */
export const largestSegment = ({ limits }: GPUDevice, workgroupBytes: number): number =>
  Math.min(
    limits.maxStorageBufferBindingSize,
    limits.maxBufferSize,
    limits.maxComputeWorkgroupsPerDimension * workgroupBytes,
  );

/**
 * Puts tensors into segments, group by group.
 *
 * @throws VRAdamError `ERR_DEVICE_LIMIT` if one is larger than a segment can be.
 */
export function planSegments(tensors: readonly Tensor[], groups: number, largest: number): Segment[] {
  const segments: Segment[] = [];
  const ofGroups = Array.from({ length: groups }, (_, group) =>
    tensors.filter((tensor) => tensor.group === group),
  );
  for (const [group, members] of ofGroups.entries()) {
    let open: { tensors: Tensor[]; offsets: number[]; owners: number[]; bytes: number } | undefined;
    for (const tensor of members) {
      const bytes = padded(tensor);
      if (bytes > largest) {
        const message = `parameter ${show(tensor.name)} needs ${bytes} bytes in one binding. The device allows: ${largest}.`;
        throw failure(
          'ERR_DEVICE_LIMIT',
          `${message} Ask for a larger maxStorageBufferBindingSize in requestDevice().`,
        );
      }
      if (!open || open.bytes + bytes > largest) {
        open = { tensors: [], offsets: [], owners: [], bytes: 0 };
        segments.push({ group, ...open, buffers: {} });
      }
      open.tensors.push(tensor);
      open.offsets.push(open.bytes);
      for (let block = 0; block < bytes / blockBytes; block++) open.owners.push(tensor.index);
      open.bytes += bytes;
      segments[segments.length - 1] = { group, ...open, buffers: {} };
    }
  }
  return segments;
}

/** Makes a segment's buffers, all 0. */
export function allocate(device: GPUDevice, segment: Segment, roles: readonly string[]): void {
  for (const role of roles) {
    segment.buffers[role] = device.createBuffer({
      label: `vradam ${role}`,
      size: segment.bytes,
      usage: storage | copySource | copyTarget,
    });
  }
}

/**
 * Runs `make` in error scopes.
 *
 * @throws VRAdamError `ERR_DEVICE_LIMIT` if there is not enough memory, `ERR_VALIDATION` for what WebGPU rejects.
 */
export async function inScopes<R>(device: GPUDevice, what: string, make: () => R | Promise<R>): Promise<R> {
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  // the scopes are closed before anything is awaited, as others use the device too
  const made = new Promise<R>((resolve) => resolve(make()));
  const [thrown, validation, memory] = await Promise.all([
    made.then(
      () => undefined,
      (error: unknown) => error,
    ),
    device.popErrorScope(),
    device.popErrorScope(),
  ]);
  if (memory) throw failure('ERR_DEVICE_LIMIT', `${what}: ${memory.message}`, memory);
  if (validation) throw failure('ERR_VALIDATION', `${what}: ${validation.message}`, validation);
  if (thrown !== undefined) throw failure('ERR_VALIDATION', `${what}: ${thrown}`, thrown);
  return made;
}
