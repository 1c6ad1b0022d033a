/** The interpreter that writes an ONNX graph. Shapes and layouts of the model are ONNX's own. */

import { type Dim, GraphBuilder, tensor, type Value } from '@vradam/onnx-autodiff';
import type { HostTensor, Network, Nn } from './nn.ts';

/** Values that a network begins with. */
export interface OnnxContext {
  /** First values of the parameters. */
  readonly parameters: ReadonlyMap<string, HostTensor>;
  /** First values of the buffers. */
  readonly buffers: ReadonlyMap<string, HostTensor>;
}

/** Output with the loss of each example. */
export const lossesOutput = 'losses';

/** Behind the last pixel, for ONNX's Slice. */
const end = 2 ** 31 - 1;

/** Normalizes images by the statistics of the batch at hand, in training and evaluation alike. */
function batchStatisticsNorm(
  g: GraphBuilder,
  x: Value,
  affine: readonly Value[],
  channels: number,
  epsilon: number,
): Value {
  const [weight, bias] = affine.map((value) => g.reshape(value, [1, channels, 1, 1])) as [Value, Value];
  const centered = g.sub(x, g.reduceMean(x, [0, 2, 3], true));
  const variance = g.reduceMean(g.mul(centered, centered), [0, 2, 3], true);
  return g.add(g.mul(centered, g.div(weight, g.sqrt(g.add(variance, epsilon)))), bias);
}

/** Height and width of images, which a model always knows. */
const sizeOf = (g: GraphBuilder, x: Value): number[] => g.knownShape(x).slice(2).map(Number);

