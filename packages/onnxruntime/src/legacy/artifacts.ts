/**
 * The four files that `ort.TrainingSession` of onnxruntime-web 1.19 trains from, made without Python.
 *
 * The training model has parameters as inputs, in the checkpoint's names, and adds each gradient to a buffer that the
 * session keeps: `InPlaceAccumulatorV2(buffer, gradient, lazy_reset_grad)`, where the last input makes it overwrite.
 */

import type { OptimizerSpec } from '@vradam/core';
import {
  buildModel,
  decodeModel,
  encodeModel,
  type Loss,
  type Model,
  type OperatorTable,
  type Tensor,
  type Value,
} from '@vradam/onnx-autodiff';
import * as normalization from '@vradam/onnx-autodiff/batchNormalization';
import { fail, show } from '../errors.ts';
import { gradientsOf, type PlannedGraph, planGraph } from '../graphs.ts';
import { choose, type Trainable } from '../options.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { buildOptimizerModel, expressibleOptions } from './optimizerModel.ts';

/** Options of {@link createTrainingArtifacts}. */
export interface TrainingArtifactsOptions {
  /** An ONNX model, as bytes or decoded, exported in evaluation mode. Operator set 13 to 21. */
  readonly model: Uint8Array | Model;
  /** What is minimized: a scalar output of the model by name, or a loss such as `crossEntropy()`. */
  readonly loss: string | Loss;
  /** `vradam(...)` or `adamw(...)`: one group, a fixed learning rate, no transforms. */
  readonly optimizer: OptimizerSpec;
  /**
   * Initializers to train; the others are frozen, and so are those that the loss does not depend on. Default: all
   * float initializers with an axis, except running statistics.
   */
  readonly trainable?: Trainable;
  /** Adds the model's own outputs to both models, behind the loss. Default false. */
  readonly keepOutputs?: boolean;
  /**
   * Adds every trained parameter to both models as an output `NAME.value`, for `runEvalStep` to read. Default false.
   *
   * The other way, `getContiguousParameters`, is a matter of luck: 1.19.2 frees memory on its stack there, which throws
   * for some models and makes others fail or hang later; `loadParametersBuffer` does the same. The price is that
   * `runTrainStep` copies the parameters out too, as 1.19.2 gives all outputs or fails.
   */
  readonly parameterOutputs?: boolean;
  /** Operators of your own, by `domain.name`. */
  readonly operators?: OperatorTable;
}

