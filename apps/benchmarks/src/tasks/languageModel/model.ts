/**
 * The encoder-decoder that `torch.nn.Transformer` is: post-norm, the same parameters by the same names. Sequences are
 * rows [batch * length, width], so that every dense layer is one product.
 */

import type { HostTensor, Initializer, Network, Nn } from '../../nn/nn.ts';
import type { Masking } from '../task.ts';

/** Every number of the network. */
export interface TransformerSize {
  /** Tokens there are. */
  readonly vocabulary: number;
  /** Features of a position. */
  readonly width: number;
  /** Attention heads; they divide the width. */
  readonly heads: number;
  /** Layers of the encoder, and of the decoder. */
  readonly layers: number;
  /** Units of the feed-forward layers. */
  readonly feedForward: number;
  /** Positions of a sequence: one less than the tokens that it is cut to. */
  readonly length: number;
  /** Share of elements that dropout takes, in [0, 1). */
  readonly dropout: number;
}

const zero: Initializer = { kind: 'constant', value: 0 };
const uniform = (bound: number): Initializer => ({ kind: 'uniform', bound });
const xavier = (from: number, to: number): Initializer => uniform(Math.sqrt(6 / (from + to)));
const embeddingBound = uniform(0.1);

const matrix = (rows: number, columns: number, of: (row: number, column: number) => number): HostTensor => ({
  shape: [rows, columns],
  data: Float32Array.from({ length: rows * columns }, (_, i) => of(Math.floor(i / columns), i % columns)),
});

