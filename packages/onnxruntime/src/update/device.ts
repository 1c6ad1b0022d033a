/**
 * The optimizer in kernels of another package, on the device that runs the model: gradients stay in GPU buffers, and
 * parameters are moved where the next run reads them.
 */

import type { OptimizerSpec, StateDict } from '@vradam/core';
import type { CheckedFeeds, Feeds } from '../feeds.ts';
import {
  type Cost,
  type Draw,
  type Executable,
  fail,
  gradientName,
  gradientOutputs,
  initialValues,
  type Learnt,
  lossOutput,
  nextOutput,
  numberIn,
  type OrtTensor,
  openExecutable,
  outputsNamed,
  planTraining,
  type StepOutcome,
  shapeIn,
  toOrt,
  type Update,
  type UpdateContext,
} from '../kit.ts';

/** What a device's step did. */
export interface DeviceStats {
  /** Steps taken. */
  readonly step: number;
  /** Steps skipped. */
  readonly skippedSteps: number;
  /** One for each group. */
  readonly groups: StepOutcome['groups'];
}

/** Parameters, state and steps on a device; what `deviceUpdate(device)` of `@vradam/webgpu/onnxruntime` makes. */
export interface DeviceStepper {
  /** Parameters as inputs of a session, updated in place. */
  readonly feeds: Readonly<Record<string, OrtTensor>>;
  /** A step with gradients in GPU buffers, by parameter name. They stay the caller's. */
  step(gradients: Readonly<Record<string, OrtTensor>>): void;
  /** A step with gradients of the host. */
  stepFromHost(gradients: Readonly<Record<string, Float32Array>>): void;
  /** What the last step did. */
  stats(): Promise<DeviceStats>;
  /** Numbers of all parameters. */
  read(): Promise<Readonly<Record<string, Float32Array>>>;
  /** Gives parameters new numbers. */
  write(values: Readonly<Record<string, Float32Array>>): void;
  /** The state as plain data. */
  exportState(): Promise<StateDict>;
  /** Continues from a state. */
  importState(dict: StateDict): void;
  /** Sets the learning rate from the next step on; null returns to that of the optimizer. */
  setLearningRate(learningRate: number | null, group?: string): void;
  /** Releases parameters and state. */
  dispose(): void;
}

/** A device that takes steps: pass `deviceUpdate(device)` of `@vradam/webgpu/onnxruntime` as `update`. */
export interface DevicePlacement {
  /** Makes parameters and state on the device. */
  open(
    ort: never,
    spec: OptimizerSpec,
    parameters: Readonly<Record<string, { readonly data: Float32Array; readonly shape: readonly number[] }>>,
  ): Promise<DeviceStepper>;
}

interface Opened {
  readonly executable: Executable;
  readonly names: readonly string[];
  readonly stepper: DeviceStepper;
}

/** The device's placement. */
export class DeviceUpdate implements Update {
  readonly placement = 'device' as const;
  readonly tensors: Map<string, OrtTensor> = new Map();
  readonly cost: Cost = { nodes: 0, buildMs: 0, createMs: 0 };
  counters: { step: number; skippedSteps: number } = { step: 0, skippedSteps: 0 };
  readonly #context: UpdateContext;
  readonly #device: DevicePlacement;
  #opened: Opened | undefined;

  constructor(context: UpdateContext, device: DevicePlacement) {
    this.#context = context;
    this.#device = device;
    if (!context.runtime.keepsOnGpu)
      fail(
        'ERR_UNSUPPORTED',
        "update: deviceUpdate(device) needs executionProviders: [{ name: 'webgpu', device }] on onnxruntime-web.",
      );
  }

