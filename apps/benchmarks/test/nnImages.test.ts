/** The words for images: every engine's value and gradient are those of plain float64 loops. */

import { sgd } from '@vradam/core';
import { expect, test } from 'vitest';
import { enginesIn, startEngine } from '../src/engines/index.ts';
import { convLayer, linearLayer } from '../src/nn/layers.ts';
import type { Batch, HostTensor, Network, Nn } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { openRandom } from '../src/random.ts';
import { diffusionNetwork, type UNetSize } from '../src/tasks/diffusion/model.ts';
import { fromHost, type Plain, plainLoss } from './plainNn.ts';

const [count, channels, side] = [3, 2, 6];

function numbers(seed: number, ...shape: number[]): HostTensor {
  const random = openRandom(seed, 0);
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, random.normal) };
}

/** A word, from images [N, 4, 6, 6] and rows [N, 4] that depend on parameters. */
type Word = <V>(nn: Nn<V>, x: V, rows: V) => V;

/** By what is claimed: the word, and how many numbers it makes of an example. */
const words: readonly (readonly [string, number, Word])[] = [
  ['silu', 144, (nn, x) => nn.silu(x)],
  ['groupNorm', 144, (nn, x) => nn.groupNorm(x, 'norm', 4, { groups: 2 })],
  ['groupNorm with a group for each channel', 144, (nn, x) => nn.groupNorm(x, 'norm', 4, { groups: 4 })],
  ['maxPool2d with a remainder', 4, (nn, x) => nn.maxPool2d(nn.maxPool2d(x, 2), 2)],
  ['resizeImages to twice the size', 576, (nn, x) => nn.resizeImages(x, [12, 12])],
  ['resizeImages from 3 pixels to 7', 196, (nn, x) => nn.resizeImages(nn.maxPool2d(x, 2), [7, 7])],
  ['resizeImages from 1 pixel to 3', 36, (nn, x) => nn.resizeImages(nn.maxPool2d(x, 6), [3, 3])],
  ['resizeImages to less, unlike in height and width', 80, (nn, x) => nn.resizeImages(x, [4, 5])],
  ['joinImages', 432, (nn, x) => nn.joinImages([x, nn.silu(x), x])],
  ['shiftImages', 144, (nn, x, rows) => nn.shiftImages(x, rows)],
  ['add of images', 144, (nn, x) => nn.add(x, nn.silu(x))],
  [
    'pixelsOfImages and back',
    144,
    (nn, x) => {
      const pixels = nn.pixelsOfImages(x);
      const products = nn.matMul(nn.transpose(pixels, [0, 2, 1]), pixels);
      return nn.imagesOfPixels(nn.matMul(pixels, nn.softmax(nn.scale(products, 0.1))), [6, 6]);
    },
  ],
];

/** Compares what a word makes with numbers that differ by element, so that none may change its place. */
function networkOf(features: number, word: Word): Network {
  const image = { shape: [channels, side, side], dtype: 'float32' } as const;
  return {
    inputs: { images: image, features: { shape: [3], dtype: 'float32' } },
    run<V>(nn: Nn<V>, { images, features: rows }: Readonly<Record<string, V>>) {
      const x = convLayer(nn, images as V, 'conv', { from: channels, to: 4, size: 3, padding: 1 });
      const dense = linearLayer(nn, rows as V, 'dense', { from: 3, to: 4 });
      const flat = nn.flatten(word(nn, nn.shiftImages(x, dense), dense));
      const target = nn.add(nn.scale(flat, 0), nn.constant(numbers(9, features)));
      return { loss: nn.meanSquaredError(flat, target), outputs: { flat } };
    },
  };
}

/** What an engine makes of a batch: the losses, and the gradient by parameter. */
async function observe(
  name: string,
  network: Network,
  parameters: ReadonlyMap<string, HostTensor>,
  batch: Batch,
): Promise<{ loss: number; losses: Float32Array; gradient: Record<string, number[]> }> {
  const engine = await startEngine(name);
  const { buffers } = summarize(network);
  const optimizer = sgd({ learningRate: 1, momentum: 0, weightDecay: 0 });
  const session = await engine.createSession({ network, parameters, buffers, optimizer });
  const { losses } = await session.evaluate(batch);
  const { loss } = await session.trainStep(batch);
  const { parameters: after } = await session.save();
  session.dispose();
  const gradient = [...parameters].map(([key, { data }]) => {
    return [key, [...data].map((value, i) => value - (after[key]?.data[i] as number))] as const;
  });
  return { loss, losses, gradient: Object.fromEntries(gradient) };
}