/** A trained tensor. */
export interface TrainedParameter {
  /** Its name in the model. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
}

/** What `ort.TrainingSession.create` takes, and what a caller must know of it. */
export interface TrainingArtifacts {
  /** Give it as `trainModel`: computes the loss, and outputs if they are kept, and accumulates gradients. */
  readonly trainingModel: Uint8Array<ArrayBuffer>;
  /** Give it as `evalModel`: computes the loss, and outputs if they are kept. */
  readonly evalModel: Uint8Array<ArrayBuffer>;
  /** Give it as `optimizerModel`: the learning rate and all other options are constants in it. */
  readonly optimizerModel: Uint8Array<ArrayBuffer>;
  /** Give it as `checkpointState`: first weights. */
  readonly checkpoint: Uint8Array<ArrayBuffer>;
  /** Name of the output that is the loss. */
  readonly loss: string;
  /** What is trained, in the order in which `getContiguousParameters` and `loadParametersBuffer` have it. */
  readonly parameters: readonly TrainedParameter[];
}

const resetName = 'lazy_reset_grad';
const bufferOf = (name: string): string => `${name}_grad.accumulation.buffer`;
const flagOf = (name: string): string => `${name}_grad.accumulation.out`;
/** Inputs with such names are gradients to onnxruntime. */
const gradientName = /_grad(\.accumulation\.(buffer|out))?$/;
/** The newest operator set of onnxruntime 1.19. */
const newestOpset = 21;

/** A graph that can be trained in this format. */
interface Source {
  /** The model, its gradients on top. */
  readonly planned: PlannedGraph;
  /** First values of what is trained, by name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Gradient by each of them. */
  readonly gradients: ReadonlyMap<string, Value>;
  /** Outputs of both models: the loss, those kept, parameters. */
  readonly outputs: ReadonlyMap<string, Value>;
}

function checkNames({ planned: { g, values }, parameters }: Source): void {
  const made = [...parameters.keys()].flatMap((name) => [bufferOf(name), flagOf(name)]);
  const inputs = g.inputs.map(({ name }) => name).filter((name) => gradientName.test(name));
  const [taken] = [...[resetName, ...made].filter((name) => values.has(name)), ...inputs];
  if (taken !== undefined) {
    fail(
      'ERR_UNSUPPORTED',
      `${resetName} and names of inputs that end in _grad belong to onnxruntime-web 1.19. Received: ${show(taken)}. Rename it in the model.`,
    );
  }
}

function checkGraph({ planned: { g, buffers, masks }, parameters }: Source): void {
  if (g.opset > newestOpset) {
    fail(
      'ERR_UNSUPPORTED',
      `onnxruntime-web 1.19 knows operator sets up to ${newestOpset}. Received: ${g.opset}. Export the model with opset_version=17.`,
    );
  }
  if (buffers.size > 0 || masks.length > 0) {
    const what = buffers.size > 0 ? 'BatchNormalization' : 'Dropout';
    fail(
      'ERR_UNSUPPORTED',
      `these files hold no running statistics and no masks. Received: ${what} in training mode. Export the model in evaluation mode.`,
    );
  }
  const other = [...parameters].find(([, { dtype }]) => dtype !== 'float32');
  if (other) {
    const [name, { dtype }] = other;
    fail('ERR_UNSUPPORTED', `onnxruntime-web 1.19 trains float32. Received: ${show(name)} of ${dtype}.`);
  }
  if (parameters.size === 0) {
    fail('ERR_PARAMETER_UNKNOWN', 'the loss must depend on something trainable. Received: nothing.');
  }
}

/** Differentiates, and checks that the runtime will take the result. */
function differentiate(model: Model, options: TrainingArtifactsOptions): Source {
  const { loss, keepOutputs = false, parameterOutputs = false, operators = {} } = options;
  const trainable = new Set(choose(options.trainable, model));
  const plan = { model, loss, trainable, batchNorm: 'as-exported', operators, normalization } as const;
  const planned = planGraph(plan, 'train');
  const { g, lossValue } = planned;
  const gradients = gradientsOf(planned);
  const lossName = [...g.outputs].find(([, value]) => value === lossValue)?.[0] ?? g.uniqueName('loss');
  const parameters = [...gradients.keys()].map(
    (name) => [name, model.initializers.get(name) as Tensor] as const,
  );
  const values = [...gradients.keys()].map(
    (name) => [`${name}.value`, planned.parameters.get(name) as Value] as const,
  );
  const outputs = new Map([
    [lossName, lossValue],
    ...(keepOutputs ? g.outputs : []),
    ...(parameterOutputs ? values : []),
  ]);
  const source = { planned, parameters: new Map(parameters), gradients, outputs };
  checkGraph(source);
  checkNames(source);
  return source;
}

/**
 * A model whose parameters are inputs. They and the outputs come in the same order in both models: the session hands
 * parameters over by place, and `runEvalStep` of 1.19 finds its outputs by their place in the training model.
 */
function toModel({ planned: { g, model }, parameters }: Source, outputs: ReadonlyMap<string, Value>): Model {
  const built = buildModel(g, { outputs, like: model });
  const inputs = [...parameters].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const frozen = [...built.initializers].filter(([name]) => !parameters.has(name));
  return { ...built, inputs: [...built.inputs, ...inputs], initializers: new Map(frozen) };
}

/** Adds gradients to the session's buffers; gives the outputs that make it happen. */
function accumulate({ planned: { g }, parameters, gradients }: Source): [string, Value][] {
  const names = [...parameters.keys()];
  const buffers = names.map((name) => g.input(bufferOf(name), 'float32', parameters.get(name)?.shape));
  const reset = g.input(resetName, 'bool', [1]);
  const flag = { domain: 'com.microsoft', declared: [{ dtype: 'bool', shape: [1] }] } as const;
  return names.map((name, i) => {
    const [done] = g.node('InPlaceAccumulatorV2', [buffers[i], gradients.get(name), reset], {}, flag);
    return [flagOf(name), done as Value];
  });
}

/**
 * Makes the files that `ort.TrainingSession` of onnxruntime-web 1.19 trains from.
 *
 * Frozen weights are constants in both models. Gradients of several `runTrainStep` add up until `lazyResetGrad`.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` for optimizers, element types, operator sets and names that the format or its
 *   runtime cannot take; `ERR_PARAMETER_UNKNOWN`; whatever loading and differentiating the model throws.
 */
export function createTrainingArtifacts(options: TrainingArtifactsOptions): TrainingArtifacts {
  const { model, optimizer } = options;
  const source = differentiate(model instanceof Uint8Array ? decodeModel(model) : model, options);
  const { parameters, outputs } = source;
  const names = [...parameters.keys()];
  const optimizerModel = buildOptimizerModel(optimizer, expressibleOptions(optimizer, names), names.length);
  const evalModel = toModel(source, outputs); // before the training model's inputs come into the graph
  const trainingModel = toModel(source, new Map([...outputs, ...accumulate(source)]));
  return {
    trainingModel: encodeModel(trainingModel),
    evalModel: encodeModel(evalModel),
    optimizerModel: encodeModel(optimizerModel),
    checkpoint: encodeCheckpoint(parameters),
    loss: [...outputs.keys()][0] as string,
    parameters: [...parameters].map(([name, { shape }]) => ({ name, shape })),
  };
}
