/**
 * The optimizer in the graph: one run is forward, backward and the core's step, and parameters and state stay where the
 * runtime has them.
 *
 * Every run makes new tensors and the old ones are released: in Node, writing over an input would need to know that no
 * other node still reads it, and on WebGPU a buffer cannot be read and written in one pass.
 */

import {
  createOptimizer,
  exportState,
  importState,
  type OptimizerState,
  type ParameterState,
  type StateDict,
  setLearningRate,
} from '@vradam/core';
import { sizeOf } from '@vradam/onnx-autodiff/lazy';
import type { CheckedFeeds, Feeds } from '../feeds.ts';
import {
  type Cost,
  createHostOps,
  type Draw,
  fail,
  gradientName,
  initialValues,
  type Learnt,
  lossOutput,
  nextOutput,
  numberIn,
  type OrtTensor,
  type OrtTensors,
  type StepOutcome,
  shapeIn,
  toOrt,
  type Update,
  type UpdateContext,
} from '../kit.ts';
import {
  type NextStep,
  type Placeholder,
  StepBooks,
  scalarFeeds,
  splitKey,
  stateInput,
} from '../optimizer.ts';
import {
  groupReports,
  openStepping,
  openTraining,
  type StepParts,
  type SteppingGraph,
} from './steppingGraph.ts';

/** The graph's placement. */
export class GraphUpdate implements Update {
  readonly placement = 'graph' as const;
  readonly tensors: Map<string, OrtTensor> = new Map();
  readonly cost: Cost = { nodes: 0, buildMs: 0, createMs: 0 };
  readonly #context: UpdateContext;
  readonly #shapes: Readonly<Record<string, readonly number[]>>;
  readonly #books: StepBooks;
  #state: OptimizerState<Placeholder>;
  #training: Promise<SteppingGraph> | undefined;
  #stepping: Promise<SteppingGraph> | undefined;

  /** Throws `ERR_UNSUPPORTED` for optimizers that a graph cannot hold. */
  constructor(context: UpdateContext) {
    const { plan, spec, bufferNames } = context;
    this.#context = context;
    const gathers = spec.transforms.some(({ kind }) => kind === 'accumulateGradients');
    if (gathers) {
      fail(
        'ERR_UNSUPPORTED',
        "update: 'graph' cannot hold accumulateGradients(). Received: an optimizer with it. Call accumulate() and optimizerStep(), or use update: 'host'.",
      );
    }
    const names = [...plan.trainable];
    this.#shapes = Object.fromEntries(names.map((name) => [name, shapeIn(plan.model, name)]));
    this.#books = new StepBooks(spec, this.#shapes, names);
    this.#state = this.#books.init();
    const initial = initialValues(plan.model, [...names, ...bufferNames]);
    for (const [name, data] of initial) this.#place(name, data, shapeIn(plan.model, name));
    this.#initState(initial);
  }

  #place(input: string, data: Float32Array, shape: readonly number[]): void {
    this.tensors.get(input)?.dispose();
    this.tensors.set(input, toOrt(this.#context.runtime, 'float32', data, shape));
  }

  /** First values of the state: what the core makes of the parameters (averages), and zeros. */
  #initState(parameters: ReadonlyMap<string, Float32Array>): void {
    const ops = createHostOps();
    const named = Object.entries(this.#shapes).map(
      ([name, shape]) => [name, ops.fromArray(parameters.get(name) as Float32Array, shape)] as const,
    );
    const { parameters: made } = createOptimizer(ops, this.#context.spec).init(Object.fromEntries(named));
    this.#placeState(made);
  }

  /** Makes tensors of the state: of what there is, and zeros. */
  #placeState(made: OptimizerState<Float32Array>['parameters']): void {
    for (const [key, shape] of Object.entries(this.#books.slotShapes(this.#state))) {
      const [slot, name] = splitKey(key);
      this.#place(stateInput(key), made.get(name)?.slots[slot] ?? new Float32Array(sizeOf(shape)), shape);
    }
  }

  get counters(): { step: number; skippedSteps: number } {
    return this.#state;
  }

  get #stepParts(): StepParts {
    return { context: this.#context, shapes: this.#shapes, state: this.#state, tensors: this.tensors.keys() };
  }

  #ready(): Promise<SteppingGraph> {
    this.#training ??= this.#openTraining();
    return this.#training;
  }

  async #openTraining(): Promise<SteppingGraph> {
    const begin = performance.now();
    const opened = await openTraining(this.#stepParts);
    const { nodes, createMs } = opened.executable;
    Object.assign(this.cost, { nodes, createMs, buildMs: performance.now() - begin - createMs });
    return opened;
  }

  async prepare(): Promise<void> {
    await this.#ready();
  }

