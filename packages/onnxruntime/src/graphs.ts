/**
 * The graphs of a session, made of one model.
 *
 * In training, BatchNormalization uses the batch's statistics and moves the running ones (which are buffers: state of
 * the model that no gradient changes), and Dropout multiplies by a mask that comes in as an input. In evaluation the
 * running statistics are used, and Dropout does nothing.
 */

import {
  backward,
  buildModel,
  type Dim,
  float,
  type GraphBuilder,
  int,
  isFloat,
  type LoadedGraph,
  type Loss,
  loadGraph,
  lossOf,
  type Model,
  type NodeSpec,
  nonChannelAxes,
  numbersOf,
  type OperatorTable,
  type Tensor,
  type Value,
  withOperators,
} from '@vradam/onnx-autodiff/lazy';
import { fail } from './errors.ts';

/** What is loaded for BatchNormalization. */
type Normalization = typeof import('@vradam/onnx-autodiff/batchNormalization');

/** How BatchNormalization behaves in training. */
export type BatchNormMode = 'as-exported' | 'train' | 'frozen';

/** What the graphs are made of. */
export interface GraphPlan {
  /** The model. */
  readonly model: Model;
  /** What is minimized. */
  readonly loss: string | Loss;
  /** Names of the initializers that are trained. */
  readonly trainable: ReadonlySet<string>;
  /** How BatchNormalization behaves in training. */
  readonly batchNorm: BatchNormMode;
  /** Operators of the user's own. */
  readonly operators: OperatorTable;
  /** How BatchNormalization is written; loaded where the model has any. */
  readonly normalization?: Normalization | undefined;
  /** Writes normalization in training out in plain operators: onnxruntime's WebGPU has no other. Default false. */
  readonly plainBatchNorm?: boolean;
}

/** A mask that a training step draws. */
export interface Mask {
  /** Input of the graph. */
  readonly name: string;
  /** Its shape; named sizes follow from the feeds. */
  readonly shape: readonly Dim[];
  /** Share of elements that become 0. */
  readonly ratio: number;
}

/** A graph with what a session must know of it. */
export interface PlannedGraph extends LoadedGraph {
  /** The loss; one element. */
  readonly lossValue: Value;
  /** Parameters by name: inputs of the graph. */
  readonly parameters: ReadonlyMap<string, Value>;
  /** New values of the buffers, by name. */
  readonly buffers: ReadonlyMap<string, Value>;
  /** Masks of the Dropout nodes. */
  readonly masks: readonly Mask[];
}

/** Initializers that are running statistics: inputs 4 and 5 of BatchNormalization. */
export function runningStatistics(model: Model): Set<string> {
  const nodes = [...model.nodes, ...model.functions.flatMap(({ nodes }) => nodes)];
  const names = nodes
    .filter(({ op }) => op === 'BatchNormalization')
    .flatMap(({ inputs }) => inputs.slice(3, 5));
  return new Set(names.filter((name) => model.initializers.has(name)));
}

/** The only number of a constant, or undefined. */
const numberIn = (value: Value | undefined): number | undefined =>
  value?.constant && !value.isParameter ? numbersOf(value.constant)[0] : undefined;

const keepAttributes = ({ attributes }: NodeSpec): { epsilon: number; momentum: number } => ({
  epsilon: float({ attributes }, 'epsilon', 1e-5),
  momentum: float({ attributes }, 'momentum', 0.9),
});

