/** The optimizer on the host: gradients come out of the graph, the core moves the parameters in place. */

import {
  createOptimizer,
  exportState,
  importState,
  type NamedTensors,
  type Optimizer,
  type OptimizerState,
  type StepResult,
  setLearningRate,
} from '@vradam/core';
import { arenaSize } from '@vradam/wasm';
import { type Executable, openExecutable } from '../executable.ts';
import type { CheckedFeeds, Feeds } from '../feeds.ts';
import { planTraining } from '../graphs.ts';
import { createHostOps, type HostOps } from '../hostOps.ts';
import { type OrtTensor, toOrt } from '../runtime.ts';
import {
  type Cost,
  type Draw,
  gradientName,
  gradientOutputs,
  initialValues,
  type Learnt,
  lossOutput,
  nextOutput,
  numberIn,
  outputsNamed,
  type StepOutcome,
  shapeIn,
  type Update,
  type UpdateContext,
} from './update.ts';

/** The host's placement. */
export class HostUpdate implements Update {
  readonly placement = 'host' as const;
  readonly tensors: Map<string, OrtTensor> = new Map();
  readonly cost: Cost = { nodes: 0, buildMs: 0, createMs: 0 };
  readonly #context: UpdateContext;
  readonly #ops: HostOps;
  readonly #optimizer: Optimizer<Float32Array, number>;
  #parameters: NamedTensors<Float32Array>;
  #state: OptimizerState<Float32Array>;
  #gradients: Promise<{ executable: Executable; names: readonly string[] }> | undefined;

  constructor(context: UpdateContext) {
    const { plan, spec } = context;
    this.#context = context;
    const initial = initialValues(plan.model, plan.trainable);
    this.#ops = createHostOps(arenaSize(Object.fromEntries(initial), spec));
    this.#optimizer = createOptimizer(this.#ops, spec);
    const placed = [...initial].map(([name, data]) => {
      return [name, this.#ops.fromArray(data, shapeIn(plan.model, name))] as const;
    });
    this.#parameters = Object.fromEntries(placed);
    this.#state = this.#optimizer.init(this.#parameters);
    this.#wrap();
    for (const [name, data] of initialValues(plan.model, context.bufferNames)) this.#place(name, data);
  }

  /** The arrays as tensors, which share their memory. */
  #wrap(): void {
    for (const [name, data] of Object.entries(this.#parameters)) this.#place(name, data);
  }

  #place(name: string, data: Float32Array): void {
    this.tensors.set(
      name,
      toOrt(this.#context.runtime, 'float32', data, shapeIn(this.#context.plan.model, name)),
    );
  }

  get counters(): { step: number; skippedSteps: number } {
    return this.#state;
  }

  async #open(): Promise<{ executable: Executable; names: readonly string[] }> {
    const begin = performance.now();
    const { graph, gradients } = await planTraining(this.#context.plan);
    this.cost.buildMs = performance.now() - begin;
    const weights = new Set([...this.tensors.keys()]);
    const outputs = gradientOutputs(graph, gradients);
    const executable = await openExecutable(this.#context.runtime, { graph, outputs, weights });
    Object.assign(this.cost, { nodes: executable.nodes, createMs: executable.createMs });
    return { executable, names: [...gradients.keys()] };
  }

  #ready(): Promise<{ executable: Executable; names: readonly string[] }> {
    this.#gradients ??= this.#open();
    return this.#gradients;
  }

  async prepare(): Promise<void> {
    await this.#ready();
  }

  async check(feeds: Feeds): Promise<CheckedFeeds> {
    return (await this.#ready()).executable.check(feeds);
  }

  async trainStep(feeds: CheckedFeeds, draw: Draw): Promise<StepOutcome> {
    const { executable, names } = await this.#ready();
    const results = await executable.run(feeds, this.tensors, draw);
    const gradients = names.map((name) => [name, results[gradientName(name)]?.data as Float32Array] as const);
    const skipped = this.#state.skippedSteps;
    const outcome = this.#step(new Map(gradients));
    // a step that was not taken leaves the statistics of its batch out, too
    if (this.#state.skippedSteps === skipped) {
      this.setBuffers(new Map(Object.entries(outputsNamed(results, nextOutput('')))));
    }
    return { ...outcome, loss: numberIn(results, lossOutput) };
  }

  apply(gradients: ReadonlyMap<string, Float32Array>): Promise<StepOutcome> {
    return Promise.resolve(this.#step(gradients));
  }

  #step(gradients: ReadonlyMap<string, Float32Array>): StepOutcome {
    const shaped = [...gradients].map(([name, data]) => [name, this.#shaped(name, data)] as const);
    const result: StepResult<Float32Array, number> = this.#optimizer.update(
      this.#parameters,
      Object.fromEntries(shaped),
      this.#state,
    );
    this.#state = result.state;
    this.#parameters = result.parameters;
    return { loss: undefined, groups: result.stats };
  }

  /** A gradient in the shape of its parameter, as the core compares them. */
  #shaped(name: string, data: Float32Array): Float32Array {
    return this.#ops.shapedLike(data, this.#parameters[name] as Float32Array);
  }

  setBuffers(values: ReadonlyMap<string, OrtTensor>): void {
    for (const [name, tensor] of values) this.tensors.set(name, tensor);
  }

  setParameters(values: ReadonlyMap<string, Float32Array>): void {
    for (const [name, data] of values) this.#parameters[name]?.set(data);
  }

  setLearningRate(learningRate: number | null, group?: string): void {
    this.#state = setLearningRate(this.#optimizer, this.#state, learningRate, group);
  }

  async save(): Promise<Learnt> {
    const parameters = Object.entries(this.#parameters).map(([name, data]) => [name, data.slice()] as const);
    const buffers = this.#context.bufferNames.map((name) => {
      return [name, Float32Array.from(this.tensors.get(name)?.data as Float32Array)] as const;
    });
    return {
      parameters: new Map(parameters),
      buffers: new Map(buffers),
      optimizer: await exportState(this.#optimizer, this.#state),
    };
  }

  load({ parameters, buffers, optimizer }: Learnt): void {
    this.#state = importState(this.#optimizer, optimizer, this.#parameters);
    this.setParameters(parameters);
    for (const [name, data] of buffers) this.#place(name, data.slice());
  }

  async release(): Promise<void> {
    await (await this.#gradients)?.executable.release();
    this.tensors.clear();
  }
}

declare const performance: { now(): number };
