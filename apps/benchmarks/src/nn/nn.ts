/**
 * The language that models are written in, once, for every engine.
 *
 * A model is a function over {@link Nn}; an interpreter gives the words their meaning: one counts shapes, one calls
 * TensorFlow.js, one may emit a graph. Shapes and weight layouts are PyTorch's (NCHW, [out, in, kh, kw], [out, in]),
 * whatever an engine uses inside, so the same numbers mean the same model everywhere.
 */

/** How a parameter begins. */
export type Initializer =
  | { readonly kind: 'uniform' /** Limit: values lie in [-bound, bound). */; readonly bound: number }
  | { readonly kind: 'normal' /** Standard deviation; the mean is 0. */; readonly deviation: number }
  | { readonly kind: 'constant' /** The value of every element. */; readonly value: number };

/** Options of {@link Nn.conv2d}. */
export interface Conv2dOptions {
  /** Step in both directions. Default 1. */
  readonly stride?: number;
  /** Zeros on every side. Default 0. */
  readonly padding?: number;
}

/** Options of {@link Nn.batchNorm}. */
export interface BatchNormOptions {
  /** Share of a batch in the running statistics. Default 0.1. */
  readonly momentum?: number;
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
  /** What `name.weight` begins with. Default 1. */
  readonly gain?: number;
  /** `false`: always by the statistics of the batch, in evaluation too, and there are no running ones. Default true. */
  readonly running?: boolean;
}

/** Options of {@link Nn.layerNorm}. */
export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
}

/** Options of {@link Nn.groupNorm}. */
export interface GroupNormOptions {
  /** Groups of neighbouring channels; they divide the channels. */
  readonly groups: number;
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
}

/** Options of {@link Nn.crossEntropy}. */
export interface CrossEntropyOptions {
  /** Label whose examples have the loss 0, such as padding; they still count as examples. Default: none. */
  readonly ignore?: number;
}

/**
 * The words. `flatten`, the pools, convolutions, the norms of channels and what has images in its name take images
 * [N, C, H, W]; `transpose`, `reshape`, `split`, `dropout`, `mean`, `mul` and `matMul` take anything else, as an engine may
 * keep the axes of images in another order. `relu`, `silu`, `scale`, and `add` of the same shape take both.
 *
 * @typeParam V - a value of the interpreter: a tensor, a graph value, a shape.
 */
