/** An optimizer on a device: parameters, gradients and state in GPUBuffers, and a step that reads nothing back. */

import { checkOptions, type OptimizerSpec } from '@vradam/core';
import { type Counters, type DeviceCounters, parseCounters } from './counters.ts';
import { fail, show } from './errors.ts';
import { type Found, findGradients, type GPUGradients } from './gradients.ts';
import { statsWords } from './layout.ts';
import { copySource, copyTarget } from './platform.ts';
import type { Program } from './program.ts';
import { type Part, Readback } from './readback.ts';
import { type Call, type Recordable, Recorder } from './record.ts';
import { reportGroup, type StepStats } from './stats.ts';
import { type BufferRange, checkRange, rangeOf } from './tensors.ts';
import { type Views, viewsOf } from './views.ts';
import { type Use, Watch } from './watch.ts';

/** What an optimizer is made of; see `createOptimizer`. */
export interface Machine extends Recordable {
  readonly spec: OptimizerSpec;
  readonly programs: readonly Program[];
  readonly shared: Readonly<Record<'control' | 'uploads' | 'partials' | 'alarm', GPUBuffer>>;
  readonly counters: Counters;
}

/** Calls between two looks at how many steps the device skipped. */
const pollEvery = 64;

/** Takes steps on a device; made by `createOptimizer`. */
export class WebGPUOptimizer {
  /** What it does. */
  readonly spec: OptimizerSpec;
  /** Where it does it. */
  readonly device: GPUDevice;
  /** Parameters: views of the arena, or the buffers that were given. */
  readonly parameters: Views;
  /** Gradients in the arena. Write them there and call `step()`: nothing is copied. */
  readonly gradients: Views;
  /** Averages of the weights, where `averageWeights` keeps them; else empty. */
  readonly averages: Views;

  /** @internal */
  readonly machine: Machine;
  readonly #recorder: Recorder;
  readonly #readback: Readback;
  /** @internal */
  readonly watch: Watch;
  #lost: GPUDeviceLostInfo | undefined;
  #disposed = false;
  #polling = false;

  /** @internal */
  constructor(machine: Machine) {
    const { device, spec, around, segments } = machine;
    this.spec = spec;
    this.device = device;
    this.machine = machine;
    this.#recorder = new Recorder(machine);
    this.#readback = new Readback(device);
    this.watch = new Watch(device);
    this.parameters = viewsOf(segments, 'parameter');
    this.gradients = viewsOf(segments, 'gradient');
    this.averages = around.average === undefined ? {} : viewsOf(segments, 'average');
    device.lost.then((info) => {
      this.#lost = info;
    });
  }

