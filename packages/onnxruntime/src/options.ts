/** Options of a session, checked once. */

import type { OptimizerSpec } from '@vradam/core';
import {
  type ExternalData,
  GraphBuilder,
  type Loss,
  type Model,
  type OperatorTable,
} from '@vradam/onnx-autodiff/lazy';
import { fail, show } from './errors.ts';
import { type BatchNormMode, defaultTrainable, runningStatistics } from './graphs.ts';
import type { Runtime, RuntimeOptions } from './runtime.ts';
import type { ModelSource } from './source.ts';
import type { DevicePlacement } from './update/device.ts';

/** Which parameters are trained: names, a pattern, or a rule. */
export type Trainable = readonly string[] | RegExp | ((name: string) => boolean);

/** Where the optimizer runs: a word, or `deviceUpdate(device)` of `@vradam/webgpu/onnxruntime`. */
export type UpdatePlacement = 'auto' | 'host' | 'graph' | DevicePlacement;

/** Options of {@link createTrainingSession}. */
export interface TrainingSessionOptions extends RuntimeOptions {
  /** The model: bytes, a path or URL, a decoded model, or a graph written with a GraphBuilder. */
  readonly model: ModelSource;
  /** What is minimized: a scalar output of the model by name, or a loss such as `crossEntropy()`. */
  readonly loss: string | Loss;
  /** The optimizer: `vradam()`, `adamw()`, ... with any transforms. */
  readonly optimizer: OptimizerSpec;
  /** Default: all float initializers with an axis, except running statistics; of a GraphBuilder, its parameters. */
  readonly trainable?: Trainable;
  /**
   * Where the optimizer runs. Default `'auto'`: in the graph on WebGPU, unless it looks at gradients, and on the host
   * on CPUs. `deviceUpdate(device)` of `@vradam/webgpu/onnxruntime` takes steps in kernels on the model's own device.
   */
  readonly update?: UpdatePlacement;
  /** BatchNormalization in training. Default `'as-exported'`: the batch's statistics where the model was exported so. */
  readonly batchNorm?: BatchNormMode;
  /** Seed of Dropout's masks, a 32-bit integer. Default 0. */
  readonly seed?: number;
  /** Files beside the model. Default: those in its folder, if it is a path in Node. */
  readonly externalData?: ExternalData;
  /** Operators of your own, by `domain.name`. */
  readonly operators?: OperatorTable;
}

/** Options with which a session can begin. */
export interface CheckedOptions {
  /** Names of the trained initializers. */
  readonly trainable: ReadonlySet<string>;
  /** Names of running statistics. */
  readonly bufferNames: readonly string[];
  /** BatchNormalization in training. */
  readonly batchNorm: BatchNormMode;
  /** Seed of the masks. */
  readonly seed: number;
  /** Where the optimizer runs. */
  readonly update: UpdatePlacement;
}

const known = [
  ...['model', 'loss', 'optimizer', 'trainable', 'update', 'batchNorm', 'seed', 'externalData', 'operators'],
  ...['executionProviders', 'sessionOptions'],
];

function oneOf<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  return fail(
    'ERR_OPTION_RANGE',
    `${name} must be one of ${choices.map(show).join(', ')}. Received: ${show(value)}.`,
  );
}

const words: readonly Exclude<UpdatePlacement, DevicePlacement>[] = ['auto', 'host', 'graph'];

const isDevice = (update: UpdatePlacement): update is DevicePlacement =>
  typeof (update as DevicePlacement | null)?.open === 'function';

/** Names that a rule chooses among the float initializers. */
export function choose(trainable: Trainable | undefined, model: Model): string[] {
  if (trainable === undefined) return defaultTrainable(model);
  const statistics = runningStatistics(model);
  const floats = [...model.initializers]
    .filter(([name, { dtype }]) => dtype === 'float32' && !statistics.has(name))
    .map(([name]) => name);
  if (trainable instanceof RegExp) return floats.filter((name) => new RegExp(trainable).test(name));
  if (typeof trainable === 'function') return floats.filter(trainable);
  if (!Array.isArray(trainable))
    fail(
      'ERR_OPTION_TYPE',
      `trainable must be names, a regular expression or a function. Received: ${typeof trainable}.`,
    );
  const unknown = (trainable as readonly string[]).find((name) => !floats.includes(name));
  if (unknown !== undefined)
    fail(
      'ERR_PARAMETER_UNKNOWN',
      `trainable must name float initializers. Received: ${show(unknown)}. There are: ${floats.slice(0, 20).join(', ')}.`,
    );
  return [...(trainable as readonly string[])];
}

/** What a builder knows and a file does not: which constants are parameters. */
function parametersOf(source: ModelSource): Trainable | undefined {
  return source instanceof GraphBuilder ? (name) => source.parameters.has(name) : undefined;
}

/** Checks the options that concern the model. Throws `ERR_OPTION_*`, `ERR_PARAMETER_UNKNOWN`. */
export function checkOptions(options: TrainingSessionOptions, model: Model): CheckedOptions {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined)
    fail(
      'ERR_OPTION_UNKNOWN',
      `createTrainingSession: unknown option. Received: ${show(unknown)}. Known: ${known.join(', ')}.`,
    );
  const { seed = 0, update = 'auto', batchNorm = 'as-exported', optimizer, loss } = options;
  if (!Number.isInteger(seed) || seed !== (seed | 0))
    fail('ERR_OPTION_RANGE', `seed must be a 32-bit integer. Received: ${show(seed)}.`);
  if (typeof optimizer?.algorithm !== 'object')
    fail(
      'ERR_OPTION_TYPE',
      `optimizer must be made by vradam(), adamw(), sgd(), ... Received: ${typeof optimizer}.`,
    );
  if (typeof loss !== 'string' && typeof loss !== 'function')
    fail(
      'ERR_OPTION_TYPE',
      `loss must be the name of an output or a loss such as crossEntropy(). Received: ${typeof loss}.`,
    );
  const trainable = new Set(choose(options.trainable ?? parametersOf(options.model), model));
  if (trainable.size === 0)
    fail(
      'ERR_PARAMETER_UNKNOWN',
      `at least one parameter must be trainable. Received: none of ${model.initializers.size} initializers.`,
    );
  return {
    trainable,
    bufferNames: [...runningStatistics(model)],
    batchNorm: oneOf('batchNorm', batchNorm, ['as-exported', 'train', 'frozen']),
    seed,
    update: isDevice(update) ? update : oneOf('update', update, words),
  };
}

/** Decides where the optimizer runs: where parameters need not move. */
export function placementOf(
  update: UpdatePlacement,
  { keepsOnGpu }: Runtime,
  { transforms, nonFinite }: OptimizerSpec,
): 'host' | 'graph' | DevicePlacement {
  if (update !== 'auto') return update;
  const looks =
    (nonFinite !== undefined && nonFinite !== 'propagate') ||
    transforms.some(({ kind }) => kind === 'accumulateGradients');
  return keepsOnGpu && !looks ? 'graph' : 'host';
}
