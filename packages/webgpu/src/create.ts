/** Making an optimizer on a device. */

import { checkOptions, type OptimizerSpec } from '@vradam/core';
import { allocate, inScopes, largestSegment, planSegments, type Segment } from './arena.ts';
import { type Around, resolveTransforms } from './around.ts';
import { Counters } from './counters.ts';
import { createDispatches, workgroupsOf } from './dispatches.ts';
import { fail, show } from './errors.ts';
import type { Reduction, Shape } from './kernels/kernel.ts';
import { tree } from './kernels/measure.ts';
import { createLayout, type Layout } from './layout.ts';
import { type Machine, WebGPUOptimizer } from './optimizer.ts';
import { copySource, copyTarget, storage, uniform } from './platform.ts';
import { createProgram, type Program } from './program.ts';
import { type Parameter, resolveParameters, type Tensor } from './tensors.ts';

/** Options of {@link createOptimizer}. */
export interface WebGPUOptions {
  /** Invocations of a workgroup: a multiple of 8. Default 64. */
  readonly workgroupSize?: number;
  /**
   * `vec4f`s that each invocation walks over. Default 16; 128 on an adapter in software, where the barrier at a
   * workgroup's end costs more: a step of VRAdam on 1M parameters takes 1.5 times one of AdamW there, and 1.9 with 16.
   */
  readonly itemsPerInvocation?: number;
  /** How a workgroup adds up: `subgroups` where the device has them. Default: a tree, on any device. */
  readonly reduction?: Reduction;
}

/** Sets of flags under way at once; see `Recorder`. */
const uploadSlots = 64;
/** Slots of the ring: how many recorded steps may wait for their submit. */
const ringSlots = 64;
/** With `nonFinite: 'skip'`, also how many steps the device may be behind the host. */
const skippingRingSlots = 1024;

function shapeOf(device: GPUDevice, { reduction = tree, ...options }: WebGPUOptions): Shape {
  const { limits, adapterInfo } = device;
  const { workgroupSize: size = 64, itemsPerInvocation: items = adapterInfo?.isFallbackAdapter ? 128 : 16 } =
    options;
  const most = Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX);
  const given = { ...options, workgroupSize: size, itemsPerInvocation: items };
  checkOptions('createOptimizer', given, { workgroupSize: `[8, ${most}]`, itemsPerInvocation: '[1, 1024]' });
  if (size % 8 !== 0 || items % 1 !== 0) {
    fail(
      'ERR_OPTION_RANGE',
      `workgroupSize must be a multiple of 8, itemsPerInvocation whole. Received: ${size}, ${items}.`,
    );
  }
  if (typeof reduction?.check !== 'function') {
    fail('ERR_OPTION_TYPE', `reduction must be subgroups, as imported. Received: ${show(reduction)}.`);
  }
  reduction.check(device, size);
  return { size, items, reduction };
}

function checkDevice(device: GPUDevice): void {
  if (typeof device?.createBuffer !== 'function' || !device.limits) {
    fail('ERR_OPTION_TYPE', `device must be a GPUDevice. Received: ${show(device)}.`);
  }
}

/** Buffers that all segments share. */
function makeShared(device: GPUDevice, { words, tensors }: Layout, partials: number): Machine['shared'] {
  const make = (label: string, bytes: number, usage: number): GPUBuffer =>
    device.createBuffer({ label: `vradam ${label}`, size: Math.max(16, bytes), usage });
  return {
    control: make('control', 4 * words, storage | copySource | copyTarget),
    uploads: make('flags', 4 * tensors * uploadSlots, copySource | copyTarget),
    partials: make('partials', 4 * partials, storage),
    alarm: make('alarm', 4, storage),
  };
}

/** What a segment's kernels must know of it: its blocks, its partial sums, its group, its first tensor. */
function writeSegments(device: GPUDevice, segments: readonly Segment[], counts: readonly number[]): void {
  let [block, partial] = [0, 0];
  for (const [s, segment] of segments.entries()) {
    const first = segment.tensors[0]?.index ?? 0;
    const buffer = device.createBuffer({ label: 'vradam segment', size: 16, usage: uniform | copyTarget });
    device.queue.writeBuffer(buffer, 0, Uint32Array.of(block, partial, segment.group, first));
    segment.buffers['segment'] = buffer;
    block += segment.owners.length;
    partial += counts[s] as number;
  }
}

