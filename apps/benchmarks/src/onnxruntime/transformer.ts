/**
 * The quick encoder-decoder of the language task as a graph: what `torch.nn.Transformer` computes, post-norm, with the
 * same parameters (see torch/README.md). Sequences are rows, so that every dense layer is one product.
 */

import { GraphBuilder, tensor, type Value } from '@vradam/onnx-autodiff';
import { openRandom } from '../random.ts';

/** Every number of the transformer. */
export interface TransformerSize {
  readonly vocabulary: number;
  readonly width: number;
  readonly heads: number;
  readonly feedForward: number;
  /** Positions of a sequence. */
  readonly length: number;
  readonly dropout: number;
}

/** The quick preset. */
export const quickTransformer: TransformerSize = {
  vocabulary: 2000,
  width: 64,
  heads: 4,
  feedForward: 128,
  length: 31,
  dropout: 0.2,
};

/** The graph while it is written. */
class Writer {
  readonly g: GraphBuilder = new GraphBuilder({ name: 'transformer' });
  readonly size: TransformerSize;
  readonly #random = openRandom(0, 1);

  constructor(size: TransformerSize) {
    this.size = size;
  }

  /** A parameter, uniform in +-bound; a bound of 0 gives `value`. */
  parameter(name: string, shape: readonly number[], bound: number, value = 0): Value {
    const length = shape.reduce((a, b) => a * b, 1);
    const draw = () => (bound === 0 ? value : this.#random.uniform(-bound, bound));
    return this.g.parameter(name, tensor('float32', shape, Array.from({ length }, draw)));
  }

  /** Dropout, as PyTorch exports it in training. */
  dropout(x: Value): Value {
    if (this.size.dropout === 0) return x;
    return this.g.op('Dropout', [x, this.g.scalar(this.size.dropout), this.g.constant([1], [], 'bool')]);
  }

  dense(x: Value, name: string, from: number, to: number): Value {
    const bound = Math.sqrt(6 / (from + to));
    const weight = this.parameter(`${name}.weight`, [to, from], bound);
    return this.g.gemm(x, weight, this.parameter(`${name}.bias`, [to], 0), { transB: 1 });
  }

  norm(x: Value, name: string): Value {
    const { width } = this.size;
    const affine = [
      this.parameter(`${name}.weight`, [width], 0, 1),
      this.parameter(`${name}.bias`, [width], 0),
    ];
    return this.g.op('LayerNormalization', [x, ...affine], { axis: -1, epsilon: 1e-5 });
  }

  /** Rows [batch * length, parts * width] as `parts` tensors [batch, heads, length, head]. */
  #heads(rows: Value, parts: number): readonly Value[] {
    const { heads, width, length } = this.size;
    const split = this.g.reshape(rows, [-1, length, parts, heads, width / heads]);
    const apart = this.g.transpose(split, [2, 0, 3, 1, 4]);
    const pieces = this.g.split(apart, new Array(parts).fill(1), 0);
    return pieces.map((piece) => (parts === 1 ? this.g.squeeze(apart, [0]) : this.g.squeeze(piece, [0])));
  }

  /** Multi-head attention of rows `x` to rows `memory`; in projection and bias are PyTorch's packed ones. */
  attention(x: Value, memory: Value, name: string, mask?: Value): Value {
    const { g } = this;
    const { width, heads } = this.size;
    const packed = this.parameter(`${name}.in_proj_weight`, [3 * width, width], Math.sqrt(6 / (4 * width)));
    const bias = this.parameter(`${name}.in_proj_bias`, [3 * width], 0);
    const project = (rows: Value, weight: Value, offset: Value) =>
      g.gemm(rows, weight, offset, { transB: 1 });
    let query: Value;
    let key: Value;
    let value: Value;
    if (x === memory) [query, key, value] = this.#heads(project(x, packed, bias), 3) as [Value, Value, Value];
    else {
      const [wq, wkv] = g.split(packed, [width, 2 * width], 0) as [Value, Value];
      const [bq, bkv] = g.split(bias, [width, 2 * width], 0) as [Value, Value];
      [query] = this.#heads(project(x, wq, bq), 1) as [Value];
      [key, value] = this.#heads(project(memory, wkv, bkv), 2) as [Value, Value];
    }
    const scores = g.mul(g.matMul(query, g.swapLast(key)), 1 / Math.sqrt(width / heads));
    const weights = this.dropout(g.softmax(mask ? g.add(scores, mask) : scores));
    const mixed = g.reshape(g.transpose(g.matMul(weights, value), [0, 2, 1, 3]), [-1, width]);
    return this.dense(mixed, `${name}.out_proj`, width, width);
  }

  feedForward(x: Value, name: string): Value {
    const { width, feedForward } = this.size;
    const hidden = this.dropout(this.g.relu(this.dense(x, `${name}.linear1`, width, feedForward)));
    return this.dense(hidden, `${name}.linear2`, feedForward, width);
  }

  /** `norm(x + dropout(y))`. */
  residual(x: Value, y: Value, name: string): Value {
    return this.norm(this.g.add(x, this.dropout(y)), name);
  }

  /** Tokens [batch, length] as rows with their positions. */
  embed(tokens: Value, name: string): Value {
    const { g } = this;
    const { vocabulary, width, length } = this.size;
    const table = this.parameter(`${name}.weight`, [vocabulary, width], 0.1);
    const scaled = g.mul(g.gather(table, tokens), Math.sqrt(width));
    const placed = g.add(scaled, g.tensor(tensor('float32', [length, width], positions(length, width))));
    return g.reshape(this.dropout(placed), [-1, width]);
  }
}

/** Sinusoidal positions: sine in even columns, cosine in odd ones, base 10000. */
function positions(length: number, width: number): number[] {
  return Array.from({ length: length * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    const angle = row * 10000 ** (-(column - (column % 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}

/** Additive mask that hides what comes later. */
function causalMask(length: number): number[] {
  return Array.from({ length: length * length }, (_, i) => (i % length > Math.floor(i / length) ? -1e9 : 0));
}

/** The model: input `tokens` int64 [batch, length], output `logits` [batch * length, vocabulary]. */
export function transformerGraph(size: TransformerSize): GraphBuilder {
  const w = new Writer(size);
  const { g } = w;
  const { vocabulary, width, length } = size;
  const tokens = g.input('tokens', 'int64', ['batch', length]);
  const source = w.embed(tokens, 'source');
  const target = w.embed(tokens, 'target');
  const layer = (name: string) => `transformer.${name}`;

  const encoder = layer('encoder.layers.0');
  const attended = w.residual(
    source,
    w.attention(source, source, `${encoder}.self_attn`),
    `${encoder}.norm1`,
  );
  const fed = w.residual(attended, w.feedForward(attended, encoder), `${encoder}.norm2`);
  const memory = w.norm(fed, layer('encoder.norm'));

  const decoder = layer('decoder.layers.0');
  const mask = g.tensor(tensor('float32', [length, length], causalMask(length)));
  const own = w.residual(
    target,
    w.attention(target, target, `${decoder}.self_attn`, mask),
    `${decoder}.norm1`,
  );
  const crossed = w.residual(own, w.attention(own, memory, `${decoder}.multihead_attn`), `${decoder}.norm2`);
  const decoded = w.norm(
    w.residual(crossed, w.feedForward(crossed, decoder), `${decoder}.norm3`),
    layer('decoder.norm'),
  );

  const weight = w.parameter('output.weight', [vocabulary, width], 0.1);
  g.output('logits', g.gemm(decoded, weight, w.parameter('output.bias', [vocabulary], 0), { transB: 1 }));
  return g;
}
