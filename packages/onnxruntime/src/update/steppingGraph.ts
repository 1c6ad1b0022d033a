/** Graphs that end in the core's step: with a forward and backward pass in front, or on gradients that come in. */

import type { OptimizerState } from '@vradam/core';
import { GraphBuilder, type Value } from '@vradam/onnx-autodiff/lazy';
import {
  type Executable,
  type GroupReport,
  gradientName,
  lossOutput,
  nextOutput,
  numberIn,
  type OrtTensors,
  openExecutable,
  type PlannedGraph,
  planTraining,
  type UpdateContext,
} from '../kit.ts';
import {
  type NextStep,
  type Placeholder,
  StepBooks,
  stateInput,
  type TracedStep,
  traceStep,
} from '../optimizer.ts';

/** A graph that ends in a step. */
export interface SteppingGraph {
  /** The graph in its session. */
  readonly executable: Executable;
  /** Books of the optimizer, for just the parameters that move here. */
  readonly books: StepBooks;
  /** The step. */
  readonly step: TracedStep;
  /** Parameters that move, state, and buffers: `vradam.next/NAME` for each. */
  readonly moving: readonly string[];
}

/** What a step is made of. */
export interface StepParts {
  /** The model and the optimizer. */
  readonly context: UpdateContext;
  /** Shapes of all parameters by name. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** State of the step that is next; only its books are looked at. */
  readonly state: OptimizerState<Placeholder>;
  /** Names of the tensors that the session feeds. */
  readonly tensors: Iterable<string>;
}

const rateOutput = (i: number): string => `vradam.rate/${i}`;
const normOutput = (i: number): string => `vradam.norm/${i}`;

/** Outputs of a step. */
function stepOutputs(
  { nextParameters, nextSlots, groups }: TracedStep,
  moving: ReadonlySet<string>,
): Map<string, Value> {
  const outputs = new Map<string, Value>();
  for (const [name, value] of nextParameters) if (moving.has(name)) outputs.set(nextOutput(name), value);
  for (const [key, value] of nextSlots) outputs.set(nextOutput(stateInput(key)), value);
  groups.forEach(({ effectiveLearningRate, norm }, i) => {
    outputs.set(rateOutput(i), effectiveLearningRate);
    if (norm) outputs.set(normOutput(i), norm);
  });
  return outputs;
}

/** Adds the step to a graph, and opens it. */
async function open(
  { context, shapes, state, tensors }: StepParts,
  graph: PlannedGraph,
  gradients: ReadonlyMap<string, Value>,
  loss?: Value,
): Promise<SteppingGraph> {
  const { spec, runtime } = context;
  const books = new StepBooks(spec, shapes, [...gradients.keys()]);
  // a parameter that the loss does not depend on still belongs to the optimizer
  const parameters = new Map(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      graph.parameters.get(name) ?? graph.g.input(name, 'float32', shape),
    ]),
  );
  const step = traceStep(graph.g, spec, parameters, gradients, state);
  const outputs = stepOutputs(step, new Set(gradients.keys()));
  for (const [name, value] of graph.buffers) outputs.set(nextOutput(name), value);
  if (loss) outputs.set(lossOutput, loss);
  const weights = new Set([...tensors, ...step.scalars, ...[...gradients.keys()].map(gradientName)]);
  const moving = [...outputs.keys()].filter((name) => name.startsWith(nextOutput('')));
  const executable = await openExecutable(runtime, { graph, outputs, weights, onGpu: moving });
  return { executable, books, step, moving };
}

/** Forward, backward, and a step. */
export async function openTraining(parts: StepParts): Promise<SteppingGraph> {
  const { graph, gradients } = await planTraining(parts.context.plan);
  return open(parts, graph, gradients, graph.lossValue);
}

/** The step alone, on gradients of the parameters named. */
export function openStepping(parts: StepParts, names: readonly string[]): Promise<SteppingGraph> {
  const g = new GraphBuilder();
  const parameters = new Map(
    Object.entries(parts.shapes).map(([name, shape]) => [name, g.input(name, 'float32', shape)]),
  );
  const gradients = new Map(
    names.map((name) => [name, g.input(gradientName(name), 'float32', parts.shapes[name])]),
  );
  const { model } = parts.context.plan;
  const [lossValue] = parameters.values() as Iterable<Value> as [Value]; // nobody asks for it
  return open(
    parts,
    { g, values: new Map(), model, lossValue, parameters, buffers: new Map(), masks: [] },
    gradients,
  );
}

/** What the step did to each group, from the outputs of a run. */
export function groupReports(
  { step }: SteppingGraph,
  { learningRates }: NextStep,
  results: OrtTensors,
): GroupReport[] {
  return step.groups.map(({ group, norm }, i) => ({
    group,
    learningRate: learningRates[i] as number,
    effectiveLearningRate: numberIn(results, rateOutput(i)),
    norm: norm ? numberIn(results, normOutput(i)) : null,
  }));
}
