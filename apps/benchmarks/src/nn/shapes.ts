/** The interpreter that only counts: shapes, parameters and multiplications, without a number computed. */

import { benchmarkError } from '../errors.ts';
import { openRandom, type Random } from '../random.ts';
import type { HostTensor, Initializer, Network, Nn } from './nn.ts';

/** A parameter of a network. */
export interface ParameterSpec {
  /** Row-major shape. */
  readonly shape: readonly number[];
  /** How it begins. */
  readonly initializer: Initializer;
}

/** What a network consists of. */
export interface NetworkSummary {
  /** Parameters by name, in the order of their use. */
  readonly parameters: ReadonlyMap<string, ParameterSpec>;
  /** Buffers that are no parameters, by name, with their first value. */
  readonly buffers: ReadonlyMap<string, HostTensor>;
  /** Elements of all parameters. */
  readonly parameterCount: number;
  /** Multiply-accumulates of one example's forward pass in convolutions and products. */
  readonly macs: number;
}

type Shape = readonly number[];

const endsWith = (a: Shape, b: Shape): boolean => String(a.slice(a.length - b.length)) === String(b);
const count = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

function mismatch(what: string, wanted: unknown, received: Shape): never {
  throw benchmarkError('ERR_SHAPE_MISMATCH', {
    wrong: `${what} must be ${wanted}`,
    received: `[${received}]`,
    action: 'Fix the model.',
  });
}

/**
 * Summarizes a network; throws `ERR_SHAPE_MISMATCH` where its layers do not fit together. Over 40 lines: a line or two for
 * each word of the model.
 */
