/** Recording a step: which dispatches, in which order, and the copies around them. */

import type { Segment } from './arena.ts';
import type { Around } from './around.ts';
import type { Dispatch, Dispatches, Pass } from './dispatches.ts';
import type { Found } from './gradients.ts';
import { flag, type Layout } from './layout.ts';
import type { Tensor } from './tensors.ts';

/** One call, once its gradients are known. */
export interface Call {
  /** Where each tensor's gradient is. */
  readonly found: readonly Found[];
  /** Whether the call takes a step, or only gathers; also true where only the device knows. */
  readonly isStep: boolean;
  /** Whether each tensor moves, if it is a step; where only the device knows, others may move, too. */
  readonly moves: readonly boolean[];
  /** Whether each tensor has a sum of earlier batches. */
  readonly gathered: readonly boolean[];
  /** Gradients that each tensor moved by so far. */
  readonly steps: ArrayLike<number>;
  /** Whether equal `steps` are equal on the device, which may have skipped some. */
  readonly isExact: boolean;
}

/** What recording needs. */
export interface Recordable {
  readonly device: GPUDevice;
  readonly around: Around;
  readonly layout: Layout;
  readonly tensors: readonly Tensor[];
  readonly segments: readonly Segment[];
  readonly dispatches: Dispatches;
  readonly shared: Readonly<Record<'control' | 'uploads', GPUBuffer>>;
  /** Sets of flags that `uploads` holds: as many calls may be recorded before they are submitted. */
  readonly uploadSlots: number;
}

function dispatch(pass: GPUComputePassEncoder, one: Dispatch | undefined): void {
  if (!one) return;
  pass.setPipeline(one.pipeline);
  pass.setBindGroup(0, one.bindGroup);
  pass.dispatchWorkgroups(one.workgroups);
}

/** Records calls. */
export class Recorder {
  readonly #parts: Recordable;
  readonly #flags: Uint32Array<ArrayBuffer>;
  #slot = 0;

  constructor(parts: Recordable) {
    this.#parts = parts;
    this.#flags = new Uint32Array(parts.tensors.length);
  }

  /** Records copies in, passes, and copies out. */
  record(encoder: GPUCommandEncoder, call: Call): void {
    this.#copyGradients(encoder, call);
    this.#uploadFlags(encoder, call);
    if (call.isStep) this.#copyParameters(encoder, call, true);
    const pass = encoder.beginComputePass({ label: 'vradam' });
    this.#gather(pass);
    if (call.isStep) this.#step(pass, call);
    pass.end();
    if (call.isStep) this.#copyParameters(encoder, call, false);
  }

  #copyGradients(encoder: GPUCommandEncoder, { found }: Call): void {
    for (const { tensors, offsets, buffers } of this.#parts.segments) {
      for (const [i, { index, elements }] of tensors.entries()) {
        const gradient = found[index];
        if (gradient == null || gradient === 'arena' || elements === 0) continue;
        const target = buffers['gradient'] as GPUBuffer;
        encoder.copyBufferToBuffer(
          gradient.buffer,
          gradient.offset,
          target,
          offsets[i] as number,
          4 * elements,
        );
      }
    }
  }

  /** The caller's parameters are the truth: they come into the arena before a step, and go back after it. */
  #copyParameters(encoder: GPUCommandEncoder, { moves }: Call, inward: boolean): void {
    const { segments, around } = this.#parts;
    for (const { tensors, offsets, buffers } of segments) {
      for (const [i, { own, index, elements }] of tensors.entries()) {
        const isRead = inward && around.average !== undefined;
        if (!own || elements === 0 || !(moves[index] || isRead || around.judges)) continue;
        const arena = { buffer: buffers['parameter'] as GPUBuffer, offset: offsets[i] as number };
        const [from, to] = inward ? [own, arena] : [arena, own];
        encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, 4 * elements);
      }
    }
  }

  /**
   * Brings flags to the device, in every call: an earlier one may have come to nothing. They go by way of a slot of
   * their own, as several calls may be recorded before the first is submitted.
   */
  #uploadFlags(encoder: GPUCommandEncoder, { found, isStep, moves, gathered }: Call): void {
    const { device, layout, shared, around, uploadSlots } = this.#parts;
    for (let t = 0; t < found.length; t++) {
      const gathers = around.batches > 1 && found[t] != null ? flag.gathers : 0;
      this.#flags[t] = (isStep && moves[t] ? flag.steps : 0) | gathers | (gathered[t] ? flag.adds : 0);
    }
    const bytes = this.#flags.byteLength;
    this.#slot = (this.#slot + 1) % uploadSlots;
    device.queue.writeBuffer(shared.uploads, this.#slot * bytes, this.#flags);
    encoder.copyBufferToBuffer(shared.uploads, this.#slot * bytes, shared.control, 4 * layout.flags, bytes);
  }

  #gather(pass: GPUComputePassEncoder): void {
    const { segments, clipBatch, judge } = this.#parts.dispatches;
    for (const { batch } of segments) dispatch(pass, batch);
    dispatch(pass, clipBatch);
    dispatch(pass, judge);
    for (const { gather } of segments) dispatch(pass, gather);
  }

  /** Whether all tensors of a segment take part with the same numbers. */
  #isAlike({ tensors }: Segment, { moves, steps, isExact }: Call): boolean {
    const [{ index: first, weightDecay }] = tensors as [Tensor];
    if (tensors.length > 1 && !isExact) return false;
    return tensors.every(
      (tensor) =>
        moves[tensor.index] && steps[tensor.index] === steps[first] && tensor.weightDecay === weightDecay,
    );
  }

  #step(pass: GPUComputePassEncoder, call: Call): void {
    const { segments, dispatches } = this.#parts;
    const alike = segments.map((segment) => this.#isAlike(segment, call));
    const choose = (one: Pass | undefined, s: number) => (alike[s] ? one?.alike : one?.single);
    for (const [s, { squares }] of dispatches.segments.entries()) dispatch(pass, choose(squares, s));
    dispatch(pass, dispatches.clip);
    for (const [s, { measure }] of dispatches.segments.entries()) dispatch(pass, choose(measure, s));
    dispatch(pass, dispatches.settle);
    for (const [s, { move }] of dispatches.segments.entries()) dispatch(pass, choose(move, s));
  }
}
