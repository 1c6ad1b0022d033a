/** An interpreter of models in plain float64 loops, in the order of their definitions: slow, and easy to believe. */

import type { Batch, HostTensor, Network, Nn } from '../src/nn/nn.ts';

/** Numbers with a shape, row-major. */
export interface Plain {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Makes a tensor by the indices of its elements. */
function make(shape: readonly number[], of: (...at: number[]) => number): Plain {
  const data: number[] = [];
  const visit = (axis: number, at: number[]): void => {
    if (axis === shape.length) data.push(of(...at));
    else for (let i = 0; i < (shape[axis] as number); i++) visit(axis + 1, [...at, i]);
  };
  visit(0, []);
  return { shape, data };
}

/** An element; 0 outside. */
function get({ shape, data }: Plain, ...at: number[]): number {
  let index = 0;
  for (const [axis, size] of shape.entries()) {
    const i = at[axis] as number;
    if (i < 0 || i >= size) return 0;
    index = index * size + i;
  }
  return data[index] as number;
}

const range = (end: number): number[] => Array.from({ length: end }, (_, i) => i);
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const map = ({ shape, data }: Plain, of: (value: number, i: number) => number): Plain => ({
  shape,
  data: data.map(of),
});

/** Values less their mean, divided by their deviation. */
function standardized(values: readonly number[], epsilon: number): number[] {
  const mean = sum(values) / values.length;
  const variance = sum(values.map((value) => (value - mean) ** 2)) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance + epsilon));
}

const missing = (): never => {
  throw new Error('this interpreter has no such word');
};