  async check(feeds: Feeds): Promise<CheckedFeeds> {
    return (await this.#ready()).executable.check(feeds);
  }

  async trainStep(feeds: CheckedFeeds, draw: Draw): Promise<StepOutcome> {
    const next = await this.#next(
      () => this.#ready(),
      () => (this.#training = undefined),
    );
    const results = await next.graph.executable.run(feeds, next.tensors, draw);
    return { ...this.#accept(next, results), loss: numberIn(results, lossOutput) };
  }

  async apply(gradients: ReadonlyMap<string, Float32Array>): Promise<StepOutcome> {
    const names = [...gradients.keys()];
    const open = (): Promise<SteppingGraph> => {
      this.#stepping ??= openStepping(this.#stepParts, names);
      return this.#stepping;
    };
    const next = await this.#next(open, () => (this.#stepping = undefined));
    const given = [...gradients].map(([name, data]) => {
      return [
        gradientName(name),
        toOrt(this.#context.runtime, 'float32', data, this.#shapes[name] as number[]),
      ] as const;
    });
    const tensors = new Map([...next.tensors, ...given]);
    const results = await next.graph.executable.run({ tensors: {}, sizes: {} }, tensors, {
      seed: 0,
      pass: 0,
    });
    return this.#accept(next, results);
  }

  /** Books of the next step, and all tensors that its graph needs; traces anew if the old trace does not fit. */
  async #next(open: () => Promise<SteppingGraph>, forget: () => void) {
    const graph = await open();
    const books = graph.books.next(this.#state);
    const scalars = scalarFeeds(graph.step.scalars, books.lifted);
    if (!scalars) {
      forget();
      // a GPU tensor does not outlive the session that made it
      for (const tensor of this.tensors.values()) await tensor.getData(true);
      await graph.executable.release();
      return this.#withScalars(await open());
    }
    return this.#withScalars(graph, books, scalars);
  }

  #withScalars(
    graph: SteppingGraph,
    books: NextStep = graph.books.next(this.#state),
    scalars: ReadonlyMap<string, number> = scalarFeeds(graph.step.scalars, books.lifted) ?? new Map(),
  ) {
    const { runtime } = this.#context;
    const numbers = [...scalars].map(
      ([name, value]) => [name, toOrt(runtime, 'float32', Float32Array.of(value), [])] as const,
    );
    return { graph, books, tensors: new Map([...this.tensors, ...numbers]) };
  }

  /** The new tensors take the place of the old ones. */
  #accept({ graph, books }: { graph: SteppingGraph; books: NextStep }, results: OrtTensors): StepOutcome {
    for (const output of graph.moving) {
      const input = output.slice(nextOutput('').length);
      this.tensors.get(input)?.dispose();
      this.tensors.set(input, results[output] as OrtTensor);
    }
    this.#state = books.state;
    return { loss: undefined, groups: groupReports(graph, books, results) };
  }

  setBuffers(values: ReadonlyMap<string, OrtTensor>): void {
    for (const [name, tensor] of values) {
      this.tensors.get(name)?.dispose();
      this.tensors.set(name, tensor);
    }
  }

  setParameters(values: ReadonlyMap<string, Float32Array>): void {
    for (const [name, data] of values) this.#place(name, data.slice(), this.#shapes[name] as number[]);
  }

  setLearningRate(learningRate: number | null, group?: string): void {
    this.#state = setLearningRate({ spec: this.#context.spec }, this.#state, learningRate, group);
  }

  async #read(input: string): Promise<Float32Array> {
    return Float32Array.from((await this.tensors.get(input)?.getData()) as Float32Array);
  }

  async save(): Promise<Learnt> {
    const read = async (names: readonly string[]) => {
      const pairs: [string, Float32Array][] = [];
      for (const name of names) pairs.push([name, await this.#read(name)]);
      return new Map(pairs);
    };
    const parameters = await read(Object.keys(this.#shapes));
    return {
      parameters,
      buffers: await read(this.#context.bufferNames),
      optimizer: await this.#exportState(),
    };
  }

  /** The state as the core writes it, over arrays. */
  async #exportState(): Promise<StateDict> {
    const ops = createHostOps();
    const parameters: [string, ParameterState<Float32Array>][] = [];
    for (const [name, { slots, ...books }] of this.#state.parameters) {
      const arrays: Record<string, Float32Array> = {};
      for (const slot of Object.keys(slots))
        arrays[slot] = ops.fromArray(await this.#read(stateInput(`${slot}/${name}`)), books.shape);
      parameters.push([name, { ...books, slots: arrays }]);
    }
    return exportState(createOptimizer(ops, this.#context.spec), {
      ...this.#state,
      parameters: new Map(parameters),
    });
  }

  load({ parameters, buffers, optimizer }: Learnt): void {
    const ops = createHostOps();
    const named = [...parameters].map(
      ([name, data]) => [name, ops.fromArray(data, this.#shapes[name] as number[])] as const,
    );
    const state = importState(createOptimizer(ops, this.#context.spec), optimizer, Object.fromEntries(named));
    this.setParameters(parameters);
    for (const [name, data] of buffers)
      this.#place(name, data.slice(), shapeIn(this.#context.plan.model, name));
    const books = [...state.parameters].map(([name, { slots, ...rest }]) => {
      const kept = Object.entries(slots).map(([slot, data]) => [slot, { shape: ops.shape(data) }] as const);
      return [name, { ...rest, slots: Object.fromEntries(kept) }] as const;
    });
    this.#state = { ...state, parameters: new Map(books) };
    this.#placeState(state.parameters);
  }

  async release(): Promise<void> {
    // before the sessions: a GPU tensor cannot be released after the session that made it
    for (const tensor of this.tensors.values()) tensor.dispose();
    this.tensors.clear();
    for (const graph of [await this.#training, await this.#stepping]) await graph?.executable.release();
  }
}

declare const performance: { now(): number };
