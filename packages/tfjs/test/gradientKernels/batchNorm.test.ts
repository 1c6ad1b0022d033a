import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchNormTraining } from '../../src/gradientKernels/index.ts';
import { expectSameOnCpu, noise, random, seed, size } from './harness.ts';

describe('batchNormTraining', () => {
  it('equals the composed ops, forward and backward, also through its statistics', async () => {
    const layer = fc.record({
      shape: fc.oneof(
        fc.tuple(fc.integer({ min: 2, max: 40 }), size(5)),
        fc.tuple(fc.integer({ min: 2, max: 4 }), size(4), size(4), size(5)),
      ),
      shift: fc.constantFrom(0, 3),
      seed,
    });
    await fc.assert(
      fc.asyncProperty(layer, async ({ shape, shift, seed }) => {
        const make = (): tf.Tensor[] => {
          const next = noise(seed);
          const channels = shape.at(-1) as number;
          const [scale, offset] = [random(next, [channels]), random(next, [channels])] as [
            tf.Tensor1D,
            tf.Tensor1D,
          ];
          const x = tf.add(random(next, shape), shift);
          const [forOutput, forMean, forVariance] = [
            random(next, shape),
            random(next, [channels]),
            random(next, [channels]),
          ];
          const loss = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor): tf.Scalar => {
            const { output, mean, variance } = batchNormTraining(a, b as tf.Tensor1D, c as tf.Tensor1D, 0.01);
            const parts = [tf.mul(output, forOutput), tf.mul(mean, forMean), tf.mul(variance, forVariance)];
            return tf.addN(parts.map((part) => tf.sum(part)));
          };
          const { output, mean, variance } = batchNormTraining(x, scale, offset, 0.01);
          return [output, mean, variance, ...tf.grads(loss)([x, scale, offset])];
        };
        await expectSameOnCpu(make, 2e-5);
      }),
      // More rows than the kernels take at a time.
      { numRuns: 60, examples: [[{ shape: [2000, 3], shift: 0, seed: 1 }]] },
    );
  });

  it('keeps its digits when the mean is a thousand deviations away', async () => {
    await tf.setBackend('wasm');
    const [mean, variance] = tf.tidy(() => {
      const x = tf.tensor2d(
        [1000, 1001, 1002, 1003].flatMap((v) => [v, -v]),
        [4, 2],
      );
      const result = batchNormTraining(x, tf.ones([2]) as tf.Tensor1D, tf.zeros([2]) as tf.Tensor1D);
      return [result.mean.dataSync(), result.variance.dataSync()];
    });
    expect(mean).toEqual(Float32Array.of(1001.5, -1001.5));
    expect(variance).toEqual(Float32Array.of(1.25, 1.25));
  });

  it('refuses a scale of another length, and a vector', () => {
    tf.tidy(() => {
      const two = tf.ones([2]) as tf.Tensor1D;
      for (const x of [tf.ones([4, 3]), tf.ones([2])]) {
        expect(() => batchNormTraining(x, two, two)).toThrowError(
          expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
        );
      }
    });
  });
});
