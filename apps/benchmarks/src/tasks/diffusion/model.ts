/** The paper's UNet, which tells the noise in a picture. */

import { convLayer, linearLayer } from '../../nn/layers.ts';
import type { HostTensor, Network, Nn } from '../../nn/nn.ts';

/** Every number of the network. */
export interface UNetSize {
  /** Height and width of a picture, in pixels. */
  readonly side: number;
  /** Channels after the first convolution, and after each block on the way down. Multiples of `groups`. */
  readonly widths: readonly number[];
  /** Groups of every normalization. */
  readonly groups: number;
  /** Sines and cosines that tell the time; even. */
  readonly timeFeatures: number;
  /** Features of the time in every block. */
  readonly timeWidth: number;
  /** Blocks at the bottom: attention follows the first. */
  readonly middleBlocks: number;
  /** Blocks on the way up that attention follows, counted from the bottom. */
  readonly attentiveBlocks: number;
  /** Attention heads; they divide the channels. */
  readonly heads: number;
  /** Share of elements that dropout takes, in [0, 1). */
  readonly dropout: number;
  /** Times there are. */
  readonly times: number;
}

/** Sines, then cosines, of the whole number t at frequencies from 1 down to 1/10000: [times, features]. */
function timeTable(times: number, features: number): HostTensor {
  const half = features / 2;
  const at = (t: number, i: number): number => {
    const angle = t * Math.exp((-Math.log(10_000) * (i % half)) / (half - 1));
    return i < half ? Math.sin(angle) : Math.cos(angle);
  };
  const data = Float32Array.from({ length: times * features }, (_, i) =>
    at(Math.floor(i / features), i % features),
  );
  return { shape: [times, features], data };
}

/** The layers, over some words. Names are those of a PyTorch module of the same structure. */
class Layers<V> {
  readonly #nn: Nn<V>;
  readonly #size: UNetSize;

  constructor(nn: Nn<V>, size: UNetSize) {
    this.#nn = nn;
    this.#size = size;
  }

  /** Times [N] as features [N, timeWidth]. */
  embedTimes(times: V): V {
    const nn = this.#nn;
    const { times: count, timeFeatures, timeWidth } = this.#size;
    const waves = nn.embedding(nn.constant(timeTable(count, timeFeatures)), times);
    const wide = nn.silu(linearLayer(nn, waves, 'time.1', { from: timeFeatures, to: timeWidth }));
    return linearLayer(nn, wide, 'time.2', { from: timeWidth, to: timeWidth });
  }

  /** A 3x3 convolution of what is normalized and bent. */
  convolve(x: V, name: string, from: number, to: number): V {
    const nn = this.#nn;
    const bent = nn.silu(nn.groupNorm(x, `${name}.norm`, from, { groups: this.#size.groups }));
    return convLayer(nn, bent, `${name}.conv`, { from, to, size: 3, padding: 1 });
  }

  /** Two convolutions with the time between them, and a way past them. */
  block(x: V, time: V, name: string, from: number, to: number): V {
    const nn = this.#nn;
    const { timeWidth, dropout } = this.#size;
    const shift = nn.silu(linearLayer(nn, time, `${name}.time`, { from: timeWidth, to }));
    const timed = nn.shiftImages(this.convolve(x, `${name}.1`, from, to), shift);
    const changed = nn.dropImages(this.convolve(timed, `${name}.2`, to, to), dropout);
    const past = from === to ? x : convLayer(nn, x, `${name}.skip`, { from, to, size: 1 });
    return nn.add(changed, past);
  }

  /** Attention of all pixels of x, [N, width, side, side], to each other. 1x1 convolutions are products of rows. */
  attention(x: V, name: string, width: number, side: number): V {
    const nn = this.#nn;
    const { groups, heads } = this.#size;
    const pixels = nn.pixelsOfImages(nn.groupNorm(x, `${name}.norm`, width, { groups }));
    const rows = nn.reshape(pixels, [-1, width]);
    const projected = linearLayer(nn, rows, `${name}.qkv`, { from: width, to: 3 * width });
    const apart = nn.reshape(projected, [-1, side * side, 3 * heads, width / heads]);
    const parts = nn.split(nn.transpose(apart, [0, 2, 1, 3]), [heads, heads, heads], 1);
    const [queries, keys, values] = parts as [V, V, V];
    const products = nn.matMul(queries, nn.transpose(keys, [0, 1, 3, 2]));
    const weights = nn.softmax(nn.scale(products, (width / heads) ** -0.5));
    const mixed = nn.reshape(nn.transpose(nn.matMul(weights, values), [0, 2, 1, 3]), [-1, width]);
    const output = linearLayer(nn, mixed, `${name}.out`, { from: width, to: width });
    const images = nn.imagesOfPixels(nn.reshape(output, [-1, side * side, width]), [side, side]);
    return nn.add(x, images);
  }
}

/**
 * The noise in pictures.
 *
 * @param images - [N, 1, side, side].
 * @param times - int32 [N], from 0 to `times - 1`.
 * @returns [N, 1, side, side].
 */
function predictNoise<V>(nn: Nn<V>, images: V, times: V, size: UNetSize): V {
  const layers = new Layers(nn, size);
  const { widths, side, middleBlocks, attentiveBlocks } = size;
  const time = layers.embedTimes(times);
  const first = widths[0] as number;
  let x = convLayer(nn, images, 'in', { from: 1, to: first, size: 3, padding: 1 });

  const down = widths.slice(1).map((to, i) => {
    const from = widths[i] as number;
    const skip = layers.block(x, time, `down${i}`, from, to);
    x = nn.maxPool2d(skip, 2);
    return { skip, width: to, narrow: from, side: side >> i };
  });

  let width = widths.at(-1) as number;
  for (let i = 0; i < middleBlocks; i++) {
    x = layers.block(x, time, `middle${i}`, width, width);
    if (i === 0) x = layers.attention(x, 'middle.attention', width, side >> down.length);
  }

  for (const [i, level] of [...down.entries()].reverse()) {
    const resized = nn.resizeImages(x, [level.side, level.side]);
    const joined = nn.joinImages([resized, level.skip]);
    x = layers.block(joined, time, `up${i}`, width + level.width, level.narrow);
    width = level.narrow;
    if (down.length - i <= attentiveBlocks) x = layers.attention(x, `up${i}.attention`, width, level.side);
  }
  return layers.convolve(x, 'out', first, 1);
}

/** The model: noisy pictures with their times and their noise in; the squared error of each, and the told noise out. */
export function diffusionNetwork(size: UNetSize): Network {
  const image = { shape: [1, size.side, size.side], dtype: 'float32' } as const;
  return {
    inputs: { noisy: image, noise: image, times: { shape: [], dtype: 'int32' } },
    run<V>(nn: Nn<V>, { noisy, noise, times }: Readonly<Record<string, V>>) {
      const told = predictNoise(nn, noisy as V, times as V, size);
      return { loss: nn.meanSquaredError(told, noise as V), outputs: { told: nn.flatten(told) } };
    },
  };
}