  /**
   * Brings the first numbers to the device, and tries the caller's buffers.
   *
   * @internal
   */
  async begin(write: () => void): Promise<void> {
    this.watch.try(this.#uses([]));
    this.watch.guard('the first copy of the parameters', () => this.#uses([]), write);
    await this.watch.settle();
  }

  /**
   * Throws if no call can be made, or if an earlier one failed.
   *
   * @internal
   */
  check(): void {
    if (this.#disposed) fail('ERR_DISPOSED', 'the optimizer was destroyed. Make a new one.');
    if (this.#lost) {
      const { reason, message } = this.#lost;
      const advice = 'Make an optimizer on a new device and import the last state that was exported.';
      fail('ERR_DEVICE_LOST', `the device is lost. Received: ${reason} ${message} ${advice}`, this.#lost);
    }
    this.watch.throwIfFailed();
  }

  /** The caller's buffers in a call, or those of them that `wanted` says. */
  #uses(found: readonly Found[], wanted: (buffer: GPUBuffer) => boolean = () => true): Use[] {
    const uses: Use[] = [];
    for (const { name, own, index } of this.machine.tensors) {
      const gradient = found[index];
      if (own && wanted(own.buffer))
        uses.push({ what: `parameter ${show(name)}`, buffer: own.buffer, written: true });
      if (gradient == null || gradient === 'arena' || !wanted(gradient.buffer)) continue;
      uses.push({ what: `gradient ${show(name)}`, buffer: gradient.buffer, written: false });
    }
    return uses;
  }

  /**
   * Records a step into an encoder; it is taken when that is submitted. All that is recorded must be submitted, in the
   * order in which it was recorded.
   *
   * @param encoder - of this device, with no open pass.
   * @param gradients - by parameter name; default those in the arena. One that is left out or null is missing: its
   *   parameter and its state stay. Others are copied into the arena.
   * @throws VRAdamError `ERR_PARAMETER_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_SHAPE_MISMATCH`,
   *   `ERR_BUFFER`, `ERR_DEVICE_LOST`, `ERR_DISPOSED`: nothing was recorded. `ERR_BUFFER` and `ERR_VALIDATION` are also
   *   thrown for what an earlier call turned out to have met.
   */
  encode(encoder: GPUCommandEncoder, gradients: GPUGradients = this.gradients): void {
    const call = this.#begin(gradients);
    this.watch.guard(
      'recording a step',
      () => this.#uses(call.found),
      () => this.#recorder.record(encoder, call),
    );
    this.#end(call);
  }

  /** Takes one step: `encode` into an encoder of its own, and a submit. Parameters and errors as there. */
  step(gradients: GPUGradients = this.gradients): void {
    const call = this.#begin(gradients);
    this.watch.guard(
      'a step',
      () => this.#uses(call.found),
      () => {
        const encoder = this.device.createCommandEncoder({ label: 'vradam step' });
        this.#recorder.record(encoder, call);
        this.device.queue.submit([encoder.finish()]);
      },
    );
    this.#end(call);
  }

  /** Checks a call, and writes the numbers of its step. */
  #begin(gradients: GPUGradients): Call {
    this.check();
    const { tensors, around } = this.machine;
    const counters = this.machine.counters;
    const found = findGradients(tensors, gradients, this.gradients);
    const rates = counters.rates(counters.step);
    this.watch.try(this.#uses(found, (buffer) => !this.watch.knows(buffer)));
    const { gathered, steps, isExact } = counters;
    const moves = found.map((gradient, t) => gradient != null || (gathered[t] as boolean));
    const isStep = around.judges || counters.microStep + 1 >= around.batches;
    if (isStep) counters.writeStep(rates);
    return { found, isStep, moves, gathered, steps, isExact };
  }

  /** Counts a call. */
  #end(call: Call): void {
    const { counters } = this.machine;
    counters.count(call);
    if (counters.unseen >= pollEvery) this.#poll();
  }

  /** Looks now and then how many steps the device skipped, so that the host is never far ahead. */
  #poll(): void {
    if (this.#polling) return;
    this.#polling = true;
    this.readCounters()
      .catch(() => undefined) // of a lost device: the next call tells
      .then(() => {
        this.#polling = false;
      });
  }

  /**
   * Reads the control buffer's counters and stats, and more if wanted, all as of now.
   *
   * @internal
   */
  async readCounters(more: readonly Part[] = []): Promise<{
    counters: DeviceCounters;
    stats: Float32Array;
    rest: ArrayBuffer[];
  }> {
    const { layout, shared } = this.machine;
    const part = { buffer: shared.control, offset: 0, bytes: 4 * layout.flags };
    const [bytes, ...rest] = await this.#readback.read([part, ...more]);
    const counters = parseCounters(layout, bytes as ArrayBuffer);
    this.machine.counters.learn(counters);
    return {
      counters,
      rest,
      stats: new Float32Array(bytes as ArrayBuffer, 4 * layout.stats, layout.groups * statsWords),
    };
  }

  /**
   * What the last step did; reads without holding up the queue.
   *
   * @throws VRAdamError `ERR_DEVICE_LOST`, `ERR_DISPOSED`; `ERR_BUFFER`, `ERR_VALIDATION` for what an earlier call met.
   */
  async stats(): Promise<StepStats> {
    this.check();
    const { counters, stats } = await this.readCounters();
    await this.watch.settle();
    const { step, skipped } = counters;
    const groups = this.spec.groups.map((_, g) =>
      reportGroup(this.spec, g, stats.subarray(g * statsWords, (g + 1) * statsWords)),
    );
    return { step, skippedSteps: skipped, groups: step === 0 ? [] : groups };
  }

  /**
   * Reads tensors.
   *
   * @param views - `parameters` (default), `gradients` or `averages`.
   * @returns their numbers by name, copies.
   */
  async read(views: Views = this.parameters): Promise<Record<string, Float32Array>> {
    this.check();
    const entries = Object.entries(views);
    const parts = entries.map(([, { buffer, offset, size }]) => ({ buffer, offset, bytes: size }));
    const read = await this.#readback.read(parts);
    await this.watch.settle();
    return Object.fromEntries(entries.map(([name], i) => [name, new Float32Array(read[i] as ArrayBuffer)]));
  }

  /**
   * Puts another buffer in the place of a parameter's, as frameworks do when they assign to a variable. What it holds is
   * the parameter from now on.
   *
   * @param name - of a parameter that was given as a buffer.
   * @throws VRAdamError `ERR_PARAMETER_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_SHAPE_MISMATCH`,
   *   `ERR_BUFFER`.
   */
  rebind(name: string, buffer: GPUBuffer | BufferRange): void {
    const tensor = this.machine.tensors.find((one) => one.name === name && one.own);
    if (!tensor)
      fail('ERR_PARAMETER_UNKNOWN', `rebind: no parameter ${show(name)} in a buffer of the caller's.`);
    const range = checkRange(
      `parameter ${show(name)}`,
      rangeOf(buffer),
      4 * tensor.elements,
      copySource | copyTarget,
    );
    tensor.own = range;
    Object.assign(this.parameters[name] as Views[string], range);
  }

  /**
   * Sets the learning rate from the next step on; it survives export and import.
   *
   * @param learningRate - null returns to the spec's number or schedule. Range [0, Infinity).
   * @param group - name of one group; default all.
   * @throws VRAdamError `ERR_OPTION_RANGE`, `ERR_PARAMETER_UNKNOWN` for a group that is not there.
   */
  setLearningRate(learningRate: number | null, group?: string): void {
    this.check();
    if (learningRate !== null)
      checkOptions('setLearningRate', { learningRate }, { learningRate: '[0, Infinity)' });
    const { groups } = this.spec;
    if (group !== undefined && !groups.some(({ name }) => name === group)) {
      fail('ERR_PARAMETER_UNKNOWN', `setLearningRate: no group ${show(group)}.`);
    }
    this.machine.counters.learningRates = this.machine.counters.learningRates.map((old, g) =>
      group === undefined || groups[g]?.name === group ? learningRate : old,
    );
    this.machine.counters.rewriteRates();
  }

  /** Releases all buffers but the caller's. Later calls throw `ERR_DISPOSED`. */
  destroy(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { segments, shared } = this.machine;
    for (const { buffers } of segments) for (const buffer of Object.values(buffers)) buffer.destroy();
    for (const buffer of Object.values(shared)) buffer.destroy();
    this.#readback.destroy();
    this.watch.destroy();
  }
}