/** Sinusoidal positions: sine in even columns, cosine in odd ones, base 10000. */
const positions = (length: number, width: number): HostTensor =>
  matrix(length, width, (row, column) => {
    const angle = row * 10000 ** (-(column - (column % 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });

/** Added to scores, it hides what comes later. */
const later = (length: number): HostTensor =>
  matrix(length, length, (row, column) => (column > row ? -1e9 : 0));

/** The layers, over some words. */
class Layers<V> {
  readonly #nn: Nn<V>;
  readonly #size: TransformerSize;

  constructor(nn: Nn<V>, size: TransformerSize) {
    this.#nn = nn;
    this.#size = size;
  }

  /** Tokens [batch, length] as rows, with their positions. */
  embed(tokens: V, name: string): V {
    const nn = this.#nn;
    const { vocabulary, width, length, dropout } = this.#size;
    const table = nn.parameter(`${name}.weight`, [vocabulary, width], embeddingBound);
    const scaled = nn.scale(nn.embedding(table, tokens), Math.sqrt(width));
    const placed = nn.add(scaled, nn.constant(positions(length, width)));
    return nn.reshape(nn.dropout(placed, dropout), [-1, width]);
  }

  dense(rows: V, name: string, from: number, to: number, bias: Initializer): V {
    const weight = this.#nn.parameter(`${name}.weight`, [to, from], xavier(from, to));
    return this.#nn.linear(rows, weight, this.#nn.parameter(`${name}.bias`, [to], bias));
  }

  norm(rows: V, name: string): V {
    return this.#nn.layerNorm(rows, name, this.#size.width);
  }

  /** `norm(x + dropout(y))`. */
  residual(x: V, y: V, name: string): V {
    return this.norm(this.#nn.add(x, this.#nn.dropout(y, this.#size.dropout)), name);
  }

  feedForward(rows: V, name: string): V {
    const { width, feedForward, dropout } = this.#size;
    const bias = (from: number) => uniform(1 / Math.sqrt(from));
    const wide = this.#nn.relu(this.dense(rows, `${name}.linear1`, width, feedForward, bias(width)));
    const hidden = this.#nn.dropout(wide, dropout);
    return this.dense(hidden, `${name}.linear2`, feedForward, width, bias(feedForward));
  }

  /** Rows of `parts` projections side by side, as that many tensors [batch, heads, length, head]. */
  #heads(rows: V, parts: number): readonly V[] {
    const nn = this.#nn;
    const { width, heads, length } = this.#size;
    const apart = nn.reshape(rows, [-1, length, parts * heads, width / heads]);
    return nn.split(nn.transpose(apart, [0, 2, 1, 3]), new Array(parts).fill(heads), 1);
  }

  /** Queries, keys and values by PyTorch's packed projection: of one sequence in one product, of two in two. */
  #project(x: V, memory: V, name: string): readonly V[] {
    const nn = this.#nn;
    const { width } = this.#size;
    const weight = nn.parameter(`${name}.in_proj_weight`, [3 * width, width], xavier(width, 3 * width));
    const bias = nn.parameter(`${name}.in_proj_bias`, [3 * width], zero);
    if (x === memory) return this.#heads(nn.linear(x, weight, bias), 3);
    const [own, others] = nn.split(weight, [width, 2 * width], 0) as [V, V];
    const [ownBias, othersBias] = nn.split(bias, [width, 2 * width], 0) as [V, V];
    const queries = this.#heads(nn.linear(x, own, ownBias), 1);
    return [...queries, ...this.#heads(nn.linear(memory, others, othersBias), 2)];
  }

  /** Multi-head attention of `x` to `memory`; `masked` hides what comes later. */
  attention(x: V, memory: V, name: string, masked: boolean): V {
    const nn = this.#nn;
    const { width, heads, length, dropout } = this.#size;
    const [queries, keys, values] = this.#project(x, memory, name) as [V, V, V];
    const products = nn.matMul(queries, nn.transpose(keys, [0, 1, 3, 2]));
    const scores = nn.scale(products, 1 / Math.sqrt(width / heads));
    const weights = nn.softmax(masked ? nn.add(scores, nn.constant(later(length))) : scores);
    const mixed = nn.matMul(nn.dropout(weights, dropout), values);
    const rows = nn.reshape(nn.transpose(mixed, [0, 2, 1, 3]), [-1, width]);
    return this.dense(rows, `${name}.out_proj`, width, width, zero);
  }

  encoderLayer(x: V, name: string, masked: boolean): V {
    const attended = this.residual(x, this.attention(x, x, `${name}.self_attn`, masked), `${name}.norm1`);
    return this.residual(attended, this.feedForward(attended, name), `${name}.norm2`);
  }

  decoderLayer(x: V, memory: V, name: string, masked: boolean): V {
    const own = this.residual(x, this.attention(x, x, `${name}.self_attn`, true), `${name}.norm1`);
    const crossed = this.attention(own, memory, `${name}.multihead_attn`, masked);
    const informed = this.residual(own, crossed, `${name}.norm2`);
    return this.residual(informed, this.feedForward(informed, name), `${name}.norm3`);
  }
}

/**
 * Logits of the tokens that follow.
 *
 * @param tokens - int32 [batch, length]; the encoder and the decoder both read them, as published.
 * @returns [batch * length, vocabulary], sequence by sequence.
 */
export function nextTokenLogits<V>(nn: Nn<V>, tokens: V, size: TransformerSize, masking: Masking): V {
  const layers = new Layers(nn, size);
  const masked = masking === 'causal';
  const numbers = Array.from({ length: size.layers }, (_, i) => i);

  let memory = layers.embed(tokens, 'source');
  let x = layers.embed(tokens, 'target');
  for (const i of numbers) memory = layers.encoderLayer(memory, `transformer.encoder.layers.${i}`, masked);
  memory = layers.norm(memory, 'transformer.encoder.norm');
  for (const i of numbers) x = layers.decoderLayer(x, memory, `transformer.decoder.layers.${i}`, masked);
  x = layers.norm(x, 'transformer.decoder.norm');

  const weight = nn.parameter('output.weight', [size.vocabulary, size.width], embeddingBound);
  return nn.linear(x, weight, nn.parameter('output.bias', [size.vocabulary], zero));
}

/**
 * The language model: tokens in, one loss for each token that follows, and the likeliest tokens.
 *
 * @param padding - label that has no loss; null where there is none.
 */
export function languageModelNetwork(
  size: TransformerSize,
  masking: Masking,
  padding: number | null,
): Network {
  const sequence = { shape: [size.length], dtype: 'int32' } as const;
  return {
    inputs: { tokens: sequence, labels: sequence },
    run<V>(nn: Nn<V>, inputs: Readonly<Record<string, V>>) {
      const logits = nextTokenLogits(nn, inputs['tokens'] as V, size, masking);
      const labels = nn.reshape(inputs['labels'] as V, [-1]);
      const loss = nn.crossEntropy(logits, labels, padding === null ? {} : { ignore: padding });
      return { loss, outputs: { likeliest: nn.argMax(logits) } };
    },
  };
}