/** BatchNormalization on the batch's statistics; `moved` receives the new running ones. */
function batchNormInTraining(
  g: GraphBuilder,
  node: NodeSpec,
  inputs: readonly (Value | undefined)[],
  moved: Map<string, Value>,
  { normalization, plainBatchNorm }: GraphPlan,
): readonly Value[] {
  const [x, scale, offset, mean, variance] = inputs as [Value, Value, Value, Value, Value];
  const { epsilon, momentum } = keepAttributes(node);
  const { batchNormalize, plainBatchNormalize } = normalization as Normalization;
  const normalize = plainBatchNorm ? plainBatchNormalize : batchNormalize;
  const [y, batchMean, batchVariance] = normalize(g, x, scale, offset, epsilon);
  const count = g.count(x, nonChannelAxes(g, x));
  // PyTorch keeps the unbiased variance: n / (n - 1) times that of the batch
  const unbiased = g.mul(batchVariance, g.div(count, g.max(g.sub(count, 1), 1)));
  const move = (running: Value | undefined, batch: Value): Value =>
    running ? g.add(g.mul(running, momentum), g.mul(batch, 1 - momentum)) : batch;
  const moves: [Value | undefined, Value][] = [
    [mean, move(mean, batchMean)],
    [variance, move(variance, unbiased)],
  ];
  for (const [running, next] of moves) if (running?.isParameter) moved.set(running.name, next);
  return [y, ...moves.map(([, next]) => next)];
}

function batchNormInEvaluation(
  g: GraphBuilder,
  node: NodeSpec,
  inputs: readonly (Value | undefined)[],
): readonly Value[] {
  const { epsilon } = keepAttributes(node);
  const y = g.op('BatchNormalization', inputs, { epsilon });
  return [y, inputs[3] as Value, inputs[4] as Value];
}

/** What is dropped: undefined if nothing is, whatever the numbers. */
function dropoutRatio(node: NodeSpec, inputs: readonly (Value | undefined)[]): number | undefined {
  const training = inputs[2] ? numberIn(inputs[2]) : 0;
  const ratio = inputs[1] ? numberIn(inputs[1]) : 0.5;
  if (training === undefined || ratio === undefined) {
    fail(
      'ERR_OPERATOR_UNSUPPORTED',
      `Dropout ${JSON.stringify(node.name)} must have a constant ratio and mode. Received: computed ones.`,
    );
  }
  return training && ratio > 0 ? ratio : undefined;
}

function everything(g: GraphBuilder, x: Value): Value {
  return g.cast(g.expandLike(g.scalar(1), x), 'bool');
}

/** Loads the model for training or evaluation, with parameters and buffers as inputs, and puts the loss on top. */
export function planGraph(plan: GraphPlan, mode: 'train' | 'eval', withLoss = true): PlannedGraph {
  const { model, trainable, batchNorm, operators } = plan;
  const statistics = runningStatistics(model);
  const moved = new Map<string, Value>();
  const masks: Mask[] = [];

  const replaceBatchNorm = (g: GraphBuilder, node: NodeSpec, inputs: readonly (Value | undefined)[]) => {
    const exported = int(node, 'training_mode', 0) === 1;
    const trains = mode === 'train' && (batchNorm === 'train' || (batchNorm === 'as-exported' && exported));
    return trains
      ? batchNormInTraining(g, node, inputs, moved, plan)
      : batchNormInEvaluation(g, node, inputs);
  };

  const replaceDropout = (g: GraphBuilder, node: NodeSpec, inputs: readonly (Value | undefined)[]) => {
    const [x] = inputs as [Value];
    const ratio = dropoutRatio(node, inputs);
    if (mode === 'eval' || ratio === undefined) return node.outputs.length > 1 ? [x, everything(g, x)] : [x];
    const mask = g.input(`vradam.mask/${masks.length}`, x.dtype ?? 'float32', g.knownShape(x));
    masks.push({ name: mask.name, shape: g.knownShape(x), ratio });
    return [g.mul(x, mask), ...(node.outputs.length > 1 ? [g.cast(mask, 'bool')] : [])];
  };

  const loaded = loadGraph(model, {
    operators,
    isParameter: (name) => trainable.has(name) || statistics.has(name),
    // WebGPU has no products of so many axes; what is exported stays what it was
    rewrite: mode === 'train' && !plan.plainBatchNorm,
    replace: (g, node, inputs) => {
      if (node.domain !== '') return undefined;
      if (node.op === 'BatchNormalization') return replaceBatchNorm(g, node, inputs);
      return node.op === 'Dropout' ? replaceDropout(g, node, inputs) : undefined;
    },
  });
  const lossValue = withLoss ? lossOf(loaded, plan.loss) : ([...loaded.g.outputs.values()][0] as Value);
  const parameters = new Map([...loaded.g.parameters].filter(([name]) => trainable.has(name)));
  return { ...loaded, lossValue, parameters, buffers: moved, masks };
}

