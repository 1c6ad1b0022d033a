/** Small models to train, each with batches for it. */

import {
  buildModel,
  crossEntropy,
  GraphBuilder,
  type Loss,
  type Model,
  meanSquaredError,
  type Tensor,
  tensor,
  type Value,
} from '@vradam/onnx-autodiff';
import type { Feeds } from './legacySession.ts';

/** A model to train. */
export interface Problem {
  readonly model: Model;
  readonly loss: Loss;
  readonly batches: readonly Feeds[];
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

/** Numbers in [-scale, scale) that look random. */
function noise(shape: readonly number[], seed: number, scale = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: sizeOf(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * scale;
  });
}

const weight = (shape: readonly number[], seed: number, scale = 0.6): Tensor =>
  tensor('float32', shape, noise(shape, seed, scale));

const labels = (count: number, classes: number, seed: number): BigInt64Array =>
  BigInt64Array.from(noise([count], seed), (x) => BigInt(Math.floor(((x + 1) / 2) * classes)));

/** Names of the parameters of {@link perceptron}. */
export type LayerNames = readonly [weight1: string, bias1: string, weight2: string, bias2: string];

/** 5 features, 8 hidden units, 3 classes; the number of examples is left open. */
export function perceptron([w1, b1, w2, b2]: LayerNames = ['w1', 'b1', 'w2', 'b2']): Problem {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 5]);
  const hidden = g.relu(g.gemm(x, g.parameter(w1, weight([5, 8], 1)), g.parameter(b1, weight([8], 2))));
  g.output('logits', g.gemm(hidden, g.parameter(w2, weight([8, 3], 3)), g.parameter(b2, weight([3], 4))));
  const batches = [16, 16, 12].map((count, i) => ({
    x: { shape: [count, 5], data: noise([count, 5], 10 + i) },
    labels: { shape: [count], data: labels(count, 3, 20 + i) },
  }));
  return { model: buildModel(g), loss: crossEntropy(), batches };
}

/** 6 tokens of 10 as vectors, normalized, scaled by a parameter without axes, averaged; 2 targets. */
export function sentences(): Problem {
  const g = new GraphBuilder();
  const tokens = g.input('tokens', 'int64', ['batch', 6]);
  const vectors = g.gather(g.parameter('table', weight([10, 8], 1)), tokens);
  const [scale, offset] = [
    g.parameter('norm.scale', weight([8], 2, 1)),
    g.parameter('norm.bias', weight([8], 3)),
  ];
  const normal = g.op('LayerNormalization', [vectors, scale, offset], { axis: -1 });
  const sharpened = g.tanh(g.mul(normal, g.parameter('sharpness', tensor('float32', [], [0.7]))));
  g.output('y', g.gemm(g.reduceMean(sharpened, [1]), g.parameter('head', weight([8, 2], 4))));
  const batches = [7, 5].map((count, i) => ({
    tokens: { shape: [count, 6], data: labels(6 * count, 10, 30 + i) },
    target: { shape: [count, 2], data: noise([count, 2], 40 + i) },
  }));
  return { model: buildModel(g), loss: meanSquaredError(), batches };
}

/** One channel of 8 x 8, a convolution, the largest of 2 x 2, 3 classes. */
export function images(): Problem {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 1, 8, 8]);
  const convolved = g.conv(
    x,
    g.parameter('conv.weight', weight([4, 1, 3, 3], 1)),
    g.parameter('conv.bias', weight([4], 2)),
    {
      pads: [1, 1, 1, 1],
    },
  );
  const pooled = g.maxPool(g.relu(convolved), { kernel_shape: [2, 2], strides: [2, 2] });
  const flat = g.reshape(pooled, [0, 64]);
  g.output('logits', g.gemm(flat, g.parameter('head', weight([64, 3], 3, 0.2))));
  const batches = [6, 4].map((count, i) => ({
    x: { shape: [count, 1, 8, 8], data: noise([count, 1, 8, 8], 50 + i) },
    labels: { shape: [count], data: labels(count, 3, 60 + i) },
  }));
  return { model: buildModel(g), loss: crossEntropy(), batches };
}

/** The sum of `more(x w)`, for an input x [2, 3] and a parameter w [3]. */
export function modelOf(
  more: (g: GraphBuilder, product: Value) => Value = (_, product) => product,
  {
    input = 'x',
    opset = 18,
    dtype = 'float32',
  }: { input?: string; opset?: number; dtype?: 'float32' | 'float64' } = {},
): Model {
  const g = new GraphBuilder({ opset });
  const x = g.input(input, dtype, [2, 3]);
  g.output('loss', g.reduceSum(more(g, g.mul(x, g.parameter('w', tensor(dtype, [3], [1, 2, 3]))))));
  return buildModel(g);
}
