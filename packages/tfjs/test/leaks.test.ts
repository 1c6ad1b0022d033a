/** No tensor stays behind: over 10,000 steps of every algorithm on every path, and after dispose. */

import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { accumulateGradients, averageWeights, clipByGlobalNorm, type TfjsOptimizer } from '../src/index.ts';
import { makers, onEveryPath } from './setup.ts';

const steps = 10_000;

function memory(): object {
  const { numTensors, numDataBuffers, numBytes } = tf.memory();
  return { numTensors, numDataBuffers, numBytes, dataIds: (tf.backend() as tf.KernelBackend).numDataIds() };
}

/** Memory after some steps, after many, and after dispose, against that before. */
function run(optimizer: TfjsOptimizer): void {
  const gradient = tf.tensor1d([0.5, -1]);
  const initial = tf.tensor1d([1, 2]);
  const w = tf.variable(initial);
  initial.dispose();
  const before = memory();
  optimizer.applyGradients({ [w.name]: gradient });
  optimizer.applyGradients({ [w.name]: gradient });
  const early = memory();
  for (let i = 2; i < steps; i++) optimizer.applyGradients({ [w.name]: gradient });
  expect(memory()).toEqual(early);
  expect(optimizer.iterations).toBe(steps);
  optimizer.dispose();
  expect(memory()).toEqual(before);
  tf.dispose([gradient, w]);
}

onEveryPath((fused) => {
  test.each(Object.entries(makers))('%s', (_, make) => run(make({ fused })));

  test('with every transform, groups, and skipped steps', () => {
    const optimizer = makers.VRAdam({
      fused,
      transforms: [
        [clipByGlobalNorm, { maxNorm: 1 }],
        [accumulateGradients, { steps: 2 }],
        [averageWeights, { decay: 0.9 }],
      ],
      groups: [{ match: /^never$/, learningRate: 1 }],
    });
    run(optimizer);
  });
});
