/** What moves the parameters: the host, or the graph itself. */

import type { OptimizerSpec, StateDict } from '@vradam/core';
import type { Model, Value } from '@vradam/onnx-autodiff/lazy';
import type { CheckedFeeds, Feeds } from '../feeds.ts';
import type { GraphPlan, PlannedGraph } from '../graphs.ts';
import type { HostTensor } from '../results.ts';
import type { OrtTensor, OrtTensors, Runtime } from '../runtime.ts';

/** Seed and number of a forward pass, for masks. */
export interface Draw {
  /** A 32-bit integer. */
  readonly seed: number;
  /** Training passes before this one. */
  readonly pass: number;
}

/** What the optimizer did to one group of parameters. */
export interface GroupReport {
  /** Name of the group. */
  readonly group: string;
  /** Base learning rate of the step. */
  readonly learningRate: number;
  /** Rate that the parameters moved by. */
  readonly effectiveLearningRate: number;
  /** Norm that braked it; null for an algorithm without one. */
  readonly norm: number | null;
}

/** What a step did. */
export interface StepOutcome {
  /** Loss of the batch before the step; undefined if there was no forward pass. */
  readonly loss: number | undefined;
  /** One for each group; empty if no step was taken. */
  readonly groups: readonly GroupReport[];
}

/** Everything that has been learnt, on the host. */
export interface Learnt {
  /** Parameters by name. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** Running statistics by name. */
  readonly buffers: ReadonlyMap<string, Float32Array>;
  /** State of the optimizer. */
  readonly optimizer: StateDict;
}

/** What an update is made of. */
export interface UpdateContext {
  /** Where graphs run. */
  readonly runtime: Runtime;
  /** The model and what is wanted of it. */
  readonly plan: GraphPlan;
  /** The optimizer. */
  readonly spec: OptimizerSpec;
  /** Names of buffers: initializers that training moves without a gradient. */
  readonly bufferNames: readonly string[];
}

/** A placement of the optimizer, with the parameters and its state. */
export interface Update {
  /** Which one it is. */
  readonly placement: 'host' | 'graph' | 'device';
  /** Parameters and buffers as inputs of any graph of this model. */
  readonly tensors: ReadonlyMap<string, OrtTensor>;
  /** Steps taken and steps skipped. */
  readonly counters: { readonly step: number; readonly skippedSteps: number };
  /** Builds the training graph and opens it, so that what is wrong with a model is found before training. */
  prepare(): Promise<void>;
  /** Checks the inputs of a training step. */
  check(feeds: Feeds): Promise<CheckedFeeds>;
  /** Forward, backward, and a step. */
  trainStep(feeds: CheckedFeeds, draw: Draw): Promise<StepOutcome>;
  /** A step with given gradients by parameter name, and new values of the buffers. */
  apply(gradients: ReadonlyMap<string, Float32Array>): Promise<StepOutcome>;
  /** Gives buffers new values. */
  setBuffers(values: ReadonlyMap<string, OrtTensor>): void;
  /** Gives parameters new values. */
  setParameters(values: ReadonlyMap<string, Float32Array>): void;
  /** Sets the learning rate from the next step on; null returns to that of the spec. */
  setLearningRate(learningRate: number | null, group?: string): void;
  /** Copies everything to the host. */
  save(): Promise<Learnt>;
  /** Continues from what was saved. Changes nothing if it throws. */
  load(learnt: Learnt): void;
  /** Milliseconds spent on making graphs and sessions, and nodes of the training graph. */
  readonly cost: Cost;
  /** Ends all sessions and releases all tensors. */
  release(): Promise<void>;
}

/** What it took to get ready. */
export interface Cost {
  /** Nodes of the training graph. */
  nodes: number;
  /** Milliseconds to build the training graph. */
  buildMs: number;
  /** Milliseconds that onnxruntime took to make its session. */
  createMs: number;
}

/** Output with the loss. */
export const lossOutput = 'vradam.loss';
/** Output (or input) with the gradient by a parameter. */
export const gradientName = (name: string): string => `vradam.gradient/${name}`;
/** Output with the new value of a parameter, a buffer, or a state tensor. */
export const nextOutput = (name: string): string => `vradam.next/${name}`;

/** Loss, gradients and new buffers of a training graph, by the names of their outputs. */
export function gradientOutputs(
  { lossValue, buffers }: PlannedGraph,
  gradients: ReadonlyMap<string, Value>,
): Map<string, Value> {
  return new Map<string, Value>([
    [lossOutput, lossValue],
    ...[...gradients].map(([name, value]) => [gradientName(name), value] as const),
    ...[...buffers].map(([name, value]) => [nextOutput(name), value] as const),
  ]);
}

/** The first number of an output. */
export function numberIn(results: OrtTensors, name: string): number {
  return Number(((results[name] as OrtTensor).data as ArrayLike<number>)[0]);
}

/** Outputs whose names begin so, by the rest of their names. */
export function outputsNamed(results: OrtTensors, prefix: string): Record<string, OrtTensor> {
  const found = Object.entries(results).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/** The gradients among the outputs of a run. */
export function gradientsIn(results: OrtTensors): Record<string, HostTensor> {
  const gradients = Object.entries(outputsNamed(results, gradientName('')));
  return Object.fromEntries(
    gradients.map(([name, { dims, data }]) => [name, { dims, data: data as Float32Array }]),
  );
}

/** First values of some initializers, as copies. */
export function initialValues(model: Model, names: Iterable<string>): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const name of names)
    values.set(name, Float32Array.from(model.initializers.get(name)?.data as Float32Array));
  return values;
}

/** Shape of an initializer. */
export const shapeIn = (model: Model, name: string): readonly number[] =>
  model.initializers.get(name)?.shape as readonly number[];