/** The words, over parameters by name. Dropout leaves everything as it is. */
function plainNn(parameters: ReadonlyMap<string, Plain>): Nn<Plain> {
  const named = (name: string): Plain => parameters.get(name) ?? missing();
  const nn: Nn<Plain> = {
    parameter: named,
    conv2d(x, weight, bias, { stride = 1, padding = 0 } = {}) {
      const [n = 0, c = 0, h = 0, w = 0] = x.shape;
      const [o = 0, , kh = 0, kw = 0] = weight.shape;
      const out = (size: number, taps: number) => Math.floor((size + 2 * padding - taps) / stride) + 1;
      return make([n, o, out(h, kh), out(w, kw)], (i, j, y, z) => {
        let value = bias ? get(bias, j) : 0;
        for (const k of range(c))
          for (const a of range(kh))
            for (const b of range(kw))
              value +=
                get(weight, j, k, a, b) * get(x, i, k, y * stride + a - padding, z * stride + b - padding);
        return value;
      });
    },
    batchNorm: missing,
    relu: (x) => map(x, (value) => Math.max(value, 0)),
    silu: (x) => map(x, (value) => value / (1 + Math.exp(-value))),
    groupNorm(x, name, channels, { groups, epsilon = 1e-5 }) {
      const [n = 0, , h = 0, w = 0] = x.shape;
      const group = (channels / groups) * h * w;
      const values = range(n * groups).flatMap((i) =>
        standardized(x.data.slice(i * group, (i + 1) * group), epsilon),
      );
      return map({ shape: x.shape, data: values }, (value, i) => {
        const channel = Math.floor(i / (h * w)) % channels;
        return value * get(named(`${name}.weight`), channel) + get(named(`${name}.bias`), channel);
      });
    },
    maxPool2d(x, size) {
      const [n = 0, c = 0, h = 0, w = 0] = x.shape;
      return make([n, c, Math.floor(h / size), Math.floor(w / size)], (i, j, y, z) =>
        Math.max(
          ...range(size).flatMap((a) => range(size).map((b) => get(x, i, j, y * size + a, z * size + b))),
        ),
      );
    },
    subsample(x, stride) {
      const [n = 0, c = 0, h = 0, w = 0] = x.shape;
      return make([n, c, Math.ceil(h / stride), Math.ceil(w / stride)], (i, j, y, z) =>
        get(x, i, j, y * stride, z * stride),
      );
    },
    padChannels(x, extra) {
      const [n = 0, c = 0, h = 0, w = 0] = x.shape;
      return make([n, c + extra, h, w], (...at) => get(x, ...at));
    },
    globalAverage(x) {
      const [n = 0, c = 0, h = 0, w = 0] = x.shape;
      return make([n, c], (i, j) => {
        const begin = (i * c + j) * h * w;
        return sum(x.data.slice(begin, begin + h * w)) / (h * w);
      });
    },
    resizeImages(x, [height, width]) {
      const [n = 0, c = 0, h = 0, w = 0] = x.shape;
      return make([n, c, height, width], (i, j, y, z) =>
        get(x, i, j, Math.floor((y * h) / height), Math.floor((z * w) / width)),
      );
    },
    joinImages(images) {
      const [n = 0, , h = 0, w = 0] = images[0]?.shape ?? [];
      const all = images.flatMap((image) => range(image.shape[1] as number).map((j) => [image, j] as const));
      return make([n, all.length, h, w], (i, j, y, z) => {
        const [image, channel] = all[j] as (typeof all)[number];
        return get(image, i, channel, y, z);
      });
    },
    shiftImages: (x, channels) => make(x.shape, (i, j, y, z) => get(x, i, j, y, z) + get(channels, i, j)),
    dropImages: (x) => x,
    pixelsOfImages(x) {
      const [n = 0, c = 0, h = 0, w = 0] = x.shape;
      return make([n, h * w, c], (i, p, j) => get(x, i, j, Math.floor(p / w), p % w));
    },
    imagesOfPixels: (x, [h, w]) =>
      make([x.shape[0] as number, x.shape[2] as number, h, w], (i, j, y, z) => get(x, i, y * w + z, j)),
    flatten: (x) => nn.reshape(x, [x.shape[0] as number, -1]),
    linear: (x, weight, bias) =>
      make([x.shape[0] as number, weight.shape[0] as number], (i, j) =>
        sum([get(bias, j), ...range(x.shape[1] as number).map((k) => get(x, i, k) * get(weight, j, k))]),
      ),
    embedding: (table, indices) => ({
      shape: [...indices.shape, table.shape[1] as number],
      data: indices.data.flatMap((row) => range(table.shape[1] as number).map((k) => get(table, row, k))),
    }),
    constant: fromHost,
    add: (a, b) => map(a, (value, i) => value + (b.data[i % b.data.length] as number)),
    mul: (a, b) => map(a, (value, i) => value * (b.data[i % b.data.length] as number)),
    log: (x) => map(x, (value) => Math.log(value)),
    softplus: (x) => map(x, (value) => Math.log1p(Math.exp(value))),
    mean(x, axis) {
      const at = axis < 0 ? axis + x.shape.length : axis;
      const length = x.shape[at] as number;
      const rest = x.shape.filter((_, i) => i !== at);
      return make(
        rest,
        (...others) => sum(range(length).map((i) => get(x, ...others.toSpliced(at, 0, i)))) / length,
      );
    },
    scale: (x, factor) => map(x, (value) => factor * value),
    matMul(a, b) {
      const [m = 0, k = 0] = a.shape.slice(-2);
      const n = b.shape.at(-1) as number;
      const shape = [...a.shape.slice(0, -2), m, n];
      const { data } = make([sizeOf(shape) / (m * n), m, n], (i, y, z) =>
        sum(range(k).map((l) => (a.data[(i * m + y) * k + l] ?? 0) * (b.data[(i * k + l) * n + z] ?? 0))),
      );
      return { shape, data };
    },
    softmax(x) {
      const width = x.shape.at(-1) as number;
      const exponentials = x.data.map(Math.exp);
      return map({ shape: x.shape, data: exponentials }, (value, i) => {
        const begin = i - (i % width);
        return value / sum(exponentials.slice(begin, begin + width));
      });
    },
    layerNorm: missing,
    dropout: (x) => x,
    transpose(x, order) {
      const shape = order.map((axis) => x.shape[axis] as number);
      return make(shape, (...at) => get(x, ...order.map((_, axis) => at[order.indexOf(axis)] as number)));
    },
    reshape(x, shape) {
      const known = sizeOf(shape.filter((size) => size !== -1));
      return { shape: shape.map((size) => (size === -1 ? x.data.length / known : size)), data: x.data };
    },
    split(x, sizes, axis) {
      let begin = 0;
      return sizes.map((size) => {
        const from = begin;
        begin += size;
        const shape = x.shape.map((whole, i) => (i === axis ? size : whole));
        return make(shape, (...at) => get(x, ...at.map((i, k) => (k === axis ? i + from : i))));
      });
    },
    argMax: missing,
    crossEntropy: missing,
    meanSquaredError(a, b) {
      const [n = 0] = a.shape;
      const each = a.data.length / n;
      const squares = a.data.map((value, i) => (value - (b.data[i] as number)) ** 2);
      return { shape: [n], data: range(n).map((i) => sum(squares.slice(i * each, (i + 1) * each)) / each) };
    },
  };
  return nn;
}

/** A tensor of the host. */
export function fromHost({ shape, data }: HostTensor): Plain {
  return { shape, data: [...data] };
}

/** Mean of the losses of a batch. */
export function plainLoss(network: Network, parameters: ReadonlyMap<string, Plain>, batch: Batch): number {
  const inputs = Object.entries(batch).map(([name, tensor]) => [name, fromHost(tensor)] as const);
  const { loss } = network.run(plainNn(parameters), Object.fromEntries(inputs));
  return sum(loss.data) / loss.data.length;
}
