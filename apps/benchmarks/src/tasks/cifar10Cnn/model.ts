/** The paper's convolutional network. */

import { convLayer, linearLayer } from '../../nn/layers.ts';
import type { Network, Nn } from '../../nn/nn.ts';
import type { CnnPreset } from './presets.ts';

/** Three blocks of two (3x3 convolution, batch norm, ReLU) and a 2x2 pool; then two dense layers. */
function logits<V>(nn: Nn<V>, images: V, { widths, hidden }: CnnPreset, size: number, classes: number): V {
  let x = images;
  let from = 3;
  for (const [block, to] of widths.entries()) {
    for (const half of [1, 2]) {
      const name = `block${block + 1}.${half}`;
      const y = convLayer(nn, x, `${name}.conv`, { from, to, size: 3, padding: 1 });
      x = nn.relu(nn.batchNorm(y, `${name}.norm`, to));
      from = to;
    }
    x = nn.maxPool2d(x, 2);
  }
  const features = from * (size / 8) ** 2;
  const wide = nn.relu(linearLayer(nn, nn.flatten(x), 'dense1', { from: features, to: hidden }));
  return linearLayer(nn, wide, 'dense2', { from: hidden, to: classes });
}

/**
 * The network for square RGB images.
 *
 * @param size - width and height in pixels; a multiple of 8.
 */
export function cnn(preset: CnnPreset, size: number, classes: number): Network {
  return {
    inputs: { images: { shape: [3, size, size], dtype: 'float32' }, labels: { shape: [], dtype: 'int32' } },
    run<V>(nn: Nn<V>, inputs: Readonly<Record<string, V>>) {
      const output = logits(nn, inputs['images'] as V, preset, size, classes);
      return { loss: nn.crossEntropy(output, inputs['labels'] as V), outputs: { logits: output } };
    },
  };
}
