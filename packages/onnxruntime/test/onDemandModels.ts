/** Models with operators that are loaded on demand, as plain data: to write them loads nothing. */

import type { Feeds, Model, NodeSpec, Tensor, TrainingSession } from '../src/index.ts';

function weight(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: size }, (_, i) => 0.5 * Math.sin(1.7 * i + 3.1 * seed));
  return { dtype: 'float32', shape, data };
}

const node = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: NodeSpec['attributes'] = {},
): NodeSpec => ({ op, domain: '', name: output, inputs, outputs: [output], attributes });

const model = (
  shape: readonly number[],
  weights: Readonly<Record<string, Tensor>>,
  nodes: readonly NodeSpec[],
): Model => ({
  ...{ name: 'model', irVersion: 8, opset: 18, otherOpsets: {}, producer: '', doc: '', metadata: {} },
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', ...shape] }],
  outputs: [{ name: 'logits', dtype: 'float32', shape: ['batch', 3] }],
  initializers: new Map(Object.entries(weights)),
  nodes,
  values: [],
  functions: [],
});

/** Convolution, pooling, 3 classes. */
export const images = (): Model =>
  model([1, 6, 6], { filters: weight([2, 1, 3, 3], 1), top: weight([8, 3], 2) }, [
    node('Conv', ['x', 'filters'], 'z'),
    node('Relu', ['z'], 'y'),
    node('MaxPool', ['y'], 'pooled', {
      kernel_shape: { type: 'ints', value: [2, 2] },
      strides: { type: 'ints', value: [2, 2] },
    }),
    node('Flatten', ['pooled'], 'flat'),
    node('MatMul', ['flat', 'top'], 'logits'),
  ]);

/** Two layers with Mish between; the first one is a product, written in either way. */
export const layers = (product: 'Einsum' | 'MatMul'): Model =>
  model([36], { first: weight([36, 5], 3), second: weight([5, 3], 4) }, [
    node(
      product,
      ['x', 'first'],
      'z',
      product === 'Einsum' ? { equation: { type: 'string', value: 'bi,ij->bj' } } : {},
    ),
    node('Mish', ['z'], 'y'),
    node('MatMul', ['y', 'second'], 'logits'),
  ]);

/** Losses of ten steps on one batch. */
export async function learn(session: TrainingSession, dims: readonly number[]): Promise<number[]> {
  const data = Float32Array.from({ length: 4 * 36 }, (_, i) => Math.sin(0.7 * i * i));
  const feeds: Feeds = { x: { dims: [4, ...dims], data }, labels: { dims: [4], data: [0, 1, 2, 0] } };
  const losses: number[] = [];
  for (let i = 0; i < 10; i++) losses.push((await session.trainStep(feeds)).loss);
  return losses;
}
