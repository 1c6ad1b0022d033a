/** Small models and batches that look random and are the same everywhere. */

import { GraphBuilder, tensor, type Value } from '@vradam/onnx-autodiff';
import type { Feeds } from '../src/index.ts';

/** Numbers in [-scale, scale]. */
export function wave(size: number, seed: number, scale = 1): Float32Array {
  return Float32Array.from(
    { length: size },
    (_, i) => scale * Math.sin(1.7 * i + 3.1 * seed + 0.3 * Math.sin(i)),
  );
}

/** A parameter of that kind. */
export function parameter(
  g: GraphBuilder,
  name: string,
  shape: readonly number[],
  seed: number,
  scale = 0.5,
): Value {
  const size = shape.reduce((a, b) => a * b, 1);
  return g.parameter(name, tensor('float32', shape, wave(size, seed, scale)));
}

/** 5 features, 7 hidden units, 3 classes. */
export function perceptron(dropout = 0): GraphBuilder {
  const g = new GraphBuilder({ name: 'perceptron' });
  const x = g.input('x', 'float32', ['batch', 5]);
  const z = g.gemm(x, parameter(g, 'first.weight', [7, 5], 1), parameter(g, 'first.bias', [7], 2), {
    transB: 1,
  });
  const h = g.tanh(z);
  const training = g.constant([1], [], 'bool');
  const dropped = dropout > 0 ? g.op('Dropout', [h, g.scalar(dropout), training]) : h;
  const logits = g.gemm(
    dropped,
    parameter(g, 'second.weight', [3, 7], 3),
    parameter(g, 'second.bias', [3], 4),
    { transB: 1 },
  );
  g.output('logits', logits);
  return g;
}

/** The same with batch normalization on the batch's statistics after the first layer. */
export function normalized(): GraphBuilder {
  const g = new GraphBuilder({ name: 'normalized' });
  const x = g.input('x', 'float32', ['batch', 5]);
  const z = g.gemm(x, parameter(g, 'first.weight', [7, 5], 1), undefined, { transB: 1 });
  const affine = [
    g.parameter('norm.scale', tensor('float32', [7], new Array(7).fill(1))),
    g.parameter('norm.shift', tensor('float32', [7], new Array(7).fill(0))),
    g.parameter('norm.mean', tensor('float32', [7], new Array(7).fill(0))),
    g.parameter('norm.variance', tensor('float32', [7], new Array(7).fill(1))),
  ];
  const [y] = g.ops('BatchNormalization', [z, ...affine], { training_mode: 1, momentum: 0.9 }, 3);
  g.output(
    'logits',
    g.gemm(g.relu(y as Value), parameter(g, 'second.weight', [3, 7], 3), undefined, { transB: 1 }),
  );
  return g;
}

/** A batch for them. */
export function batch(size: number, seed: number): Feeds {
  return {
    x: { dims: [size, 5], data: wave(size * 5, seed) },
    labels: { dims: [size], data: Array.from({ length: size }, (_, i) => (i * 7 + seed) % 3) },
  };
}
