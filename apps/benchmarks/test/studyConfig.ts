/** A small study, as tests ask for it. */

import type { StudyConfig } from '../src/sweep/study.ts';

/** Two optimizers, three trials each. */
export const studyConfig: StudyConfig = {
  task: 'cifar10-cnn',
  preset: 'quick',
  engine: 'onnxruntime-node',
  optimizers: ['vradam', 'adamw'],
  sampler: 'gp',
  spaces: 'quick',
  trials: 3,
  seeds: 1,
  seed: 0,
  objective: 'last',
  schedule: 'warmup-cosine',
  epochs: 1,
};