export function summarize(network: Network): NetworkSummary {
  const parameters = new Map<string, ParameterSpec>();
  const buffers = new Map<string, HostTensor>();
  let macs = 0;

  const fill = (shape: Shape, value: number): HostTensor => ({
    shape,
    data: new Float32Array(count(shape)).fill(value),
  });
  const constant = (value: number): Initializer => ({ kind: 'constant', value });

  const nn: Nn<Shape> = {
    parameter(name, shape, initializer) {
      const known = parameters.get(name);
      if (known && String(known.shape) !== String(shape))
        mismatch(`parameter ${name}`, `[${known.shape}]`, shape);
      parameters.set(name, { shape, initializer });
      return shape;
    },
    conv2d(
      [n = 0, c = 0, h = 0, w = 0],
      [o = 0, i = 0, kh = 0, kw = 0],
      bias,
      { stride = 1, padding = 0 } = {},
    ) {
      if (i !== c || (bias && bias[0] !== o))
        mismatch('a convolution', `of ${c} channels, with ${o} biases`, [o, i, kh, kw]);
      const out = [h, w].map(
        (size, axis) => Math.floor((size + 2 * padding - ([kh, kw][axis] as number)) / stride) + 1,
      );
      macs += count(out) * o * i * kh * kw;
      return [n, o, ...out];
    },
    batchNorm(x, name, channels, { gain = 1, running = true } = {}) {
      if (x[1] !== channels) mismatch(`the input of ${name}`, `of ${channels} channels`, x);
      nn.parameter(`${name}.weight`, [channels], constant(gain));
      nn.parameter(`${name}.bias`, [channels], constant(0));
      if (!running) return x;
      buffers.set(`${name}.runningMean`, fill([channels], 0));
      buffers.set(`${name}.runningVariance`, fill([channels], 1));
      return x;
    },
    relu: (x) => x,
    silu: (x) => x,
    groupNorm(x, name, channels, { groups }) {
      if (x[1] !== channels) mismatch(`the input of ${name}`, `of ${channels} channels`, x);
      if (channels % groups !== 0) mismatch(`the channels of ${name}`, `a multiple of ${groups}`, [channels]);
      nn.parameter(`${name}.weight`, [channels], constant(1));
      nn.parameter(`${name}.bias`, [channels], constant(0));
      return x;
    },
    maxPool2d([n = 0, c = 0, h = 0, w = 0], size) {
      if (h < size || w < size) mismatch('a pooled image', `${size} pixels high and wide at least`, [h, w]);
      return [n, c, Math.floor(h / size), Math.floor(w / size)];
    },
    resizeImages: ([n = 0, c = 0], size) => [n, c, ...size],
    joinImages(images) {
      const [n = 0, , ...size] = images[0] ?? [];
      const odd = images.find(([, , ...other]) => String(other) !== String(size));
      if (odd) mismatch('joined images', `of the size [${size}]`, odd);
      return [n, images.reduce((sum, [, channels = 0]) => sum + channels, 0), ...size];
    },
    shiftImages(x, channels) {
      if (String(channels) !== String(x.slice(0, 2))) mismatch('a shift', `[${x.slice(0, 2)}]`, channels);
      return x;
    },
    dropImages: (x) => x,
    pixelsOfImages: ([n = 0, c = 0, h = 0, w = 0]) => [n, h * w, c],
    imagesOfPixels([n = 0, count = 0, c = 0], [h, w]) {
      if (count !== h * w) mismatch('the pixels', `${h} x ${w}`, [count]);
      return [n, c, h, w];
    },
    subsample: ([n = 0, c = 0, ...sizes], stride) => [n, c, ...sizes.map((size) => Math.ceil(size / stride))],
    padChannels: ([n = 0, c = 0, ...sizes], extra) => [n, c + extra, ...sizes],
    globalAverage: ([n = 0, c = 0]) => [n, c],
    flatten: ([n = 0, ...rest]) => [n, count(rest)],
    linear([n = 0, features = 0], [out = 0, from = 0], bias) {
      if (from !== features || bias[0] !== out)
        mismatch('a dense layer', `from ${features} features`, [out, from]);
      macs += n * out * from;
      return [n, out];
    },
    embedding: ([, width = 0], indices) => [...indices, width],
    constant: ({ shape }) => shape,
    add(a, b) {
      if (!endsWith(a, b)) mismatch('the second term', `the end of [${a}]`, b);
      return a;
    },
    mul(a, b) {
      if (!endsWith(a, b)) mismatch('the second factor', `the end of [${a}]`, b);
      return a;
    },
    log: (x) => x,
    softplus: (x) => x,
    mean: (x, axis) => x.filter((_, i) => i !== (axis + x.length) % x.length),
    scale: (x) => x,
    matMul(a, b) {
      const [m = 0, k = 0] = a.slice(-2);
      const [inner = 0, n = 0] = b.slice(-2);
      const before = a.slice(0, -2);
      if (inner !== k || String(b.slice(0, -2)) !== String(before))
        mismatch('the second factor', `[${[...before, k, 'n']}]`, b);
      macs += count(before) * m * k * n;
      return [...before, m, n];
    },
    softmax: (x) => x,
    layerNorm(x, name, width) {
      if (x.at(-1) !== width) mismatch(`the input of ${name}`, `of ${width} features`, x);
      nn.parameter(`${name}.weight`, [width], constant(1));
      nn.parameter(`${name}.bias`, [width], constant(0));
      return x;
    },
    dropout: (x) => x,
    transpose: (x, order) => order.map((axis) => x[axis] as number),
    reshape(x, shape) {
      const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
      const made = shape.map((size) => (size === -1 ? count(x) / known : size));
      if (!made.every(Number.isInteger) || count(made) !== count(x))
        mismatch('a reshaped value', `of a size that fits [${shape}]`, x);
      return made;
    },
    split(x, sizes, axis) {
      if (sizes.reduce((a, b) => a + b, 0) !== x[axis])
        mismatch('a split value', `of ${sizes.join(' + ')} in axis ${axis}`, x);
      return sizes.map((size) => x.map((whole, i) => (i === axis ? size : whole)));
    },
    argMax: (x) => x.slice(0, -1),
    crossEntropy([n = 0], [labels = 0]) {
      if (n !== labels) mismatch('the labels', `of ${n} examples`, [labels]);
      return [n];
    },
    meanSquaredError(a, b) {
      if (String(a) !== String(b)) mismatch('what a value is compared with', `[${a}]`, b);
      return a.slice(0, 1);
    },
  };

  const inputs = Object.entries(network.inputs).map(([name, { shape }]) => [name, [1, ...shape]] as const);
  const { loss } = network.run(nn, Object.fromEntries(inputs));
  if (loss.length !== 1) mismatch('the loss', 'one number an example', loss);
  const parameterCount = [...parameters.values()].reduce((sum, { shape }) => sum + count(shape), 0);
  return { parameters, buffers, parameterCount, macs };
}

/** One element of a parameter. A normal one is never beyond 3 deviations: see {@link Random}. */
function draw(random: Random, initializer: Initializer): number {
  switch (initializer.kind) {
    case 'constant':
      return initializer.value;
    case 'uniform':
      return random.uniform(-initializer.bound, initializer.bound);
    case 'normal':
      return initializer.deviation * random.normal();
    default:
      return initializer satisfies never;
  }
}

/**
 * The first values of all parameters: the same seed gives the same numbers on every engine and machine.
 *
 * @param stream - random stream of the seed.
 */
export function initialParameters(
  { parameters }: NetworkSummary,
  seed: number,
  stream: number,
): ReadonlyMap<string, HostTensor> {
  const random = openRandom(seed, stream);
  const values = [...parameters].map(([name, { shape, initializer }]): [string, HostTensor] => {
    const data = Float32Array.from({ length: count(shape) }, () => draw(random, initializer));
    return [name, { shape, data }];
  });
  return new Map(values);
}
