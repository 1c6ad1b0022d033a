/** From text to batches of the language task, its baseline, and the published mistake. */

import {
  createOptimizer,
  float64Ops,
  type NamedTensors,
  type OptimizerSpec,
  sgd,
  vradam,
} from '@vradam/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TextDataset } from '../src/data/index.ts';
import type { Batch } from '../src/nn/nn.ts';
import { openRandom } from '../src/random.ts';
import { neverZeroGradients } from '../src/tasks/languageModel/accumulateBug.ts';
import { batches, cutSequences } from '../src/tasks/languageModel/batches.ts';
import { unigramLoss } from '../src/tasks/languageModel/unigram.ts';
import { wordTokenizer } from '../src/tasks/languageModel/vocabulary.ts';

const spaced: TextDataset = {
  name: 'test',
  source: 'a test',
  tokenized: true,
  train: 'the whale the sea\n \nthe whale <unk>',
  validation: '',
  test: '',
  files: [],
};

test('tokens are words by frequency after the three special ones; lines end, blank ones do not count', () => {
  const tokenizer = wordTokenizer(spaced, 1000);
  expect(tokenizer.size).toBe(6); // <unk> <pad> <eos> the whale sea
  expect([...tokenizer.encode(spaced.train)]).toEqual([3, 4, 3, 5, 2, 3, 4, 0, 2]);
  expect([...wordTokenizer(spaced, 4).encode('The SEA\nship')]).toEqual([3, 0, 2, 0, 2]);
});

const tokensOf = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);

test('sequences do not overlap, labels are the tokens that follow, and an exact end is left out', () => {
  fc.assert(
    fc.property(
      fc.nat(300),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      (count, length, size) => {
        const sequences = cutSequences(tokensOf(count), length, 1e9);
        const chunk = length + 1;
        expect(sequences.count).toBe(Math.max(0, Math.ceil(count / chunk) - 1));
        const made = [...batches(sequences, size)];
        const tokens = made.flatMap(({ tokens: part }) => [...(part?.data ?? [])]);
        const labels = made.flatMap(({ labels: part }) => [...(part?.data ?? [])]);
        const expected = Array.from(tokensOf(sequences.count * chunk)).filter((i) => i % chunk < length);
        expect(tokens).toEqual(expected);
        expect(labels).toEqual(expected.map((token) => token + 1));
      },
    ),
  );
});

test('batches are shuffled by the stream alone: the same sequences in another order', () => {
  const sequences = cutSequences(tokensOf(100), 3, 20);
  const first = (stream: number) =>
    [...batches(sequences, 6, openRandom(1, stream))].flatMap(({ tokens }) =>
      [...(tokens?.data ?? [])].filter((token) => token % 4 === 0),
    );
  expect(first(2)).toEqual(first(2));
  expect(first(2)).not.toEqual(first(4));
  expect([...first(2)].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => 4 * i));
});

test('the unigram baseline is the cross-entropy of counts plus one, padding left out', () => {
  const labels: Batch = { labels: { shape: [2, 2], data: Int32Array.of(0, 2, 1, 3) } };
  // counts of 0, 2, 3 are 3, 1, 1, plus one each
  const expected = -(Math.log(4 / 9) + Math.log(2 / 9) + Math.log(2 / 9)) / 3;
  expect(unigramLoss(Int32Array.of(0, 0, 0, 2, 3), [labels], 4, 1)).toBeCloseTo(expected, 12);
});

/** A parameter after steps of an optimizer with these gradients. */
async function trained(spec: OptimizerSpec, gradients: readonly number[]): Promise<number> {
  const tensor = (value: number) => float64Ops.fromArray([value], [1]);
  const optimizer = createOptimizer(float64Ops, spec);
  let parameters: NamedTensors<Float64Array> = { w: tensor(1) };
  let state = optimizer.init(parameters);
  for (const gradient of gradients) {
    ({ parameters, state } = optimizer.update(parameters, { w: tensor(gradient) }, state));
  }
  return (await float64Ops.toArray(parameters['w'] as Float64Array))[0] as number;
}

test.each([
  ['sgd', sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })],
  ['vradam', vradam({ learningRate: 0.1 })],
] as const)('%s with gradients never cleared steps by their sums', async (_, spec) => {
  const bug = await trained(neverZeroGradients(spec), [1, 2, -4]);
  expect(bug).toBe(await trained(spec, [1, 3, -1]));
  expect(bug).not.toBe(await trained(spec, [1, 2, -4]));
});
