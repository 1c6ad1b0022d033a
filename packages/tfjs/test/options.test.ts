/** Clipping, masks, groups, accumulation, averages as options; callbacks for `model.fit`. */

import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import {
  accumulateGradients,
  averageWeights,
  clipByGlobalNorm,
  logStats,
  maskWeightDecay,
  SGD,
  SpecOptimizer,
  scheduleByEpoch,
  VRAdam,
  vradam,
  warmupCosine,
} from '../src/index.ts';
import { freshName, onEveryPath, values, variable, withGradients } from './setup.ts';

onEveryPath((fused) => {
  test('transforms in a list, and a mask, are those of the core, the first innermost', () => {
    const runs = [
      new VRAdam({
        fused,
        learningRate: 0.1,
        weightDecay: 1,
        maskWeightDecay: /bias/,
        transforms: [
          [clipByGlobalNorm, { maxNorm: 1 }],
          [accumulateGradients, { steps: 2 }],
          [averageWeights, { decay: 0.5 }],
        ],
      }),
      new SpecOptimizer(
        averageWeights(
          accumulateGradients(
            clipByGlobalNorm(maskWeightDecay(vradam({ learningRate: 0.1, weightDecay: 1 }), /bias/), {
              maxNorm: 1,
            }),
            { steps: 2 },
          ),
          { decay: 0.5 },
        ),
        { fused },
      ),
    ].map((optimizer) => {
      const [a, b] = [variable([1, 2], freshName('kernel')), variable([3], freshName('bias'))];
      for (let i = 0; i < 6; i++)
        withGradients({ [a.name]: [i, -3], [b.name]: [4] }, (g) => optimizer.applyGradients(g));
      optimizer.swapInAverage();
      const averages = [...values(a), ...values(b)];
      optimizer.swapOutAverage();
      optimizer.dispose();
      return [...values(a), ...values(b), ...averages];
    });
    expect(runs[0]).toEqual(runs[1]);
  });

  test('true masks biases and normalization by the names that tfjs gives them', () => {
    const model = layers.sequential();
    model.add(layers.layers.dense({ units: 2, inputShape: [2] }));
    model.add(layers.layers.batchNormalization());
    const optimizer = new VRAdam({ fused, weightDecay: 1, maskWeightDecay: true });
    const decayed = model.trainableWeights.filter(({ name }) => optimizer.spec.decays(name));
    expect(model.trainableWeights.length).toBe(4);
    expect(decayed.map(({ name }) => name.replace(/.*\//, ''))).toEqual(['kernel']);
    model.dispose();
  });

  test('gradients of 4 batches make the step of their mean', () => {
    const [a, b] = [variable([1]), variable([1])];
    const accumulating = new SGD({
      fused,
      learningRate: 1,
      transforms: [[accumulateGradients, { steps: 4 }]],
    });
    const plain = new SGD({ fused, learningRate: 1 });
    for (const gradient of [1, 2, 3, 6]) {
      expect(values(a)).toEqual([1]);
      withGradients({ [a.name]: [gradient] }, (g) => accumulating.applyGradients(g));
    }
    withGradients({ [b.name]: [3] }, (g) => plain.applyGradients(g));
    expect(values(a)).toEqual(values(b));
    expect(accumulating.steps.taken).toBe(1);
  });

  test('averages are swapped in for an evaluation, and out whatever happens', async () => {
    const w = variable([8], freshName());
    const optimizer = new SGD({ fused, learningRate: 1, transforms: [[averageWeights, { decay: 0.5 }]] });
    const step = () => withGradients({ [w.name]: [4] }, (g) => optimizer.applyGradients(g));
    step(); // w 4, average 6
    const before = tf.memory().numTensors;
    expect(await optimizer.withAverage(() => values(w))).toEqual([6]);
    expect(values(w)).toEqual([4]);
    await expect(optimizer.withAverage(() => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
    expect(values(w)).toEqual([4]);
    optimizer.swapInAverage();
    expect(step).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    expect(() => optimizer.swapInAverage()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    expect(values(w)).toEqual([6]);
    optimizer.swapOutAverage();
    optimizer.swapOutAverage();
    expect(tf.memory().numTensors).toBe(before);
    step(); // w 0, average 3
    expect(await optimizer.withAverage(() => values(w))).toEqual([3]);
    expect(values(w)).toEqual([0]);
    optimizer.swapInAverage();
    optimizer.dispose();
    expect(values(w)).toEqual([0]);
  });

  test('without an average there is nothing to swap in', () => {
    expect(() => new SGD({ fused }).swapInAverage()).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_MISMATCH' }),
    );
  });

  test('in model.fit, stats come to the history and to a log, and rates follow the epoch', async () => {
    const model = layers.sequential();
    model.add(layers.layers.dense({ units: 1, inputShape: [2] }));
    const optimizer = new VRAdam({ fused, learningRate: 1, beta3: 100 });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const [x, y] = [tf.ones([8, 2]), tf.fill([8, 1], 50)];
    const schedule = warmupCosine({ learningRate: 0.1, warmup: 2, total: 4 });
    const [lines, batches]: [number[], number[]] = [[], []];
    const { history } = await model.fit(x, y, {
      epochs: 4,
      batchSize: 4,
      verbose: 0,
      callbacks: [
        scheduleByEpoch(optimizer, schedule),
        logStats(optimizer, { log: ({ step }) => lines.push(step) }),
        logStats(optimizer, { every: 'batch', log: ({ step }) => batches.push(step) }),
      ],
    });
    const bottom = [0, 1, 2, 3].map((epoch) => schedule(epoch) / 20);
    (history['effectiveLearningRate'] as number[]).forEach((rate, i) => {
      expect(rate).toBeCloseTo(bottom[i] as number, 6);
    });
    expect(history['cutoffHit']).toEqual([1, 1, 1, 1]);
    expect(history['skippedSteps']).toEqual([0, 0, 0, 0]);
    expect((history['velocityNorm'] as number[]).every((norm) => norm > 1)).toBe(true);
    expect(lines).toEqual([2, 4, 6, 8]);
    expect(batches).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    tf.dispose([x, y]);
    optimizer.dispose();
    model.dispose();
  });
});

describe('options are checked at construction', () => {
  test.each([
    ['an unknown one', { learningrate: 1 }, 'ERR_OPTION_UNKNOWN'],
    ['a number out of range', { beta1: 1 }, 'ERR_OPTION_RANGE'],
    ['another type', { beta1: '0.9' }, 'ERR_OPTION_TYPE'],
    ['a path', { fused: true }, 'ERR_OPTION_RANGE'],
    ['a clip', { transforms: [[clipByGlobalNorm, { maxNorm: 0 }]] }, 'ERR_OPTION_RANGE'],
    ['batches', { transforms: [[accumulateGradients, { steps: 1.5 }]] }, 'ERR_OPTION_RANGE'],
    ['an average', { transforms: [[averageWeights, { decay: 1 }]] }, 'ERR_OPTION_RANGE'],
    ['a transform as an option', { clipByGlobalNorm: 1 }, 'ERR_OPTION_UNKNOWN'],
    ['a transform without its brackets', { transforms: [clipByGlobalNorm] }, 'ERR_OPTION_TYPE'],
    ['a transform by name', { transforms: [['clipByGlobalNorm', { maxNorm: 1 }]] }, 'ERR_OPTION_TYPE'],
    ['transforms that are no list', { transforms: clipByGlobalNorm }, 'ERR_OPTION_TYPE'],
    ['a mask', { maskWeightDecay: 3 }, 'ERR_OPTION_TYPE'],
    ['no object', 3, 'ERR_OPTION_TYPE'],
  ])('%s', (_, options, code) => {
    expect(() => new VRAdam(options as never)).toThrow(expect.objectContaining({ code }));
  });
});
