/** The interpreter that calls TensorFlow.js. Inside, images are NHWC, as tfjs's kernels want them. */

import * as tf from '@tensorflow/tfjs';
import { batchNormTraining } from '@vradam/tfjs';
import type { MaskSource } from './masks.ts';
import type { HostTensor, Nn } from './nn.ts';

/** Batch statistics that a training pass saw, for the running ones. */
export interface BatchStatistics {
  /** Name of the normalization. */
  readonly name: string;
  /** Share of the batch in the running statistics. */
  readonly momentum: number;
  /** Mean by channel. Kept: the session's to dispose. */
  readonly mean: tf.Tensor1D;
  /** Biased variance by channel. Kept: the session's to dispose. */
  readonly variance: tf.Tensor1D;
  /** Elements that each was taken over. */
  readonly count: number;
}

/** What the interpreter draws on. */
export interface TfjsContext {
  /** Parameters by name, in the layout of the model. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  /** Buffers by name. */
  readonly buffers: ReadonlyMap<string, tf.Variable>;
  /** Where a training pass leaves its statistics; null in evaluation. */
  readonly statistics: BatchStatistics[] | null;
  /** Where a training pass has its masks from; null in evaluation. */
  readonly masks: MaskSource | null;
}

const isImage = (x: tf.Tensor): x is tf.Tensor4D => x.rank === 4;

/** A tensor of a batch as the interpreter's value: NCHW becomes NHWC. */
export function fromHost({ shape, data }: HostTensor): tf.Tensor {
  const dtype = data instanceof Int32Array ? 'int32' : 'float32';
  const x = tf.tensor(data, [...shape], dtype);
  return isImage(x) ? tf.transpose(x, [0, 2, 3, 1]) : x;
}

function named(variables: ReadonlyMap<string, tf.Variable>, name: string): tf.Variable {
  const variable = variables.get(name);
  if (!variable) throw new Error(`the network has no variable ${name}`);
  return variable;
}

/** x with mean 0 and variance 1 over some axes. */
function standardize(x: tf.Tensor, axes: number[], epsilon: number): tf.Tensor {
  const centered = tf.sub(x, tf.mean(x, axes, true));
  const variance = tf.mean(tf.square(centered), axes, true);
  return tf.mul(centered, tf.rsqrt(tf.add(variance, epsilon)));
}

/** x scaled and shifted along its last axis. */
function affine(x: tf.Tensor, parameters: TfjsContext['parameters'], name: string): tf.Tensor {
  return tf.add(tf.mul(x, named(parameters, `${name}.weight`)), named(parameters, `${name}.bias`));
}

/**
 * Images in another size, by the rows and columns that they are made of. The cpu backend of tfjs 4.22 needs this: its own
 * gradient of a resized image reads every example but the first at the wrong place.
 */
function resizeByIndices(x: tf.Tensor4D, size: readonly [number, number]): tf.Tensor {
  const nearest = (wanted: number, there: number): tf.Tensor1D =>
    tf.tensor1d(
      Int32Array.from({ length: wanted }, (_, i) => Math.floor((i * there) / wanted)),
      'int32',
    );
  const rows = tf.gather(x, nearest(size[0], x.shape[1]), 1);
  return tf.gather(rows, nearest(size[1], x.shape[2]), 2);
}