export interface Nn<V> {
  /** A trainable parameter. The same name is the same parameter. */
  parameter(name: string, shape: readonly number[], initializer: Initializer): V;
  /** Cross-correlation of x [N, C, H, W] with a weight [O, C, kh, kw], plus a bias [O] if there is one. */
  conv2d(x: V, weight: V, bias: V | null, options?: Conv2dOptions): V;
  /**
   * Batch normalization over all but the channels of x [N, C, ...]. In training by the batch's statistics, which
   * also move the running ones; in evaluation by those. Parameters `name.weight`, `name.bias`; buffers
   * `name.runningMean`, `name.runningVariance` (unbiased, as PyTorch keeps it).
   */
  batchNorm(x: V, name: string, channels: number, options?: BatchNormOptions): V;
  /** `max(x, 0)`. */
  relu(x: V): V;
  /** `x / (1 + e^-x)`. */
  silu(x: V): V;
  /**
   * Normalization of x [N, C, H, W] over each group of channels of an example, by the biased variance. Parameters
   * `name.weight` and `name.bias`, [C].
   */
  groupNorm(x: V, name: string, channels: number, options: GroupNormOptions): V;
  /**
   * Largest value of every size x size window of x [N, C, H, W], without overlap. What remains at the lower and the right
   * edge is left out.
   */
  maxPool2d(x: V, size: number): V;
  /** Every `stride`-th pixel of x [N, C, H, W] in both directions, the first one first. */
  subsample(x: V, stride: number): V;
  /** x [N, C, H, W] with `extra` channels of zeros behind its own. */
  padChannels(x: V, extra: number): V;
  /** Mean of each channel of x [N, C, H, W]: [N, C]. */
  globalAverage(x: V): V;
  /** x [N, C, H, W] in another size [h, w], without blending: position i is that of floor(i H / h), as in PyTorch. */
  resizeImages(x: V, size: readonly [height: number, width: number]): V;
  /** Images of the same size side by side as channels. */
  joinImages(images: readonly V[]): V;
  /** x [N, C, H, W] with a number [N, C] added to each channel. */
  shiftImages(x: V, channels: V): V;
  /** {@link dropout} of x [N, C, H, W]. */
  dropImages(x: V, ratio: number): V;
  /** x [N, C, H, W] as one row of channels for each pixel, row by row: [N, H W, C]. */
  pixelsOfImages(x: V): V;
  /** The inverse of {@link pixelsOfImages}: [N, H W, C] as [N, C, H, W]. */
  imagesOfPixels(x: V, size: readonly [height: number, width: number]): V;
  /** x [N, ...] as [N, features], features in NCHW order. */
  flatten(x: V): V;
  /** `x weight^T + bias` with x [N, in], weight [out, in], bias [out]. */
  linear(x: V, weight: V, bias: V): V;
  /** Rows of a table [rows, width], one for each of the indices [...]: [..., width]. */
  embedding(table: V, indices: V): V;
  /** Numbers that are part of the model and not trained. */
  constant(value: HostTensor): V;
  /** `a + b`, where the axes of `b` are the last ones of `a`. */
  add(a: V, b: V): V;
  /** `a b`, element by element, where the axes of `b` are the last ones of `a`. */
  mul(a: V, b: V): V;
  /** Natural logarithm. */
  log(x: V): V;
  /** `log(1 + e^x)`. */
  softplus(x: V): V;
  /** The mean along an axis, which is gone then; counted from the end if it is negative. */
  mean(x: V, axis: number): V;
  /** `factor x`. */
  scale(x: V, factor: number): V;
  /** Products of matrices, `a` [..., m, k] with `b` [..., k, n], both with the same axes before. */
  matMul(a: V, b: V): V;
  /** `e^x` divided by its sum along the last axis. */
  softmax(x: V): V;
  /**
   * Layer normalization over the last axis, of `width` elements, by the biased variance. Parameters `name.weight` and
   * `name.bias`.
   */
  layerNorm(x: V, name: string, width: number, options?: LayerNormOptions): V;
  /** In training, each element becomes 0 with probability `ratio`, else is divided by `1 - ratio`. */
  dropout(x: V, ratio: number): V;
  /** The axes of x in another order. */
  transpose(x: V, order: readonly number[]): V;
  /** The same elements in another shape; one size may be -1, for what remains. */
  reshape(x: V, shape: readonly number[]): V;
  /** Parts of x along an axis, of these sizes. */
  split(x: V, sizes: readonly number[], axis: number): readonly V[];
  /** Index of the largest element along the last axis, as a float. Has no gradient. */
  argMax(x: V): V;
  /** Cross-entropy of the softmax of logits [N, classes] with labels [N]: one loss for each example, [N]. */
  crossEntropy(logits: V, labels: V, options?: CrossEntropyOptions): V;
  /** Mean of `(a - b)^2` over all but the first axis: one loss for each example, [N]. Takes two images as well. */
  meanSquaredError(a: V, b: V): V;
}

/** What goes into a network: shapes without the batch. */
export interface InputSpec {
  /** Shape of one example. */
  readonly shape: readonly number[];
  /** `float32` values, or `int32` labels and indices. */
  readonly dtype: 'float32' | 'int32';
  /** What there is a row of for each; inputs of the same kind have as many. Default `batch`: the examples. */
  readonly rows?: string;
}

/** A model with its loss. */
export interface Network {
  /** Inputs by name. */
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /**
   * Runs the model.
   *
   * @returns the loss of each example, [N], and outputs that a metric looks at.
   */
  run<V>(
    nn: Nn<V>,
    inputs: Readonly<Record<string, V>>,
  ): { readonly loss: V; readonly outputs: Readonly<Record<string, V>> };
}

/** A tensor on the host. */
export interface HostTensor {
  /** Row-major shape. */
  readonly shape: readonly number[];
  /** Its elements. */
  readonly data: Float32Array | Int32Array;
}

/** Inputs of a network for some examples. */
export type Batch = Readonly<Record<string, HostTensor>>;
