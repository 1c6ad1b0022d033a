/** CIFAR-10 with a convolutional network: Table 1 and Figures 8-11 of the paper. */

import { adamw, type OptimizerSpec, rmsprop, type Schedule, sgd, vradam } from '@vradam/core';
import { type ImageDataset, loadImages } from '../../data/index.ts';
import type { Evaluation } from '../../engines/engine.ts';
import type { Batch } from '../../nn/nn.ts';
import { openRandom } from '../../random.ts';
import { scheduleOf } from '../schedule.ts';
import { streams } from '../streams.ts';
import type { OptimizerName, Problem, Score, Task, TaskOptimizer, TaskOptions } from '../task.ts';
import { plainBatches, split, trainBatches } from './batches.ts';
import { cnn } from './model.ts';
import { type CnnPreset, presets } from './presets.ts';

/** Fixed hyper-parameters of the baselines; see the reproduction notes for paper against code. */
const baselines = {
  adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-5 },
  'sgd-nesterov': { momentum: 0.9, nesterov: true, weightDecay: 1e-5 },
  rmsprop: { alpha: 0.99, momentum: 0.2, epsilon: 1e-8, weightDecay: 1e-5 },
} as const;

const epsilon = 1e-8;
const weightDecay = 1e-5;

function specOf(name: OptimizerName, preset: CnnPreset, learningRate: Schedule): [object, OptimizerSpec] {
  switch (name) {
    case 'vradam': {
      const options = { ...preset.vradam, beta1: 0.9, beta2: 0.999, power: 2, epsilon, weightDecay };
      return [options, vradam({ ...options, learningRate })];
    }
    case 'adamw':
      return [baselines.adamw, adamw({ ...baselines.adamw, learningRate })];
    case 'sgd-nesterov':
      return [baselines['sgd-nesterov'], sgd({ ...baselines['sgd-nesterov'], learningRate })];
    case 'rmsprop':
      return [baselines.rmsprop, rmsprop({ ...baselines.rmsprop, learningRate })];
    default:
      return name satisfies never;
  }
}

/** Sum of losses and number of right answers. */
function score({ labels }: Batch, { losses, outputs }: Evaluation): Score {
  const { shape, data } = outputs['logits'] as Evaluation['outputs'][string];
  const [count = 0, classes = 0] = shape;
  let [loss, correct] = [0, 0];
  for (let i = 0; i < count; i++) {
    const row = data.subarray(i * classes, (i + 1) * classes);
    loss += losses[i] as number;
    if (row.indexOf(Math.max(...row)) === labels?.data[i]) correct++;
  }
  return { count, loss, correct };
}

function describeData(
  { source }: ImageDataset,
  counts: Readonly<Record<'train' | 'validation', number>>,
): string {
  return `${source}; of the training pictures ${counts.train} to learn from and ${counts.validation} to validate`;
}

async function prepare(options: TaskOptions): Promise<Problem> {
  const { seed, schedule, augmentValidation } = options;
  const preset = presets[options.preset];
  const epochs = options.epochs ?? preset.epochs;
  const { trainImages, testImages, batchSize, evaluationBatchSize } = preset;
  const dataset = await loadImages({
    ...(options.data !== undefined && { directory: options.data }),
    seed,
    train: trainImages + Math.round(trainImages / 4),
    test: testImages,
  });
  const { train, validation } = split(dataset.train, trainImages, seed);
  const test = Array.from({ length: dataset.test.count }, (_, i) => i);
  const counts = { train: train.length, validation: validation.length, test: test.length };
  const stepsPerEpoch = Math.ceil(train.length / batchSize);
  const [, size] = dataset.shape;

  return {
    network: cnn(preset, size, dataset.classes.length),
    dataLine: describeData(dataset, counts),
    data: {
      name: dataset.name,
      source: dataset.source,
      synthetic: dataset.synthetic,
      counts,
      files: dataset.files,
    },
    config: { ...preset, epochs, schedule, augmentValidation, stepsPerEpoch },
    epochs,
    stepsPerEpoch,
    trainBatches: (epoch) =>
      trainBatches(dataset, train, batchSize, openRandom(seed, streams.training(epoch))),
    validationBatches: (epoch) => {
      const random = augmentValidation ? openRandom(seed, streams.validation(epoch)) : undefined;
      return plainBatches(dataset.train, size, validation, evaluationBatchSize, random);
    },
    testBatches: () => plainBatches(dataset.test, size, test, evaluationBatchSize),
    score,
    optimizer(name, learningRate = preset.learningRates[name]): TaskOptimizer {
      const lengths = { warmupEpochs: preset.warmupEpochs, epochs, stepsPerEpoch };
      const rate = scheduleOf(schedule, learningRate, lengths);
      const [own, spec] = specOf(name, preset, rate);
      return { learningRate, options: { learningRate, ...own }, spec };
    },
  };
}

/** The task. */
export const cifar10Cnn: Task = {
  name: 'cifar10-cnn',
  title: 'CIFAR-10 images, a convolutional network with batch norm (Table 1)',
  ownOptions: ['augmentValidation'],
  prepare,
};
