/** The training steps that are measured: models with a batch of random numbers. */

import { crossEntropy, GraphBuilder, type Loss, tensor, type Value } from '@vradam/onnx-autodiff';
import type { Feeds } from '@vradam/onnxruntime';
import type { Network } from '../nn/nn.ts';
import { onnxGraph } from '../nn/onnx.ts';
import { initialParameters, summarize } from '../nn/shapes.ts';
import { openRandom, type Random } from '../random.ts';
import { cnn } from '../tasks/cifar10Cnn/model.ts';
import { presets } from '../tasks/cifar10Cnn/presets.ts';
import { diffusionNetwork } from '../tasks/diffusion/model.ts';
import { presets as diffusionPresets } from '../tasks/diffusion/presets.ts';
import { languageModelNetwork, type TransformerSize } from '../tasks/languageModel/model.ts';
import { presets as languagePresets } from '../tasks/languageModel/presets.ts';

/** A model with its batch. */
export interface TrainingCase {
  /** What it is. */
  readonly summary: string;
  /** Measured steps, and steps before them. */
  readonly steps: number;
  readonly warmup: number;
  /** The model. */
  graph(): GraphBuilder;
  /** What is minimized. */
  readonly loss: Loss;
  /** A batch. */
  feeds(): Feeds;
}

const normal = (random: Random, length: number): Float32Array =>
  Float32Array.from({ length }, () => random.normal());
const whole = (random: Random, length: number, end: number): Int32Array =>
  Int32Array.from({ length }, () => random.integer(end));

function perceptron(): GraphBuilder {
  const g = new GraphBuilder({ name: 'mlp' });
  const random = openRandom(0, 1);
  const layer = (x: Value, name: string, from: number, to: number): Value => {
    const draw = (length: number) => Array.from({ length }, () => random.uniform(-1, 1) / Math.sqrt(from));
    const weight = g.parameter(`${name}.weight`, tensor('float32', [to, from], draw(to * from)));
    return g.gemm(x, weight, g.parameter(`${name}.bias`, tensor('float32', [to], draw(to))), { transB: 1 });
  };
  const hidden = g.relu(layer(g.input('x', 'float32', ['batch', 784]), 'dense1', 784, 256));
  g.output('logits', layer(hidden, 'dense2', 256, 10));
  return g;
}

/** The graph of a network with its first weights. */
function graphOf(network: Network): GraphBuilder {
  const summary = summarize(network);
  return onnxGraph(network, { parameters: initialParameters(summary, 0, 1), buffers: summary.buffers });
}

function images(widths: readonly [number, number, number], hidden: number): GraphBuilder {
  return graphOf(cnn({ ...presets.quick, widths, hidden }, 32, 10));
}

const { vocabularyLimit, ...quick } = languagePresets.quick;
const transformerSize: TransformerSize = { ...quick, vocabulary: vocabularyLimit };

/** Masked as published, which is what `torch.nn.Transformer` gets. */
function transformer(dropout: number): GraphBuilder {
  return graphOf(languageModelNetwork({ ...transformerSize, dropout }, 'as-published', null));
}

function classified(inputs: string, batch: number, shape: readonly number[]): Feeds {
  const random = openRandom(0, 2);
  const length = shape.reduce((a, b) => a * b, batch);
  return {
    [inputs]: { dims: [batch, ...shape], data: normal(random, length) },
    labels: { dims: [batch], data: whole(random, batch, 10) },
  };
}

function text(batch: number): Feeds {
  const { length, vocabulary } = transformerSize;
  const random = openRandom(0, 2);
  const tokens = () => ({ dims: [batch, length], data: whole(random, batch * length, vocabulary) });
  return { tokens: tokens(), labels: tokens() };
}

function noisyPictures(batch: number): Feeds {
  const { side, times } = diffusionPresets.quick;
  const random = openRandom(0, 2);
  const pictures = () => ({ dims: [batch, 1, side, side], data: normal(random, batch * side * side) });
  return {
    noisy: pictures(),
    noise: pictures(),
    times: { dims: [batch], data: whole(random, batch, times) },
  };
}

const meanOfLosses: Loss = (g, values) => g.reduceMean(values.get('losses') as Value);

/** The cases by name; torch/trainingStep.py has the same. */
export const trainingCases: Readonly<Record<string, TrainingCase>> = {
  mlp: {
    summary: '784-256-10, ReLU; batch 128',
    steps: 300,
    warmup: 30,
    graph: perceptron,
    loss: crossEntropy(),
    feeds: () => classified('x', 128, [784]),
  },
  'cnn-small': {
    summary: 'CIFAR-10 CNN, widths 8/16/32, hidden 64; batch 128',
    steps: 50,
    warmup: 5,
    graph: () => images([8, 16, 32], 64),
    loss: meanOfLosses,
    feeds: () => classified('images', 128, [3, 32, 32]),
  },
  'cnn-paper': {
    summary: 'CIFAR-10 CNN, widths 64/128/256, hidden 512; batch 64',
    steps: 12,
    warmup: 3,
    graph: () => images([64, 128, 256], 512),
    loss: meanOfLosses,
    feeds: () => classified('images', 64, [3, 32, 32]),
  },
  transformer: {
    summary: 'encoder-decoder, width 64, vocabulary 2000, dropout 0.2; batch 16 of 31 tokens',
    steps: 100,
    warmup: 10,
    graph: () => transformer(transformerSize.dropout),
    loss: meanOfLosses,
    feeds: () => text(16),
  },
  'transformer-no-dropout': {
    summary: 'encoder-decoder, width 64, vocabulary 2000, dropout 0; batch 16 of 31 tokens',
    steps: 100,
    warmup: 10,
    graph: () => transformer(0),
    loss: meanOfLosses,
    feeds: () => text(16),
  },
  unet: {
    summary: 'diffusion UNet, widths 8/16/32, 14 x 14 pixels, dropout 0.1; batch 32',
    steps: 100,
    warmup: 10,
    graph: () => graphOf(diffusionNetwork(diffusionPresets.quick)),
    loss: meanOfLosses,
    feeds: () => noisyPictures(32),
  },
};
