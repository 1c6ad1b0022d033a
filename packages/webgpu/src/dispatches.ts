/** Pipelines and bind groups of an optimizer: made once, so that a step only records them. */

import { inScopes, type Segment } from './arena.ts';
import type { Around } from './around.ts';
import { clipKernel } from './kernels/clip.ts';
import { gatherKernel } from './kernels/gather.ts';
import type { Kernel, Setting, Shape } from './kernels/kernel.ts';
import { measureKernel, squares } from './kernels/measure.ts';
import { moveKernel } from './kernels/move.ts';
import { settleKernel } from './kernels/settle.ts';
import { blockBytes, blockVectors, flag, type Layout } from './layout.ts';
import type { Program } from './program.ts';

/** One dispatch, ready to be recorded. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: number;
}

/** A pass over a segment in its two forms: all tensors step alike, or each by its own numbers and flags. */
export interface Pass {
  readonly alike: Dispatch;
  readonly single: Dispatch;
}

/** The dispatches of a segment; undefined where its optimizer needs none. */
export interface SegmentPasses {
  readonly squares: Pass | undefined;
  readonly measure: Pass | undefined;
  readonly move: Pass;
  readonly batchSquares: Dispatch | undefined;
  readonly gather: Dispatch | undefined;
}

/** All dispatches. */
export interface Dispatches {
  readonly segments: readonly SegmentPasses[];
  readonly clip: Dispatch | undefined;
  readonly clipBatch: Dispatch | undefined;
  readonly settle: Dispatch;
}

/** What dispatches are made of. */
export interface Parts {
  readonly device: GPUDevice;
  readonly around: Around;
  readonly layout: Layout;
  readonly shape: Shape;
  readonly programs: readonly Program[];
  readonly segments: readonly Segment[];
  /** Buffers that all kernels share: `control`, `partials`, `alarm`. */
  readonly shared: Readonly<Record<string, GPUBuffer>>;
}

/** Workgroups that walk over a segment. */
export const workgroupsOf = ({ bytes }: Segment, { size, items }: Shape): number =>
  Math.ceil(((bytes / blockBytes) * blockVectors) / (size * items));

/** Pipelines by their text: optimizers of one device share them. */
const compiled = new WeakMap<GPUDevice, Map<string, Promise<GPUComputePipeline>>>();

/** Makes pipelines, each text once, and binds buffers to them. */
class Pipelines {
  readonly #device: GPUDevice;
  readonly #byCode: Map<string, Promise<GPUComputePipeline>>;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#byCode = compiled.get(device) ?? new Map();
    compiled.set(device, this.#byCode);
  }

  #compile(code: string): Promise<GPUComputePipeline> {
    return inScopes(this.#device, 'a kernel', () =>
      this.#device.createComputePipelineAsync({
        layout: 'auto',
        compute: { module: this.#device.createShaderModule({ code }), entryPoint: 'main' },
      }),
    );
  }

  async bind(
    { code, buffers }: Kernel,
    workgroups: number,
    bound: Readonly<Record<string, GPUBuffer | undefined>>,
  ): Promise<Dispatch> {
    const made = this.#byCode.get(code) ?? this.#compile(code);
    this.#byCode.set(code, made);
    const pipeline = await made;
    const entries = buffers.map((name, binding) => ({
      binding,
      resource: { buffer: bound[name] as GPUBuffer },
    }));
    const layout = pipeline.getBindGroupLayout(0);
    const bindGroup = await inScopes(this.#device, 'a bind group', () =>
      this.#device.createBindGroup({ layout, entries }),
    );
    return { pipeline, bindGroup, workgroups };
  }
}

/** Rules that differ, and which of them is each group's. */
export function distinctRules(programs: readonly Program[]): {
  rules: NonNullable<Program['rule']>[];
  ruleOf: number[];
} {
  const texts: string[] = [];
  const rules: NonNullable<Program['rule']>[] = [];
  const ruleOf = programs.map(({ rule }) => {
    if (!rule) return -1;
    const text = JSON.stringify(rule);
    if (!texts.includes(text)) rules[texts.push(text) - 1] = rule;
    return texts.indexOf(text);
  });
  return { rules, ruleOf };
}

/** Makes all dispatches of a segment. */
async function segmentPasses(
  pipelines: Pipelines,
  { around, layout, shape, programs, shared }: Parts,
  segment: Segment,
): Promise<SegmentPasses> {
  const { skips, clip, clipBatch, batches } = around;
  const program = programs[segment.group] as Program;
  const { gradient, gradientSum, ...rest } = segment.buffers;
  const plain: Setting = { layout, shape, skips, clips: false };
  const clipped: Setting = { ...plain, clips: clip !== undefined };
  // a step moves by the mean of its batches, where there are batches
  const ofStep = { ...shared, ...rest, gradient: gradientSum ?? gradient };
  const ofBatch = { ...shared, ...segment.buffers };
  const workgroups = workgroupsOf(segment, shape);
  const pass = async (kernel: (alike: boolean) => Kernel): Promise<Pass> => {
    const bind = (alike: boolean) => pipelines.bind(kernel(alike), workgroups, ofStep);
    const [alike, single] = await Promise.all([bind(true), bind(false)]);
    return { alike, single };
  };
  const way = { flag: flag.steps, counted: false };
  const slots = program.slots.length;
  const first = clip === undefined;
  const squaresPass =
    clip === undefined
      ? undefined
      : pass((alike) => measureKernel(plain, { ...way, alike }, squares, 0, skips));
  const measurePass =
    program.measure || (skips && first)
      ? pass((alike) => measureKernel(clipped, { ...way, alike }, program.measure, slots, skips && first))
      : undefined;
  const batchWay = { alike: false, flag: flag.gathers, counted: false };
  const batchSetting = { ...plain, clips: clipBatch !== undefined };
  return {
    squares: await squaresPass,
    measure: await measurePass,
    move: await pass((alike) => moveKernel(clipped, alike, program, around.average)),
    batchSquares:
      clipBatch === undefined
        ? undefined
        : await pipelines.bind(measureKernel(plain, batchWay, squares, 0, false), workgroups, ofBatch),
    gather:
      batches === 1
        ? undefined
        : await pipelines.bind(gatherKernel(batchSetting, 1 / batches), workgroups, ofBatch),
  };
}

/**
 * Compiles all kernels and binds them.
 *
 * @throws VRAdamError `ERR_VALIDATION` if the device takes one of them badly.
 */
export async function createDispatches(parts: Parts): Promise<Dispatches> {
  const { device, around, layout, shape, programs, segments, shared } = parts;
  const pipelines = new Pipelines(device);
  const partials = segments.reduce((sum, segment) => sum + workgroupsOf(segment, shape), 0);
  const setting: Setting = { layout, shape, skips: around.skips, clips: false };
  const { rules } = distinctRules(programs);
  const clipOf = (maxNorm: number | undefined) =>
    maxNorm === undefined ? undefined : pipelines.bind(clipKernel(maxNorm, partials), 1, shared);
  const hasNorm = programs.some(({ measure }) => measure);
  const [clip, clipBatch, settle, ...passes] = await Promise.all([
    clipOf(around.clip),
    clipOf(around.clipBatch),
    pipelines.bind(settleKernel(setting, rules, hasNorm), 1, shared),
    ...segments.map((segment) => segmentPasses(pipelines, parts, segment)),
  ]);
  return { clip, clipBatch, settle, segments: passes };
}
