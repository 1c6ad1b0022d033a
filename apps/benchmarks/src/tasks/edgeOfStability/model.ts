/** Residual networks for small images, as `locuslab/edge-of-stability` has them. */

import type { Network, Nn } from '../../nn/nn.ts';

/** Size of a residual network: `6 blocks + 2` layers. */
export interface ResNetSize {
  /** Channels of the first stage; the second has twice, the third four times as many. */
  readonly width: number;
  /** Residual blocks of each of the three stages. */
  readonly blocks: number;
}

/** Always by the statistics of the batch: the network is never switched to evaluation. */
const statistics = { running: false } as const;

/** The words of a residual network, over one interpreter. */
function residual<V>(nn: Nn<V>) {
  /** Normal weights of deviation sqrt(2 / fan-out), no bias. */
  const conv = (x: V, name: string, from: number, to: number, stride = 1): V => {
    const deviation = Math.sqrt(2 / (to * 9));
    const weight = nn.parameter(`${name}.weight`, [to, from, 3, 3], { kind: 'normal', deviation });
    return nn.conv2d(x, weight, null, { stride, padding: 1 });
  };
  const block = (x: V, name: string, from: number, to: number): V => {
    const stride = from === to ? 1 : 2;
    const first = conv(x, `${name}.conv1`, from, to, stride);
    const middle = nn.relu(nn.batchNorm(first, `${name}.norm1`, to, statistics));
    // a block begins as its shortcut alone
    const end = { ...statistics, gain: 0 };
    const branch = nn.batchNorm(conv(middle, `${name}.conv2`, to, to), `${name}.norm2`, to, end);
    return nn.relu(nn.add(branch, from === to ? x : shortcut(x, name, from, to)));
  };
  const shortcut = (x: V, name: string, from: number, to: number): V =>
    nn.padChannels(nn.batchNorm(nn.subsample(x, 2), `${name}.shortcut`, from, statistics), to - from);
  return { conv, block };
}

/**
 * A residual network with squared error: the loss of an example is half the sum over the classes of
 * `(output - target)^2`, targets being 0 or 1.
 *
 * @param size - pixels in height and width, a multiple of 4.
 * @returns inputs `images` [3, size, size] and `targets` [classes]; output `outputs` [classes].
 */
export function resnet({ width, blocks }: ResNetSize, size: number, classes: number): Network {
  return {
    inputs: {
      images: { shape: [3, size, size], dtype: 'float32' },
      targets: { shape: [classes], dtype: 'float32' },
    },
    run<V>(nn: Nn<V>, { images, targets }: Readonly<Record<string, V>>) {
      const { conv, block } = residual(nn);
      let x = nn.relu(nn.batchNorm(conv(images as V, 'conv', 3, width), 'norm', width, statistics));
      let channels = width;
      for (const stage of [1, 2, 3]) {
        const to = width * 2 ** (stage - 1);
        for (let i = 1; i <= blocks; i++) {
          x = block(x, `stage${stage}.block${i}`, channels, to);
          channels = to;
        }
      }
      const bound = 1 / Math.sqrt(channels);
      const weight = nn.parameter('linear.weight', [classes, channels], { kind: 'uniform', bound });
      const bias = nn.parameter('linear.bias', [classes], { kind: 'uniform', bound });
      const outputs = nn.linear(nn.globalAverage(x), weight, bias);
      const error = nn.add(outputs, nn.scale(targets as V, -1));
      return { loss: nn.scale(nn.mean(nn.mul(error, error), -1), classes / 2), outputs: { outputs } };
    },
  };
}
