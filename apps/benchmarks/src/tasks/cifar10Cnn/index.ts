/** CIFAR-10 with a convolutional network: Table 1 and Figures 8-11 of the paper. */

import { type ImageDataset, loadImages } from '../../data/index.ts';
import type { Evaluation } from '../../engines/engine.ts';
import type { Batch } from '../../nn/nn.ts';
import { openRandom } from '../../random.ts';
import { adamwOptions, type Rivals, taskOptimizers } from '../optimizers.ts';
import { streams } from '../streams.ts';
import type { Problem, Score, Task, TaskOptions } from '../task.ts';
import { plainBatches, split, trainBatches } from './batches.ts';
import { cnn } from './model.ts';
import { presets } from './presets.ts';

const rivals: Rivals = {
  adamw: adamwOptions,
  'sgd-nesterov': { momentum: 0.9, nesterov: true, weightDecay: 1e-5 },
  rmsprop: { alpha: 0.99, momentum: 0.2, epsilon: 1e-8, weightDecay: 1e-5 },
};

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
    optimizer: taskOptimizers(preset, rivals, stepsPerEpoch, { schedule, epochs }),
  };
}

/** The task. */
export const cifar10Cnn: Task = {
  name: 'cifar10-cnn',
  title: 'CIFAR-10 images, a convolutional network with batch norm (Table 1)',
  schedule: 'warmup-cosine',
  ownOptions: ['augmentValidation'],
  prepare,
};
