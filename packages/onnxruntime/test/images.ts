/** A small convolutional network with all that WebGPU is particular about, and batches for it. */

import { GraphBuilder, tensor, type Value } from '@vradam/onnx-autodiff';
import type { Feeds } from '../src/index.ts';
import { parameter, wave } from './models.ts';

/**
 * Convolution, normalization by the batch, pooling with windows that overlap, 3 classes.
 *
 * @param indices - whether the pool also gives where its values come from, as an output of the model.
 */
export function convolutional(indices = false): GraphBuilder {
  const g = new GraphBuilder({ name: 'convolutional' });
  const x = g.input('x', 'float32', ['batch', 1, 7, 7]);
  const z = g.conv(x, parameter(g, 'filters', [2, 1, 3, 3], 1), undefined, { pads: [1, 1, 1, 1] });
  const vector = (name: string, value: number): Value =>
    g.parameter(`norm.${name}`, tensor('float32', [2], [value, value]));
  const affine = [vector('scale', 1), vector('shift', 0), vector('mean', 0), vector('variance', 1)];
  const [y] = g.ops('BatchNormalization', [z, ...affine], { training_mode: 1 }, 3);
  const window = { kernel_shape: [3, 3], strides: [2, 2] };
  const [pooled, places] = g.ops('MaxPool', [g.relu(y as Value)], window, indices ? 2 : 1) as [Value, Value?];
  if (places) g.output('places', places);
  const flat = g.op('Flatten', [pooled]);
  g.output('logits', g.gemm(flat, parameter(g, 'top', [3, 18], 2), undefined, { transB: 1 }));
  return g;
}

/** Images with labels. */
export const images = (size: number, seed: number): Feeds => ({
  x: { dims: [size, 1, 7, 7], data: wave(size * 49, seed) },
  labels: { dims: [size], data: Array.from({ length: size }, (_, i) => (i + seed) % 3) },
});