/** The model for inference, with what was learnt by name in place of its first values. */
export function inferenceModel(plan: GraphPlan, learnt: ReadonlyMap<string, Float32Array>): Model {
  const { model } = plan;
  const initializers = [...model.initializers].map(([name, tensor]): [string, Tensor] => {
    return [name, { ...tensor, data: learnt.get(name) ?? tensor.data }];
  });
  const trained: Model = { ...model, initializers: new Map(initializers) };
  return buildModel(planGraph({ ...plan, model: trained }, 'eval', false).g, { like: model });
}

/** Gradients of the loss by the parameters it depends on, in their shapes. */
export function gradientsOf({ g, lossValue, parameters }: PlannedGraph): ReadonlyMap<string, Value> {
  const gradients = backward(g, lossValue, [...parameters.values()]);
  const named = [...parameters].map(([name, parameter], i): [string, Value | undefined] => {
    const gradient = gradients[i];
    // a gradient that came by an operator of unknown shape still has the shape of its parameter
    return [name, gradient && g.reshapeLike(gradient, parameter)];
  });
  return new Map(named.filter((entry): entry is [string, Value] => entry[1] !== undefined));
}

/** The graph of training with its gradients; operators that it turns out to need are loaded on the way. */
export const planTraining = (
  plan: GraphPlan,
): Promise<{ graph: PlannedGraph; gradients: ReadonlyMap<string, Value> }> =>
  withOperators(() => {
    const graph = planGraph(plan, 'train');
    return { graph, gradients: gradientsOf(graph) };
  });

/** Operators that a model names, but for Dropout, in the place of which comes a mask. */
export const operatorsIn = ({ nodes, functions }: Model): string[] =>
  [nodes, ...functions.map((own) => own.nodes)]
    .flat()
    .map(({ op }) => op)
    .filter((op) => op !== 'Dropout')
    .concat(functions.length > 0 ? ['functions'] : []);

/** Numbers that an input must stay within. */
export interface InputRange {
  /** Smallest value. */
  readonly low: number;
  /** One more than the largest value. */
  readonly high: number;
  /** A value outside that is legal. */
  readonly except: number | undefined;
  /** What the input is. */
  readonly what: string;
}

/**
 * Ranges of integer inputs that select: labels of a cross-entropy, indices of a Gather. Outside of them onnxruntime
 * fails in the middle of a step, or reads what is not there.
 */
export function inputRanges({ g }: LoadedGraph): ReadonlyMap<string, InputRange> {
  const ranges = new Map<string, InputRange>();
  const inputs = new Set(g.inputs);
  for (const { op, inputs: given, attributes } of g.nodes) {
    const [data, index] = given;
    if (!data?.shape || !index || !inputs.has(index)) continue;
    if (/^(SoftmaxCrossEntropyLoss|NegativeLogLikelihoodLoss)$/.test(op)) {
      const classes = data.shape[1];
      const except = attributes['ignore_index'] ? int({ attributes }, 'ignore_index', 0) : undefined;
      if (typeof classes === 'number')
        ranges.set(index.name, { low: 0, high: classes, except, what: 'labels' });
    } else if (op === 'Gather') {
      const rows = data.shape[g.axis(data, int({ attributes }, 'axis', 0))];
      if (typeof rows === 'number')
        ranges.set(index.name, { low: -rows, high: rows, except: undefined, what: 'indices' });
    }
  }
  return ranges;
}

/** Initializers that are trained if nobody says otherwise: floats with an axis, except running statistics. */
export function defaultTrainable(model: Model): string[] {
  const statistics = runningStatistics(model);
  return [...model.initializers]
    .filter(([name, { dtype, shape }]) => isFloat(dtype) && shape.length > 0 && !statistics.has(name))
    .map(([name]) => name);
}