/** The words of the model, as nodes of `g`. Over 40 lines: a line or two for each word. */
function onnxNn(g: GraphBuilder, { parameters, buffers }: OnnxContext): Nn<Value> {
  const made = new Map<string, Value>();
  const named = (values: ReadonlyMap<string, HostTensor>, name: string): Value => {
    const value = values.get(name);
    if (!value) throw new Error(`the network has no variable ${name}`);
    const variable = made.get(name) ?? g.parameter(name, tensor('float32', value.shape, value.data));
    made.set(name, variable);
    return variable;
  };
  // in training mode, as PyTorch exports a model in training; a session draws the masks
  const drop = (x: Value, ratio: number): Value =>
    ratio === 0 ? x : g.op('Dropout', [x, g.scalar(ratio), g.constant([1], [], 'bool')]);
  const nn: Nn<Value> = {
    parameter: (name) => named(parameters, name),
    conv2d: (x, weight, bias, { stride = 1, padding = 0 } = {}) =>
      g.conv(x, weight, bias ?? undefined, {
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
      }),
    batchNorm(x, name, channels, { momentum = 0.1, epsilon = 1e-5, running: runs = true } = {}) {
      const affine = [named(parameters, `${name}.weight`), named(parameters, `${name}.bias`)];
      if (!runs) return batchStatisticsNorm(g, x, affine, channels, epsilon);
      const running = [named(buffers, `${name}.runningMean`), named(buffers, `${name}.runningVariance`)];
      // training mode, as PyTorch exports a model in training; ONNX's momentum is the share of the old
      const attributes = { epsilon, momentum: 1 - momentum, training_mode: 1 };
      return g.ops('BatchNormalization', [x, ...affine, ...running], attributes, 3)[0] as Value;
    },
    relu: (x) => g.relu(x),
    silu: (x) => g.mul(x, g.sigmoid(x)),
    groupNorm(x, name, channels, { groups, epsilon = 1e-5 }) {
      // the same for a group as for the one channel of InstanceNormalization, which has no scale of its own here
      const [ones, zeros] = [1, 0].map((value) => g.constant(new Array(groups).fill(value))) as [
        Value,
        Value,
      ];
      const grouped = g.reshape(x, [0, groups, -1]);
      const normalized = g.reshape(g.op('InstanceNormalization', [grouped, ones, zeros], { epsilon }), [
        0,
        channels,
        ...sizeOf(g, x),
      ]);
      const affine = ['weight', 'bias'].map((part) =>
        g.reshape(named(parameters, `${name}.${part}`), [channels, 1, 1]),
      ) as [Value, Value];
      return g.add(g.mul(normalized, affine[0]), affine[1]);
    },
    maxPool2d: (x, size) => g.maxPool(x, { kernel_shape: [size, size], strides: [size, size] }),
    subsample: (x, stride) => g.slice(x, [0, 0], [end, end], [2, 3], [stride, stride]),
    padChannels: (x, extra) => g.pad(x, [0, 0, 0, 0, 0, extra, 0, 0]),
    globalAverage: (x) => g.reduceMean(x, [2, 3]),
    resizeImages: (x, size) =>
      g.op('Resize', [x, undefined, undefined, g.ints(size)], {
        axes: [2, 3],
        mode: 'nearest',
        coordinate_transformation_mode: 'asymmetric',
        nearest_mode: 'floor',
      }),
    joinImages: (images) => g.concat(images, 1),
    shiftImages: (x, channels) => g.add(x, g.unsqueeze(channels, [2, 3])),
    dropImages: drop,
    pixelsOfImages: (x) => g.transpose(g.reshape(x, [0, 0, -1]), [0, 2, 1]),
    imagesOfPixels: (x, size) => g.reshape(g.transpose(x, [0, 2, 1]), [0, 0, ...size]),
    flatten: (x) => g.op('Flatten', [x], { axis: 1 }),
    linear: (x, weight, bias) => g.gemm(x, weight, bias, { transB: 1 }),
    embedding: (table, indices) => g.gather(table, indices),
    constant: ({ shape, data }) => g.tensor(tensor('float32', shape, data)),
    add: (a, b) => g.add(a, b),
    mul: (a, b) => g.mul(a, b),
    log: (x) => g.log(x),
    softplus: (x) => g.softplus(x),
    mean: (x, axis) => g.reduceMean(x, [axis]),
    scale: (x, factor) => g.mul(x, factor),
    matMul: (a, b) => g.matMul(a, b),
    softmax: (x) => g.softmax(x),
    layerNorm(x, name, _width, { epsilon = 1e-5 } = {}) {
      const affine = [named(parameters, `${name}.weight`), named(parameters, `${name}.bias`)];
      return g.op('LayerNormalization', [x, ...affine], { axis: -1, epsilon });
    },
    dropout: drop,
    transpose: (x, order) => g.transpose(x, order),
    reshape: (x, shape) => g.reshape(x, shape),
    split: (x, sizes, axis) => g.split(x, sizes, axis),
    argMax: (x) => g.cast(g.op('ArgMax', [x], { axis: -1, keepdims: 0 }), 'float32'),
    crossEntropy: (logits, labels, { ignore } = {}) =>
      g.op('SoftmaxCrossEntropyLoss', [logits, labels], {
        reduction: 'none',
        ...(ignore !== undefined && { ignore_index: ignore }),
      }),
    meanSquaredError(a, b) {
      const difference = g.op('Flatten', [g.sub(a, b)], { axis: 1 });
      return g.reduceMean(g.mul(difference, difference), [1]);
    },
  };
  return nn;
}

/** Writes a network as a graph: its inputs with a batch of any size, its outputs, and the loss of each example. */
export function onnxGraph(network: Network, context: OnnxContext): GraphBuilder {
  const g = new GraphBuilder({ name: 'network' });
  const inputs = Object.entries(network.inputs).map(([name, { shape, dtype, rows = 'batch' }]) => {
    const dims: Dim[] = [rows, ...shape];
    return [name, g.input(name, dtype === 'int32' ? 'int64' : 'float32', dims)] as const;
  });
  const { loss, outputs } = network.run(onnxNn(g, context), Object.fromEntries(inputs));
  for (const [name, value] of Object.entries(outputs)) g.output(name, value);
  g.output(lossesOutput, loss);
  return g;
}
