/** The transformer of the language task: its size, what a position may see, and what engines make of it. */

import { type OptimizerSpec, sgd, vradam } from '@vradam/core';
import { expect, test } from 'vitest';
import type { Snapshot } from '../src/engines/engine.ts';
import { enginesIn, startEngine } from '../src/engines/index.ts';
import type { Batch, HostTensor, Network } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { openRandom } from '../src/random.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../src/run/checkpoint.ts';
import { languageModel } from '../src/tasks/languageModel/index.ts';
import {
  languageModelNetwork,
  nextTokenLogits,
  type TransformerSize,
} from '../src/tasks/languageModel/model.ts';
import { type Masking, maskings, ownDefaults } from '../src/tasks/task.ts';

const quick: TransformerSize = {
  vocabulary: 2000,
  width: 64,
  heads: 4,
  layers: 1,
  feedForward: 128,
  length: 31,
  dropout: 0.2,
};
const padding = 1;

/** A batch of random tokens. */
function text({ vocabulary, length }: TransformerSize, batch: number, seed: number): Batch {
  const random = openRandom(seed, 5);
  const draw = () => Int32Array.from({ length: batch * length }, () => 2 + random.integer(vocabulary - 2));
  const shape = [batch, length];
  return { tokens: { shape, data: draw() }, labels: { shape, data: draw() } };
}

test('the quick network has the parameters of PyTorch’s, and the paper’s as many as the specification counts', () => {
  const { parameters, parameterCount } = summarize(languageModelNetwork(quick, 'causal', padding));
  expect(parameterCount).toBe(469_968);
  expect(parameters.get('transformer.decoder.layers.0.multihead_attn.in_proj_weight')?.shape).toEqual([
    192, 64,
  ]);
  const paper = {
    ...quick,
    vocabulary: 66_000,
    width: 128,
    heads: 8,
    layers: 2,
    feedForward: 256,
    length: 63,
  };
  expect(summarize(languageModelNetwork(paper, 'causal', padding)).parameterCount).toBe(
    385 * 66_000 + 663_040,
  );
});

const engines = ['onnxruntime-node', 'tfjs-wasm'];
const small: TransformerSize = { ...quick, vocabulary: 50, width: 16, feedForward: 24, layers: 2, length: 7 };

async function openSession(
  engineName: string,
  network: Network,
  seed = 0,
  optimizer: OptimizerSpec = vradam({ learningRate: 1e-3 }),
) {
  const engine = await startEngine(engineName);
  const summary = summarize(network);
  return engine.createSession({
    network,
    parameters: initialParameters(summary, 3, 1),
    buffers: summary.buffers,
    optimizer,
    seed,
  });
}

/** From torch.nn.Transformer 1.13 in float64, with these weights and this batch, no dropout. */
const torch = {
  causal: { loss: 3.932541840141888, squaredGradient: 1.3011448400330776 },
  'as-published': { loss: 3.8979889600843785, squaredGradient: 1.4023829937985208 },
} as const;

const cases = enginesIn('node').flatMap((engine) => maskings.map((masking) => [engine, masking] as const));
test.each(cases)('%s, %s: loss and gradient are those of torch.nn.Transformer', async (name, masking) => {
  const network = languageModelNetwork({ ...small, dropout: 0 }, masking, padding);
  const session = await openSession(name, network, 0, sgd({ learningRate: 1, momentum: 0, weightDecay: 0 }));
  const { parameters: before } = await session.save();
  const { loss } = await session.trainStep(text(small, 3, 0));
  const { parameters: after } = await session.save();
  session.dispose();
  let squaredGradient = 0;
  for (const [key, { data }] of Object.entries(before)) {
    for (const [i, value] of data.entries()) {
      squaredGradient += (value - (after[key]?.data[i] as number)) ** 2;
    }
  }
  expect(loss / torch[masking].loss).toBeCloseTo(1, 5);
  expect(squaredGradient / torch[masking].squaredGradient).toBeCloseTo(1, 4);
});

/** The model with its logits for an output. */
function withLogits(masking: Masking): Network {
  const { inputs } = languageModelNetwork(small, masking, padding);
  return {
    inputs,
    run(nn, { tokens, labels }) {
      const logits = nextTokenLogits(nn, tokens as typeof tokens & {}, small, masking);
      const loss = nn.crossEntropy(logits, nn.reshape(labels as typeof labels & {}, [-1]));
      return { loss, outputs: { logits } };
    },
  };
}

