/** Denoising diffusion of MNIST by a UNet: Table 13, Figures 3, 12 and 13 of the paper. */

import { type ImageDataset, loadDigits } from '../../data/index.ts';
import type { Evaluation, Session } from '../../engines/engine.ts';
import type { HostTensor } from '../../nn/nn.ts';
import { openRandom } from '../../random.ts';
import { adamwOptions, type Rivals, taskOptimizers } from '../optimizers.ts';
import { streams } from '../streams.ts';
import type { Problem, Score, Task, TaskOptions } from '../task.ts';
import { evaluationBatches, split, trainBatches } from './batches.ts';
import { diffusionNetwork } from './model.ts';
import { type DiffusionPreset, presets } from './presets.ts';
import { linearProcess, type Process, sample } from './process.ts';

const rivals: Rivals = {
  adamw: adamwOptions,
  'sgd-nesterov': { momentum: 0.2, nesterov: true, weightDecay: 1e-5 },
  rmsprop: { alpha: 0.1, momentum: 0.2, epsilon: 1e-8, weightDecay: 1e-5 },
};

/** Samples of a picture. */
const sampleCount = 16;

/** Sum of the squared errors; nothing can be right or wrong. */
function score(_: unknown, { losses }: Evaluation): Score {
  return { count: losses.length, loss: losses.reduce((sum, loss) => sum + loss, 0), correct: null };
}

function describeData({ source, train: { count } }: ImageDataset, side: number, train: number): string {
  const shrunk = side === 28 ? '' : `; ${28 / side} x ${28 / side} pixels become one`;
  return `${source}${shrunk}; of the training pictures ${train} to learn from and ${count - train} to validate`;
}

/** Samples of what a session has learnt, from the same noise in every epoch and of every optimizer. */
async function drawSamples(
  session: Pick<Session, 'evaluate'>,
  process: Process,
  side: number,
  seed: number,
  caption: string,
): Promise<Uint8Array> {
  const shape = [sampleCount, 1, side, side] as const;
  const noise: HostTensor = { shape, data: new Float32Array(sampleCount * side ** 2) };
  const pictures = await sample(
    process,
    shape,
    openRandom(seed, streams.validation(0)),
    async (noisy, times) => {
      const batch = { noisy, noise, times: { shape: [sampleCount], data: times } };
      const { outputs } = await session.evaluate(batch);
      return outputs['told']?.data as Float32Array;
    },
  );
  // what draws is slow to load, and few epochs draw
  const { gridPng } = await import('./grid.ts');
  return gridPng(pictures, side, caption);
}

/** Loads digits, at most as many as the preset wants. */
function loadData({ data, seed }: TaskOptions, preset: DiffusionPreset): Promise<ImageDataset> {
  return loadDigits({
    ...(data !== undefined && { directory: data }),
    seed,
    train: preset.trainImages + preset.validationImages,
    test: preset.testImages,
  });
}

async function prepare(options: TaskOptions): Promise<Problem> {
  const { seed, schedule } = options;
  const preset = presets[options.preset];
  const { side, times, betas, batchSize, evaluationBatchSize, sampleEvery } = preset;
  const epochs = options.epochs ?? preset.epochs;
  const dataset = await loadData(options, preset);
  const { train, validation } = split(dataset.train, preset.trainImages, seed);
  const test = Array.from({ length: dataset.test.count }, (_, i) => i);
  const process = linearProcess(times, betas);
  const stepsPerEpoch = Math.ceil(train.length / batchSize);
  const { name, source, synthetic, files } = dataset;
  const counts = { train: train.length, validation: validation.length, test: test.length };

  return {
    network: diffusionNetwork(preset),
    dataLine: describeData(dataset, side, train.length),
    data: { name, source, synthetic, counts, files },
    config: { ...preset, epochs, schedule, stepsPerEpoch },
    epochs,
    stepsPerEpoch,
    trainBatches: (epoch) => {
      const random = openRandom(seed, streams.training(epoch));
      return trainBatches(dataset.train, train, batchSize, { side, process, random });
    },
    validationBatches: () =>
      evaluationBatches(dataset.train, validation, evaluationBatchSize, {
        side,
        process,
        split: 'validation',
      }),
    testBatches: () =>
      evaluationBatches(dataset.test, test, evaluationBatchSize, { side, process, split: 'test' }),
    score,
    async pictures(epoch, optimizer, session) {
      const done = epoch + 1;
      if (done % sampleEvery !== 0 && done !== epochs) return undefined;
      const caption = `${optimizer}, epoch ${done} of ${epochs}`;
      const png = await drawSamples(session, process, side, seed, caption);
      return { [`${optimizer}-epoch-${String(done).padStart(3, '0')}.png`]: png };
    },
    optimizer: taskOptimizers(preset, rivals, stepsPerEpoch, { schedule, epochs }),
  };
}

/** The task. */
export const diffusion: Task = {
  name: 'diffusion',
  title: 'MNIST digits, a UNet that tells the noise in them (Table 13)',
  schedule: 'constant',
  ownOptions: [],
  prepare,
};