/** Makes the words of the model; call it anew for every pass. Over 40 lines: a line or two for each word. */
export function tfjsNn({ parameters, buffers, statistics, masks }: TfjsContext): Nn<tf.Tensor> {
  return {
    parameter: (name) => named(parameters, name),

    conv2d(x, weight, bias, { stride = 1, padding = 0 } = {}) {
      const filter = tf.transpose(weight as tf.Tensor4D, [2, 3, 1, 0]);
      // the plain operation: the gradient of tf.fused.conv2d would also make that of the input image
      const y = tf.conv2d(x as tf.Tensor4D, filter, stride, padding);
      return bias ? tf.add(y, bias) : y;
    },

    batchNorm(x, name, channels, { momentum = 0.1, epsilon = 1e-5, running = true } = {}) {
      const [scale, offset] = [named(parameters, `${name}.weight`), named(parameters, `${name}.bias`)];
      if (!statistics && running) {
        const mean = named(buffers, `${name}.runningMean`) as tf.Tensor1D;
        const variance = named(buffers, `${name}.runningVariance`) as tf.Tensor1D;
        return tf.batchNorm(x, mean, variance, offset as tf.Tensor1D, scale as tf.Tensor1D, epsilon);
      }
      const { output, mean, variance } = batchNormTraining(
        x,
        scale as tf.Tensor1D,
        offset as tf.Tensor1D,
        epsilon,
      );
      if (!statistics || !running) return output;
      const count = x.size / channels;
      statistics.push({ name, momentum, mean: tf.keep(mean), variance: tf.keep(variance), count });
      return output;
    },

    relu: (x) => tf.relu(x),
    silu: (x) => tf.mul(x, tf.sigmoid(x)),

    groupNorm(x, name, channels, { groups, epsilon = 1e-5 }) {
      const [n = 0, h = 0, w = 0] = x.shape;
      const grouped = tf.reshape(x, [n, h * w, groups, channels / groups]);
      const normalized = standardize(grouped, [1, 3], epsilon);
      return affine(tf.reshape(normalized, x.shape), parameters, name);
    },

    maxPool2d: (x, size) => tf.maxPool(x as tf.Tensor4D, size, size, 'valid'),
    resizeImages: (x, size) =>
      tf.getBackend() === 'cpu'
        ? resizeByIndices(x as tf.Tensor4D, size)
        : tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [...size]),
    joinImages: (images) => tf.concat([...images], 3),
    shiftImages: (x, channels) => tf.add(x, tf.reshape(channels, [x.shape[0] as number, 1, 1, -1])),

    dropImages(x, ratio) {
      if (!masks || ratio === 0) return x;
      const [n = 0, h = 0, w = 0, c = 0] = x.shape;
      // a mask is drawn in the order of the model's axes
      return tf.mul(x, tf.transpose(tf.tensor(masks(x.size, ratio), [n, c, h, w]), [0, 2, 3, 1]));
    },

    pixelsOfImages: (x) => tf.reshape(x, [x.shape[0] as number, -1, x.shape[3] as number]),
    imagesOfPixels: (x, size) => tf.reshape(x, [x.shape[0] as number, ...size, x.shape[2] as number]),

    // tfjs has no gradient of a strided slice; a pool over one pixel is the same
    subsample: (x, stride) => tf.avgPool(x as tf.Tensor4D, 1, stride, 'valid'),
    padChannels: (x, extra) =>
      tf.pad(x, [
        [0, 0],
        [0, 0],
        [0, 0],
        [0, extra],
      ]),
    globalAverage: (x) => tf.mean(x, [1, 2]),

    flatten(x) {
      const ordered = isImage(x) ? tf.transpose(x, [0, 3, 1, 2]) : x;
      return tf.reshape(ordered, [x.shape[0] as number, -1]);
    },

    linear: (x, weight, bias) =>
      tf.add(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D, false, true), bias),

    embedding: (table, indices) => tf.gather(table, indices),
    constant: fromHost,
    add: (a, b) => tf.add(a, b),
    mul: (a, b) => tf.mul(a, b),
    log: (x) => tf.log(x),
    softplus: (x) => tf.softplus(x),
    mean: (x, axis) => tf.mean(x, axis),
    scale: (x, factor) => tf.mul(x, factor),
    matMul: (a, b) => tf.matMul(a, b),
    softmax: (x) => tf.softmax(x),

    layerNorm: (x, name, _width, { epsilon = 1e-5 } = {}) =>
      affine(standardize(x, [-1], epsilon), parameters, name),

    dropout: (x, ratio) => (masks && ratio > 0 ? tf.mul(x, tf.tensor(masks(x.size, ratio), x.shape)) : x),
    transpose: (x, order) => tf.transpose(x, [...order]),
    reshape: (x, shape) => tf.reshape(x, [...shape]),
    // the gradient of tf.split fails where there is one part
    split: (x, sizes, axis) => (sizes.length === 1 ? [x] : tf.split(x, [...sizes], axis)),
    argMax: (x) => tf.cast(tf.argMax(x, -1), 'float32'),

    crossEntropy(logits, labels, { ignore } = {}) {
      const targets = tf.oneHot(labels as tf.Tensor1D, logits.shape[1] as number);
      const losses = tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), targets), 1));
      if (ignore === undefined) return losses;
      return tf.mul(losses, tf.cast(tf.notEqual(labels, tf.scalar(ignore, 'int32')), 'float32'));
    },

    meanSquaredError(a, b) {
      const squares = tf.square(tf.sub(a, b));
      return tf.mean(tf.reshape(squares, [a.shape[0] as number, -1]), 1);
    },
  };
}
