/** Layers with parameters, initialised as PyTorch does by default. */

import type { Conv2dOptions, Initializer, Nn } from './nn.ts';

/** PyTorch's default for weights and biases: Kaiming-uniform with a = sqrt(5), i.e. uniform in +-1/sqrt(fan in). */
const uniform = (fanIn: number): Initializer => ({ kind: 'uniform', bound: 1 / Math.sqrt(fanIn) });

/** A convolution with bias: parameters `name.weight` [out, in, size, size] and `name.bias` [out]. */
export function convLayer<V>(
  nn: Nn<V>,
  x: V,
  name: string,
  {
    from,
    to,
    size,
    ...options
  }: Conv2dOptions & { readonly from: number; readonly to: number; readonly size: number },
): V {
  const initializer = uniform(from * size * size);
  const weight = nn.parameter(`${name}.weight`, [to, from, size, size], initializer);
  return nn.conv2d(x, weight, nn.parameter(`${name}.bias`, [to], initializer), options);
}

/** A dense layer: parameters `name.weight` [out, in] and `name.bias` [out]. */
export function linearLayer<V>(
  nn: Nn<V>,
  x: V,
  name: string,
  { from, to }: { readonly from: number; readonly to: number },
): V {
  const initializer = uniform(from);
  const weight = nn.parameter(`${name}.weight`, [to, from], initializer);
  return nn.linear(x, weight, nn.parameter(`${name}.bias`, [to], initializer));
}