/** Brings initial numbers to the device; averages begin as copies of the parameters. */
function writeParameters(device: GPUDevice, segments: readonly Segment[], around: Around): void {
  const encoder = device.createCommandEncoder();
  for (const { tensors, offsets, buffers } of segments) {
    const roles = around.average === undefined ? ['parameter'] : ['parameter', 'average'];
    for (const [i, { data, own, elements }] of tensors.entries()) {
      for (const role of elements === 0 ? [] : roles) {
        const [target, offset] = [buffers[role] as GPUBuffer, offsets[i] as number];
        if (data) device.queue.writeBuffer(target, offset, Float32Array.from(data));
        if (own) encoder.copyBufferToBuffer(own.buffer, own.offset, target, offset, 4 * elements);
      }
    }
  }
  device.queue.submit([encoder.finish()]);
}

/** Buffers of a segment besides its `segment`. */
const rolesOf = ({ slots }: Program, { average, batches }: Around): string[] => [
  'parameter',
  'gradient',
  ...slots.map((_, s) => `slot${s}`),
  ...(average === undefined ? [] : ['average']),
  ...(batches === 1 ? [] : ['gradientSum']),
];

function layOut(
  tensors: readonly Tensor[],
  segments: readonly Segment[],
  programs: readonly Program[],
  skips: boolean,
): Layout {
  return createLayout({
    tensors: tensors.length,
    groups: programs.length,
    slots: skips ? skippingRingSlots : ringSlots,
    columns: programs.reduce((most, { columns }) => Math.max(most, columns), 0),
    numbers: programs.reduce((sum, { ruleNumbers }) => sum + ruleNumbers.length, 0),
    blocks: segments.reduce((sum, { owners }) => sum + owners.length, 0),
  });
}

/**
 * Makes an optimizer on a device.
 *
 * Ownership: it makes buffers for gradients and state, and for parameters given as numbers; `destroy` releases those.
 * Parameters given as buffers stay the caller's.
 *
 * @param spec - from `vradam()`, `adamw()`, ..., perhaps wrapped by transforms.
 * @param parameters - by name: numbers, or buffers with usage COPY_SRC and COPY_DST.
 * @throws VRAdamError `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_OPTION_UNKNOWN`, `ERR_SHAPE_MISMATCH`, `ERR_BUFFER`;
 *   `ERR_UNSUPPORTED` for an algorithm or a transform that there are no kernels for; `ERR_DEVICE_LIMIT` if the device
 *   has too little room; `ERR_VALIDATION`.
 */
export async function createOptimizer(
  device: GPUDevice,
  spec: OptimizerSpec,
  parameters: Readonly<Record<string, Parameter>>,
  options: WebGPUOptions = {},
): Promise<WebGPUOptimizer> {
  checkDevice(device);
  const shape = shapeOf(device, options);
  const around = resolveTransforms(spec);
  const tensors = resolveParameters(spec, parameters);
  const largest = largestSegment(device, 16 * shape.size * shape.items);
  const segments = planSegments(tensors, spec.groups.length, largest);
  const programs = spec.groups.map((group, g) =>
    createProgram(
      spec,
      group,
      tensors.filter((tensor) => tensor.group === g).map(({ name }) => name),
    ),
  );
  const layout = layOut(tensors, segments, programs, around.skips);
  const counts = segments.map((segment) => workgroupsOf(segment, shape));

  const shared = await inScopes(device, 'buffers', () => {
    for (const segment of segments)
      allocate(device, segment, rolesOf(programs[segment.group] as Program, around));
    writeSegments(device, segments, counts);
    return makeShared(
      device,
      layout,
      counts.reduce((sum, count) => sum + count, 0),
    );
  });
  const counters = new Counters(spec, around, layout, device, shared.control, tensors, programs);
  counters.writeTables(segments, (s) => counts[s] as number);
  const parts = { device, around, layout, shape, programs, segments, shared };
  const dispatches = await createDispatches(parts);
  const optimizer = new WebGPUOptimizer({ ...parts, spec, tensors, dispatches, counters, uploadSlots });
  await optimizer.begin(() => writeParameters(device, segments, around));
  return optimizer;
}
