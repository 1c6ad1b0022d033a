/** Dispatches over tensors of tfjs, in buffers that it owns. */

import type { Kernel as Shader } from './kernels/kernel.ts';
import { copySource, copyTarget, storage } from './platform.ts';

/** Bytes between the numbers of two tensors: a binding begins at a multiple of 256. */
const stride = 256;

/** Buffers by the name of their binding; numbers of elements where only so many are bound. */
export type Bound = Readonly<
  Record<string, GPUBuffer | { readonly buffer: GPUBuffer; readonly elements: number }>
>;

/** One dispatch over a tensor. */
export interface Job {
  readonly bound: Bound;
  /** The place of its partial sums. */
  readonly start: number;
  readonly numbers: readonly number[];
  readonly workgroups: number;
}

/** Records jobs, and keeps what they need for the next step: pipelines, bind groups, two buffers. */
export class Runner {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #groups = new WeakMap<GPUBuffer, Map<string, GPUBindGroup>>();
  readonly #ids = new WeakMap<GPUBuffer, number>();
  readonly #kept = new Map<string, GPUBuffer>();
  #nextId = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** A buffer that grows when it must. */
  buffer(label: string, bytes: number): GPUBuffer {
    const old = this.#kept.get(label);
    if (old && old.size >= bytes) return old;
    old?.destroy();
    const usage = storage | copySource | copyTarget;
    const made = this.#device.createBuffer({ label: `vradam ${label}`, size: 2 * bytes, usage });
    this.#kept.set(label, made);
    return made;
  }

  #pipeline({ code }: Shader): GPUComputePipeline {
    const device = this.#device;
    const made =
      this.#pipelines.get(code) ??
      device.createComputePipeline({
        layout: 'auto',
        compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
      });
    this.#pipelines.set(code, made);
    return made;
  }

  #id(buffer: GPUBuffer): number {
    const id = this.#ids.get(buffer) ?? this.#nextId++;
    this.#ids.set(buffer, id);
    return id;
  }

  /** A bind group, kept with the gradient's buffer: tfjs uses a few of them in turn. */
  #group(
    pipeline: GPUComputePipeline,
    shader: Shader,
    bound: Bound,
    control: GPUBuffer,
    row: number,
  ): GPUBindGroup {
    const resources = shader.buffers.map((name): GPUBufferBinding => {
      if (name === 'control') return { buffer: control, offset: stride * row, size: stride };
      const one = bound[name] as Bound[string];
      return 'elements' in one ? { buffer: one.buffer, size: 4 * one.elements } : { buffer: one };
    });
    const { buffer: owner } = bound['gradient'] as { buffer: GPUBuffer };
    const known = this.#groups.get(owner) ?? new Map<string, GPUBindGroup>();
    this.#groups.set(owner, known);
    const places = resources.map(({ buffer, size = 0 }) => `${this.#id(buffer)}:${size}`);
    const key = `${row} ${places} ${shader.code}`;
    const made =
      known.get(key) ??
      this.#device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: resources.map((resource, binding) => ({ binding, resource })),
      });
    if (known.size >= 64) known.clear(); // of variables that are gone
    known.set(key, made);
    return made;
  }

  /** Runs jobs, each after what the queue holds. */
  run(shader: Shader, jobs: readonly Job[]): void {
    if (jobs.length === 0) return;
    const device = this.#device;
    const words = stride / 4;
    const table = new Uint32Array(jobs.length * words);
    for (const [row, { start, numbers }] of jobs.entries()) {
      table[row * words] = start;
      new Float32Array(table.buffer).set(numbers, row * words + 1);
    }
    const control = this.buffer('numbers', table.byteLength);
    device.queue.writeBuffer(control, 0, table);
    const pipeline = this.#pipeline(shader);
    const encoder = device.createCommandEncoder({ label: 'vradam step' });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    for (const [row, { bound, workgroups }] of jobs.entries()) {
      pass.setBindGroup(0, this.#group(pipeline, shader, bound, control, row));
      pass.dispatchWorkgroups(workgroups);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  }
}
