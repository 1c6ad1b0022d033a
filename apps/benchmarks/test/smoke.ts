/**
 * Every task's network at a size that any engine can train, with batches that are the same for all of them. Layers are
 * alike where they can be: to compile a shader in software takes longer than all steps.
 */

import { vradam, warmupCosine } from '@vradam/core';
import type { Engine } from '../src/engines/engine.ts';
import type { Batch, HostTensor, Network } from '../src/nn/nn.ts';
import { initialParameters, summarize } from '../src/nn/shapes.ts';
import { openRandom } from '../src/random.ts';
import { cnn } from '../src/tasks/cifar10Cnn/model.ts';
import { presets as cnnPresets } from '../src/tasks/cifar10Cnn/presets.ts';
import { diffusionNetwork } from '../src/tasks/diffusion/model.ts';
import { gflownet } from '../src/tasks/gflownet/model.ts';
import { batchOf, sampleTrajectories } from '../src/tasks/gflownet/trajectories.ts';
import { languageModelNetwork } from '../src/tasks/languageModel/model.ts';

/** A task in small. */
export interface Smoke {
  readonly network: Network;
  /** Peak rate, at which five steps change the loss, and rounding does not. */
  readonly learningRate: number;
  /** The batch of a step. */
  batch(step: number): Promise<Batch>;
}

const [examples, side, length, maxSteps] = [4, 8, 5, 4];

function normals(step: number, stream: number, ...shape: number[]): HostTensor {
  const random = openRandom(step, stream);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random.normal);
  return { shape, data };
}

function integers(step: number, stream: number, end: number, ...shape: number[]): HostTensor {
  const random = openRandom(step, stream);
  const data = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.integer(end));
  return { shape, data };
}

const flowSize = {
  widths: [4, 4, 4],
  dense: [8, 8],
  maxSteps,
  weights: { flow: 1, entropy: 0.01 },
} as const;

const unet = {
  side,
  widths: [4, 4],
  groups: 2,
  timeFeatures: 4,
  timeWidth: 4,
  middleBlocks: 1,
  attentiveBlocks: 0,
  heads: 2,
  dropout: 0.1,
  times: 10,
} as const;

const transformer = { width: 8, heads: 2, layers: 1, feedForward: 8, length, dropout: 0.1, vocabulary: 20 };

/** The tasks by name. */
export const smokes: Readonly<Record<string, Smoke>> = {
  'cifar10-cnn': {
    network: cnn({ ...cnnPresets.quick, widths: [4, 4, 4], hidden: 8 }, side, 10),
    learningRate: 2e-3,
    batch: async (step) => ({
      images: normals(step, 0, examples, 3, side, side),
      labels: integers(step, 1, 10, examples),
    }),
  },
  'language-model': {
    network: languageModelNetwork(transformer, 'causal', 0),
    learningRate: 0.01,
    batch: async (step) => ({
      tokens: integers(step, 0, 20, examples, length),
      labels: integers(step, 1, 20, examples, length),
    }),
  },
  gflownet: {
    network: gflownet(flowSize, 'corrected'),
    learningRate: 0.03,
    async batch(step) {
      const uniform = async (states: readonly unknown[]) => new Float32Array(5 * states.length).fill(0.2);
      const sample = await sampleTrajectories(uniform, examples, maxSteps, openRandom(step, 0));
      return batchOf(sample, 'corrected', maxSteps, 1);
    },
  },
  diffusion: {
    network: diffusionNetwork(unet),
    learningRate: 3e-3,
    batch: async (step) => ({
      noisy: normals(step, 0, examples, 1, side, side),
      noise: normals(step, 1, examples, 1, side, side),
      times: integers(step, 2, 10, examples),
    }),
  },
};

/** Steps that are compared. */
export const steps = 5;

/** Losses of the first steps, then, if that is wanted, of the examples that are looked at after them. */
export async function lossesOn(
  engine: Engine,
  { network, batch, learningRate }: Smoke,
  evaluates = true,
): Promise<number[]> {
  const summary = summarize(network);
  const session = await engine.createSession({
    network,
    parameters: initialParameters(summary, 3, 1),
    buffers: summary.buffers,
    // a schedule, as the tasks have one
    optimizer: vradam({ learningRate: warmupCosine({ learningRate, warmup: 3, total: 20 }) }),
    seed: 7,
  });
  try {
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) losses.push((await session.trainStep(await batch(step))).loss);
    if (!evaluates) return losses;
    const evaluated = (await session.evaluate(await batch(steps))).losses;
    return [...losses, evaluated.reduce((a, b) => a + b) / evaluated.length];
  } finally {
    session.dispose();
  }
}

/** The largest relative difference. */
export const farthest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value / (b[i] as number) - 1)));
