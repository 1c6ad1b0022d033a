/** Pipelines and bind groups of an optimizer: made once, so that a step only records them. */

import { inScopes, type Segment } from './arena.ts';
import type { Around } from './around.ts';
import { clipKernel } from './kernels/clip.ts';
import { gatherKernel } from './kernels/gather.ts';
import { judgeKernel } from './kernels/judge.ts';
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
  /** Looks at a batch: squares for its clip, a bad gradient that skips it. */
  readonly batch: Dispatch | undefined;
  readonly gather: Dispatch | undefined;
}

/** All dispatches. */
export interface Dispatches {
  readonly segments: readonly SegmentPasses[];
  readonly clip: Dispatch | undefined;
  readonly clipBatch: Dispatch | undefined;
  readonly judge: Dispatch | undefined;
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

/** Makes a segment's dispatches over the gradients of a batch, if there are batches. */
async function batchPasses(
  pipelines: Pipelines,
  { around, layout, shape, shared }: Parts,
  segment: Segment,
): Promise<Pick<SegmentPasses, 'batch' | 'gather'>> {
  const { skips, clipBatch, batches, judges } = around;
  const setting: Setting = { layout, shape, skips, judged: false, clips: clipBatch !== undefined };
  const way = { alike: false, flag: flag.gathers, counted: false };
  const bind = (kernel: Kernel) =>
    pipelines.bind(kernel, workgroupsOf(segment, shape), { ...shared, ...segment.buffers });
  const measure = () =>
    measureKernel({ ...setting, clips: false }, way, setting.clips ? squares : undefined, 0, judges);
  return {
    batch: setting.clips || judges ? await bind(measure()) : undefined,
    gather: batches === 1 ? undefined : await bind(gatherKernel(setting, 1 / batches)),
  };
}

/** Makes all dispatches of a segment. */
async function segmentPasses(pipelines: Pipelines, parts: Parts, segment: Segment): Promise<SegmentPasses> {
  const { around, layout, shape, programs, shared } = parts;
  const { skips, clip, judges } = around;
  const program = programs[segment.group] as Program;
  const { gradient, gradientSum, ...rest } = segment.buffers;
  const plain: Setting = { layout, shape, skips, judged: judges, clips: false };
  const clipped: Setting = { ...plain, clips: clip !== undefined };
  // a step moves by the mean of its batches, where there are batches
  const bound = { ...shared, ...rest, gradient: gradientSum ?? gradient };
  const pass = async (kernel: (alike: boolean) => Kernel): Promise<Pass> => {
    const bind = (alike: boolean) => pipelines.bind(kernel(alike), workgroupsOf(segment, shape), bound);
    const [alike, single] = await Promise.all([bind(true), bind(false)]);
    return { alike, single };
  };
  const way = { flag: flag.steps, counted: false };
  const slots = program.slots.length;
  const checks = skips && !judges; // where there is a verdict, each batch was looked at
  const checksLate = checks && !clipped.clips;
  const squaresPass = clipped.clips
    ? pass((alike) => measureKernel(plain, { ...way, alike }, squares, 0, checks))
    : undefined;
  const measurePass =
    program.measure || checksLate
      ? pass((alike) => measureKernel(clipped, { ...way, alike }, program.measure, slots, checksLate))
      : undefined;
  return {
    squares: await squaresPass,
    measure: await measurePass,
    move: await pass((alike) => moveKernel(clipped, alike, program, around.average)),
    ...(await batchPasses(pipelines, parts, segment)),
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
  const { skips, judges, batches } = around;
  const setting: Setting = { layout, shape, skips, judged: judges, clips: false };
  const { rules } = distinctRules(programs);
  const clipOf = (maxNorm: number | undefined) =>
    maxNorm === undefined ? undefined : pipelines.bind(clipKernel(maxNorm, partials), 1, shared);
  const hasNorm = programs.some(({ measure }) => measure);
  const [clip, clipBatch, judge, settle, ...passes] = await Promise.all([
    clipOf(around.clip),
    clipOf(around.clipBatch),
    judges ? pipelines.bind(judgeKernel(layout, batches), 1, shared) : undefined,
    pipelines.bind(settleKernel(setting, rules, hasNorm), 1, shared),
    ...segments.map((segment) => segmentPasses(pipelines, parts, segment)),
  ]);
  return { clip, clipBatch, judge, settle, segments: passes };
}