/** Slope of the loss of plain loops along a direction, by central differences. */
function plainSlope(
  network: Network,
  parameters: ReadonlyMap<string, Plain>,
  batch: Batch,
  direction: Readonly<Record<string, ArrayLike<number>>>,
): number {
  const step = 1e-5;
  const [above, below] = [step, -step].map((size) => {
    const moved = [...parameters].map(([name, { shape, data }]): [string, Plain] => [
      name,
      { shape, data: data.map((value, i) => value + size * (direction[name]?.[i] as number)) },
    ]);
    return plainLoss(network, new Map(moved), batch);
  }) as [number, number];
  return (above - below) / (2 * step);
}

const dot = (a: Record<string, ArrayLike<number>>, b: Record<string, ArrayLike<number>>): number =>
  Object.entries(a).reduce(
    (sum, [name, values]) =>
      sum + Array.from(values, (value, i) => value * (b[name]?.[i] as number)).reduce((x, y) => x + y, 0),
    0,
  );

/** Holds an engine's loss, and its gradient along some directions, against plain loops. */
async function expectAgreement(engine: string, network: Network, batch: Batch): Promise<void> {
  const summary = summarize(network);
  // norms that scale and shift, unlike those of the first step
  const parameters = new Map(
    [...initialParameters(summary, 3, 1)].map(([name, { shape, data }], i): [string, HostTensor] => {
      const noise = numbers(i, ...shape).data;
      return [name, { shape, data: data.map((value, j) => value + 0.1 * (noise[j] as number)) }];
    }),
  );
  const plain = new Map([...parameters].map(([name, tensor]) => [name, fromHost(tensor)]));
  const seen = await observe(engine, network, parameters, batch);
  const expected = plainLoss(network, plain, batch);
  expect(seen.loss / expected).toBeCloseTo(1, 5);
  expect(seen.losses.reduce((a, b) => a + b) / seen.losses.length / expected).toBeCloseTo(1, 5);
  const length = Math.sqrt(dot(seen.gradient, seen.gradient));
  expect(length).toBeGreaterThan(1e-3);
  const along = (direction: Record<string, ArrayLike<number>>): void => {
    const size = Math.sqrt(dot(direction, direction));
    const [ours, theirs] = [dot(seen.gradient, direction), plainSlope(network, plain, batch, direction)];
    expect(Math.abs(ours - theirs) / (length * size)).toBeLessThan(2e-4);
  };
  along(seen.gradient);
  for (const seed of [50, 60]) {
    const random = [...parameters].map(([name, { shape }], i) => [name, numbers(seed + i, ...shape).data]);
    along(Object.fromEntries(random));
  }
}

const cases = enginesIn('node').flatMap((engine) =>
  words.map(([claim, features, word]) => [engine, claim, features, word] as const),
);
test.each(cases)(
  '%s: %s has the value and the gradient of plain loops',
  async (engine, _, features, word) => {
    const batch = { images: numbers(1, count, channels, side, side), features: numbers(2, count, 3) };
    await expectAgreement(engine, networkOf(features, word), batch);
  },
);

/** A UNet with everything that the paper's has: two blocks at the bottom, attention on the way up, odd sizes. */
const small: UNetSize = {
  side: 7,
  widths: [4, 4, 8],
  groups: 2,
  timeFeatures: 4,
  timeWidth: 3,
  middleBlocks: 2,
  attentiveBlocks: 1,
  heads: 2,
  dropout: 0,
  times: 10,
};

test.each(enginesIn('node'))(
  '%s: a small UNet has the loss and the gradient of plain loops',
  async (engine) => {
    const picture = [2, 1, 7, 7];
    const times = { shape: [2], data: Int32Array.of(3, 9) };
    const batch = { noisy: numbers(1, ...picture), noise: numbers(2, ...picture), times };
    await expectAgreement(engine, diffusionNetwork(small), batch);
  },
);

test('images that do not fit are refused before anything runs', () => {
  const refused = (word: Word) => () => summarize(networkOf(1, word));
  const mismatch = expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' });
  expect(refused((nn, x) => nn.groupNorm(x, 'norm', 4, { groups: 3 }))).toThrow(mismatch);
  expect(refused((nn, x) => nn.groupNorm(x, 'norm', 5, { groups: 5 }))).toThrow(mismatch);
  expect(refused((nn, x) => nn.maxPool2d(x, 7))).toThrow(mismatch);
  expect(refused((nn, x) => nn.joinImages([x, nn.maxPool2d(x, 2)]))).toThrow(mismatch);
  expect(refused((nn, x) => nn.shiftImages(nn.joinImages([x, x]), nn.flatten(x)))).toThrow(mismatch);
  expect(refused((nn, x) => nn.imagesOfPixels(nn.pixelsOfImages(x), [5, 7]))).toThrow(mismatch);
  expect(refused((nn, x, rows) => nn.add(nn.flatten(x), rows))).toThrow(mismatch);
});