  #place(name: string, data: Float32Array): void {
    this.tensors.get(name)?.dispose();
    const { runtime, plan } = this.#context;
    this.tensors.set(name, toOrt(runtime, 'float32', data, shapeIn(plan.model, name)));
  }

  get #ready(): Opened {
    return this.#opened as Opened;
  }

  async prepare(): Promise<void> {
    const { runtime, plan, spec, bufferNames } = this.#context;
    const begin = performance.now();
    const { graph, gradients } = await planTraining(plan);
    this.cost.buildMs = performance.now() - begin;
    const outputs = gradientOutputs(graph, gradients);
    const weights = new Set([...plan.trainable, ...bufferNames]);
    const onGpu = [...outputs.keys()].filter((name) => name !== lossOutput);
    const executable = await openExecutable(runtime, { graph, outputs, weights, onGpu });
    Object.assign(this.cost, { nodes: executable.nodes, createMs: executable.createMs });
    const initial = [...initialValues(plan.model, plan.trainable)].map(([name, data]) => {
      return [name, { data, shape: shapeIn(plan.model, name) }] as const;
    });
    const stepper = await this.#device.open(runtime.ort as never, spec, Object.fromEntries(initial));
    this.#opened = { executable, names: [...gradients.keys()], stepper };
    for (const [name, tensor] of Object.entries(stepper.feeds)) this.tensors.set(name, tensor);
    for (const [name, data] of initialValues(plan.model, bufferNames)) this.#place(name, data);
  }

  check(feeds: Feeds): Promise<CheckedFeeds> {
    return Promise.resolve(this.#ready.executable.check(feeds));
  }

  async trainStep(feeds: CheckedFeeds, draw: Draw): Promise<StepOutcome> {
    const { executable, names, stepper } = this.#ready;
    const results = await executable.run(feeds, this.tensors, draw);
    const gradients = names.map((name) => [name, results[gradientName(name)] as OrtTensor] as const);
    try {
      stepper.step(Object.fromEntries(gradients));
    } finally {
      for (const [, tensor] of gradients) tensor.dispose();
    }
    this.setBuffers(new Map(Object.entries(outputsNamed(results, nextOutput('')))));
    return { ...(await this.#report()), loss: numberIn(results, lossOutput) };
  }

  async apply(gradients: ReadonlyMap<string, Float32Array>): Promise<StepOutcome> {
    this.#ready.stepper.stepFromHost(Object.fromEntries(gradients));
    return this.#report();
  }

  /** The loss of a step is awaited anyway, so its numbers may be, too. */
  async #report(): Promise<StepOutcome> {
    const { step, skippedSteps, groups } = await this.#ready.stepper.stats();
    const isTaken = step > this.counters.step;
    this.counters = { step, skippedSteps };
    return { loss: undefined, groups: isTaken ? groups : [] };
  }

  setBuffers(values: ReadonlyMap<string, OrtTensor>): void {
    for (const [name, tensor] of values) {
      this.tensors.get(name)?.dispose();
      this.tensors.set(name, tensor);
    }
  }

  setParameters(values: ReadonlyMap<string, Float32Array>): void {
    this.#ready.stepper.write(Object.fromEntries(values));
  }

  setLearningRate(learningRate: number | null, group?: string): void {
    this.#ready.stepper.setLearningRate(learningRate, group);
  }

  async save(): Promise<Learnt> {
    const { stepper } = this.#ready;
    const buffers: [string, Float32Array][] = [];
    for (const name of this.#context.bufferNames) {
      const data = (await this.tensors.get(name)?.getData()) as Float32Array;
      buffers.push([name, Float32Array.from(data)]);
    }
    const [parameters, optimizer] = [await stepper.read(), await stepper.exportState()];
    return { parameters: new Map(Object.entries(parameters)), buffers: new Map(buffers), optimizer };
  }

  load({ parameters, buffers, optimizer }: Learnt): void {
    this.#ready.stepper.importState(optimizer);
    this.counters = { step: optimizer.step, skippedSteps: optimizer.skippedSteps };
    this.setParameters(parameters);
    for (const [name, data] of buffers) this.#place(name, data.slice());
  }

  async release(): Promise<void> {
    const opened = this.#opened;
    // before the session: a GPU tensor cannot be released after the session that made it
    for (const name of this.#context.bufferNames) this.tensors.get(name)?.dispose();
    this.tensors.clear();
    opened?.stepper.dispose();
    await opened?.executable.release();
  }
}

declare const performance: { now(): number };
