/** Losses that are put on top of a model's outputs. */

import { fail } from './errors.ts';
import type { GraphBuilder } from './graph/builder.ts';
import type { Value } from './graph/value.ts';
import type { DataType } from './model/model.ts';

/**
 * Builds a loss.
 *
 * @param g - the graph of the model; inputs for labels or targets are added to it.
 * @param values - values by their names in the model.
 * @returns one element.
 */
export type Loss = (g: GraphBuilder, values: ReadonlyMap<string, Value>) => Value;

/** How the losses of examples become one. */
export type Reduction = 'mean' | 'sum';

function named(values: ReadonlyMap<string, Value>, name: string): Value {
  return (
    values.get(name) ??
    fail(
      'ERR_PARAMETER_UNKNOWN',
      `a loss must be over values of the model. Received: ${JSON.stringify(name)}.`,
    )
  );
}

/** An input of the model, or a new one. */
function inputLike(
  g: GraphBuilder,
  values: ReadonlyMap<string, Value>,
  name: string,
  dtype: DataType,
  shape: Value['shape'],
): Value {
  return values.get(name) ?? g.inputs.find((value) => value.name === name) ?? g.input(name, dtype, shape);
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** Value with the logits, [N, C] or [N, C, ...]. Default `logits`. */
  readonly logits?: string;
  /** Input with the labels, int64 [N] or [N, ...] in [0, C); made if there is none. Default `labels`. */
  readonly labels?: string;
  /** Over examples. Default `'mean'`. */
  readonly reduction?: Reduction;
  /** A label that counts for nothing. Default none. */
  readonly ignoreIndex?: number;
}

/** Cross-entropy of the softmax of logits. @see torch.nn.functional.cross_entropy */
export function crossEntropy({
  logits = 'logits',
  labels = 'labels',
  reduction = 'mean',
  ignoreIndex,
}: CrossEntropyOptions = {}): Loss {
  return (g, values) => {
    const scores = named(values, logits);
    const [n, classes, ...rest] = g.knownShape(scores);
    if (n === undefined || classes === undefined) {
      fail(
        'ERR_SHAPE_MISMATCH',
        `crossEntropy: logits must be [N, C] or [N, C, ...]. Received: ${JSON.stringify(logits)} of shape [${scores.shape}].`,
      );
    }
    const target = inputLike(g, values, labels, 'int64', [n, ...rest]);
    return g.op('SoftmaxCrossEntropyLoss', [scores, target], { reduction, ignore_index: ignoreIndex });
  };
}

/** Options of losses between a value and a target of its shape. */
export interface TargetOptions {
  /** Value of the model. Default: its first output. */
  readonly output?: string;
  /** Input with the target, shaped like the output; made if there is none. Default `target`. */
  readonly target?: string;
  /** Over all elements. Default `'mean'`. */
  readonly reduction?: Reduction;
}

function betweenTarget(
  { output, target = 'target', reduction = 'mean' }: TargetOptions,
  each: (g: GraphBuilder, x: Value, y: Value) => Value,
): Loss {
  return (g, values) => {
    const first = [...g.outputs.keys()][0];
    const x = named(values, output ?? first ?? '');
    const y = inputLike(g, values, target, x.dtype ?? 'float32', x.shape);
    const losses = each(g, x, y);
    return reduction === 'mean' ? g.reduceMean(losses) : g.reduceSum(losses);
  };
}

/** `(x - y)^2`. @see torch.nn.functional.mse_loss */
export function meanSquaredError(options: TargetOptions = {}): Loss {
  return betweenTarget(options, (g, x, y) => {
    const difference = g.sub(x, y);
    return g.mul(difference, difference);
  });
}

/** `|x - y|`. @see torch.nn.functional.l1_loss */
export function meanAbsoluteError(options: TargetOptions = {}): Loss {
  return betweenTarget(options, (g, x, y) => g.abs(g.sub(x, y)));
}

/** Options of {@link huber}. */
export interface HuberOptions extends TargetOptions {
  /** Where the square ends and the line begins. Default 1. Range (0, Infinity). */
  readonly delta?: number;
}

/** `d^2 / 2` up to `|d| = delta`, then `delta (|d| - delta / 2)`. @see torch.nn.functional.huber_loss */
export function huber({ delta = 1, ...options }: HuberOptions = {}): Loss {
  if (!(delta > 0 && delta < Number.POSITIVE_INFINITY))
    fail('ERR_OPTION_RANGE', `huber: delta must be in (0, Infinity). Received: ${delta}.`);
  return betweenTarget(options, (g, x, y) => {
    const size = g.abs(g.sub(x, y));
    const near = g.min(size, delta);
    // near^2 / 2 + delta (size - near), without a branch
    return g.add(g.mul(g.mul(near, near), 0.5), g.mul(g.sub(size, near), delta));
  });
}

/** `max(x, 0) - x y + log(1 + e^-|x|)` of logits x. @see torch.nn.functional.binary_cross_entropy_with_logits */
export function binaryCrossEntropy(options: TargetOptions = {}): Loss {
  // softplus(x) - x y is the same, and stable in onnxruntime
  return betweenTarget(options, (g, x, y) => g.sub(g.softplus(x), g.mul(x, y)));
}