test.each(engines)(
  '%s: a later token changes no earlier logits, but as published it does',
  async (engine) => {
    const changedAt = 4;
    const batch = text(small, 2, 0);
    const tokens = batch['tokens']?.data as Int32Array;
    const changed = tokens.map((token, i) =>
      i % small.length === changedAt ? 2 + ((token + 5) % 48) : token,
    );
    const other = { ...batch, tokens: { shape: [2, small.length], data: changed } };
    const moved = async (masking: Masking): Promise<boolean[]> => {
      const session = await openSession(engine, withLogits(masking));
      const [a, b] = [await session.evaluate(batch), await session.evaluate(other)];
      session.dispose();
      const [before, after] = [a, b].map(({ outputs }) => outputs['logits']?.data as Float32Array);
      return Array.from({ length: 2 * small.length }, (_, row) => {
        const at = [row * small.vocabulary, (row + 1) * small.vocabulary] as const;
        return String(before?.slice(...at)) !== String(after?.slice(...at));
      });
    };
    const isLater = (_: unknown, row: number) => row % small.length >= changedAt;
    expect(await moved('causal')).toEqual(Array.from({ length: 2 * small.length }, isLater));
    expect(await moved('as-published')).toEqual(new Array(2 * small.length).fill(true));
  },
);

test('with dropout, the quick task has the same first five losses on each engine, to 1e-4', {
  timeout: 240_000,
}, async () => {
  const options = { preset: 'quick', data: undefined, schedule: 'constant', epochs: undefined } as const;
  const problem = await languageModel.prepare({ ...ownDefaults, ...options, tokenizer: undefined, seed: 7 });
  const { network } = problem;
  const { spec } = problem.optimizer('vradam');
  const run = async (name: string, seed: number, steps = 5): Promise<number[]> => {
    const session = await openSession(name, network, seed, spec);
    const losses: number[] = [];
    for await (const batch of problem.trainBatches(0, session)) {
      losses.push((await session.trainStep(batch)).loss);
      if (losses.length === steps) break;
    }
    const [first] = problem.validationBatches(0, session) as Iterable<Batch>;
    const { losses: evaluated } = await session.evaluate(first as Batch);
    session.dispose();
    return [...losses, ...evaluated];
  };
  const [ours, theirs] = [await run('onnxruntime-node', 7), await run('tfjs-wasm', 7)];
  const errors = ours.map((loss, i) => Math.abs(loss - (theirs[i] as number)) / loss);
  expect(ours.length).toBeGreaterThan(1000);
  expect(Math.max(...errors.slice(0, 5))).toBeLessThan(1e-4);
  expect(Math.max(...errors)).toBeLessThan(1e-3);
  const unlike = await run('tfjs-wasm', 8, 1);
  expect(Math.abs((unlike[0] as number) / (ours[0] as number) - 1)).toBeGreaterThan(1e-4);
});

test.each(engines)('%s: a checkpoint goes on bit for bit, with the masks that come next', async (name) => {
  const network = languageModelNetwork(small, 'causal', padding);
  const straight = await openSession(name, network, 2);
  for (let step = 0; step < 2; step++) await straight.trainStep(text(small, 3, step));
  const progress = { optimizer: 'vradam', epochs: 1, steps: 0, lossSum: 0, metricsBytes: 0 } as const;
  const { snapshot } = decodeCheckpoint(encodeCheckpoint({ progress, snapshot: await straight.save() }));
  const expected = (await straight.trainStep(text(small, 3, 2))).loss;
  straight.dispose();
  const resumed = await openSession(name, network, 2);
  await resumed.load(snapshot as Snapshot);
  expect((await resumed.trainStep(text(small, 3, 2))).loss).toBe(expected);
  resumed.dispose();
});

test.each(engines)('%s: a label of padding costs nothing', async (name) => {
  const session = await openSession(name, languageModelNetwork(small, 'causal', padding));
  const batch = text(small, 1, 1);
  const data = ((batch['labels'] as HostTensor).data as Int32Array).map((label, i) =>
    i === 3 ? padding : label,
  );
  const { losses } = await session.evaluate({ ...batch, labels: { shape: [1, small.length], data } });
  session.dispose();
  expect([...losses].map((loss) => loss > 0)).toEqual([true, true, true, false, true, true, true]);
});
