/** ONNX model in, ONNX gradient model out. */

import { backward } from './backward.ts';
import { fail } from './errors.ts';
import type { GraphBuilder } from './graph/builder.ts';
import { buildModel, type LoadedGraph, type LoadOptions, loadGraph } from './graph/load.ts';
import type { Value } from './graph/value.ts';
import type { Loss } from './losses.ts';
import type { Model } from './model/model.ts';
import { isFloat } from './model/tensors.ts';

/** Options of {@link gradients}. */
export interface GradientOptions extends Pick<LoadOptions, 'operators' | 'replace' | 'rewrite'> {
  /** What is differentiated: an output of one element by its name, or a loss put on top of the model's values. */
  readonly loss: string | Loss;
  /** Names of initializers and inputs to differentiate by. Default: all float initializers. */
  readonly wrt?: readonly string[];
  /** Keeps the model's own outputs beside loss and gradients. Default false. */
  readonly keepOutputs?: boolean;
}

/** A model that computes a loss and its gradients. */
export interface GradientModel {
  /** The model. Initializers that were differentiated by are still initializers. */
  readonly model: Model;
  /** Name of the output that is the loss. */
  readonly loss: string;
  /** Name of the output that is the gradient by each of `wrt`; the loss does not depend on the others. */
  readonly gradients: ReadonlyMap<string, string>;
  /** Those of `wrt` on which the loss does not depend: their gradient is zero. */
  readonly independent: readonly string[];
}

/** Initializers that may be trained: those of floats with at least one element. */
export function trainableNames(model: Model): string[] {
  return [...model.initializers].filter(([, { dtype }]) => isFloat(dtype)).map(([name]) => name);
}

/** The loss of a loaded model as one value of one element. */
export function lossOf({ g, values }: LoadedGraph, loss: string | Loss): Value {
  const named = typeof loss === 'string' ? values.get(loss) : loss(g, values);
  const value =
    named ??
    fail(
      'ERR_PARAMETER_UNKNOWN',
      `the loss must be a value of the model. Received: ${JSON.stringify(loss)}. Outputs: ${[...g.outputs.keys()].join(', ')}.`,
    );
  if (!value.shape?.every((dim) => dim === 1)) {
    fail(
      'ERR_SHAPE_MISMATCH',
      `the loss must have one element. Received: ${JSON.stringify(value.name)} of shape [${value.shape?.join(', ') ?? 'unknown'}]. Reduce it, or give a loss such as crossEntropy().`,
    );
  }
  return value;
}

/** Values of a loaded model by name; floats all. */
export function valuesFor({ values }: LoadedGraph, wrt: readonly string[]): Value[] {
  return wrt.map((name) => {
    const value = values.get(name);
    if (!value)
      fail(
        'ERR_PARAMETER_UNKNOWN',
        `wrt must name initializers or inputs. Received: ${JSON.stringify(name)}.`,
      );
    if (!isFloat(value.dtype))
      fail(
        'ERR_PARAMETER_UNKNOWN',
        `wrt must name floats. Received: ${JSON.stringify(name)} of ${value.dtype}.`,
      );
    return value;
  });
}

/** A name for an output that no value has. */
const outputName = (g: GraphBuilder, name: string): string => g.uniqueName(name);

/**
 * Builds the model that computes a loss and its gradients, from standard operators only.
 *
 * @param model - from {@link decodeModel}, or built.
 * @returns outputs named `loss` and `NAME.gradient` (with a number behind where such a name is taken).
 * @throws VRAdamError `ERR_OPERATOR_UNSUPPORTED`, `ERR_PARAMETER_UNKNOWN`, `ERR_SHAPE_MISMATCH`, `ERR_MODEL_INVALID`.
 */
export function gradients(model: Model, options: GradientOptions): GradientModel {
  const { wrt = trainableNames(model), keepOutputs = false, loss, ...load } = options;
  const wanted = new Set(wrt);
  const loaded = loadGraph(model, { ...load, isParameter: (name) => wanted.has(name) });
  const { g } = loaded;
  const y = lossOf(loaded, loss);
  const computed = backward(g, y, valuesFor(loaded, wrt));
  const outputs = new Map(keepOutputs ? g.outputs : []);
  const lossName = [...outputs].find(([, value]) => value === y)?.[0] ?? outputName(g, 'loss');
  outputs.set(lossName, y);
  const names = new Map<string, string>();
  wrt.forEach((name, i) => {
    const gradient = computed[i];
    if (!gradient) return;
    const named = outputName(g, `${name}.gradient`);
    names.set(name, named);
    outputs.set(named, gradient);
  });
  return {
    model: buildModel(g, { outputs, like: model }),
    loss: lossName,
    gradients: names,
    independent: wrt.filter((name) => !names.has(name)),
  };
}
