import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSameOnCpu, noise, random, runKernel, seed, size } from './harness.ts';

describe('MaxPoolGrad', () => {
  it('equals the cpu backend, with ties, NaN and overlapping windows', async () => {
    const pooling = fc.record({
      input: fc.tuple(size(2), size(8), size(8), size(4)),
      filter: fc.tuple(size(3), size(3)),
      strides: fc.tuple(size(3), size(3)),
      pad: fc.constantFrom('same' as const, 'valid' as const),
      seed,
    });
    await fc.assert(
      fc.asyncProperty(pooling, async ({ input, filter, strides, pad, seed }) => {
        const info = tf.backend_util.computePool2DInfo(input, filter, strides, 1, pad);
        fc.pre(info.outHeight > 0 && info.outWidth > 0);
        await expectSameOnCpu(() => {
          const next = noise(seed);
          const values = Array.from({ length: tf.util.sizeFromShape(input) }, () => Math.round(next() * 3));
          const x = tf.tensor4d(
            values.map((v) => (v === 3 ? Number.NaN : v)),
            input,
          );
          const inputs = { dy: random(next, info.outShape), input: x, output: random(next, info.outShape) };
          return [runKernel('MaxPoolGrad', inputs, { filterSize: filter, strides, pad })];
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('UnsortedSegmentSum', () => {
  it('equals the cpu backend and drops ids outside the range', async () => {
    const segments = fc.record({
      ids: fc.array(fc.integer({ min: -2, max: 7 }), { minLength: 1, maxLength: 20 }),
      inner: fc.array(size(4), { maxLength: 2 }),
      numSegments: size(6),
      seed,
    });
    await fc.assert(
      fc.asyncProperty(segments, async ({ ids, inner, numSegments, seed }) => {
        await expectSameOnCpu(() => [
          tf.unsortedSegmentSum(
            random(noise(seed), [ids.length, ...inner]),
            tf.tensor1d(ids, 'int32'),
            numSegments,
          ),
        ]);
      }),
      { numRuns: 40 },
    );
  });

  it('sums int32 in int32', async () => {
    await tf.setBackend('wasm');
    const sums = tf.tidy(() =>
      tf.unsortedSegmentSum(tf.tensor1d([1, 2, 3], 'int32'), tf.tensor1d([1, 0, 1], 'int32'), 2).dataSync(),
    );
    expect(sums).toEqual(Int32Array.of(2, 4));
  });

  it('refuses ids of another shape, and booleans', async () => {
    await tf.setBackend('wasm');
    tf.tidy(() => {
      const ids = tf.tensor2d([[0, 1]], [1, 2], 'int32');
      expect(() => tf.unsortedSegmentSum(tf.ones([1, 2]), ids as unknown as tf.Tensor1D, 2)).toThrowError(
        expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
      );
      expect(() => tf.unsortedSegmentSum(tf.tensor1d([true]), tf.tensor1d([0], 'int32'), 2)).toThrowError(
        expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
      );
    });
  });

  it('trains an embedding as the cpu backend does', async () => {
    await expectSameOnCpu(() => {
      const next = noise(9);
      const table = tf.variable(random(next, [6, 4]));
      const ids = tf.tensor1d([0, 3, 3, 5, 0, 0], 'int32');
      const target = random(next, [6, 4]);
      const optimizer = tf.train.sgd(0.1);
      const loss = (): tf.Scalar => tf.sum(tf.squaredDifference(tf.gather(table, ids), target));
      const losses = [loss()];
      for (let step = 0; step < 5; step++) optimizer.minimize(loss, false, [table]);
      losses.push(loss());
      expect((losses[1] as tf.Scalar).dataSync()[0]).toBeLessThan(
        (losses[0] as tf.Scalar).dataSync()[0] as number,
      );
      const trained = tf.clone(table);
      for (const disposable of [table, optimizer]) disposable.dispose();
      return [trained];
    });
  });
});

interface Product {
  batch: number[];
  m: number;
  k: number;
  n: number;
  transposeA: boolean;
  transposeB: boolean;
  seed: number;
}

describe('BatchMatMul', () => {
  it('equals the cpu backend for any transposes, small or large, with one batch or many', async () => {
    const product = fc.record<Product>({
      batch: fc.constantFrom<number[]>([], [1], [3], [2, 2]),
      m: fc.constantFrom(1, 3, 32),
      k: fc.constantFrom(1, 5, 32),
      n: fc.constantFrom(1, 4, 33),
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      seed,
    });
    await fc.assert(
      fc.asyncProperty(product, async ({ batch, m, k, n, transposeA, transposeB, seed }) => {
        await expectSameOnCpu(() => {
          const next = noise(seed);
          const a = random(next, [...batch, ...(transposeA ? [k, m] : [m, k])]);
          const b = random(next, [...batch, ...(transposeB ? [n, k] : [k, n])]);
          const out = tf.matMul(a, b, transposeA, transposeB);
          expect(out.shape).toEqual([...batch, m, n]);
          return [out];
        });
      }),
      {
        numRuns: 60,
        // Large enough for the path through XNNPACK, for certain.
        examples: [true, false].flatMap((transposeA) =>
          [true, false].map((transposeB): [Product] => [
            { batch: [3], m: 32, k: 32, n: 33, transposeA, transposeB, seed: 1 },
          ]),
        ),
      },
    );
  });

  it('leaves broadcast batches to the stock kernel', async () => {
    await expectSameOnCpu(() => {
      const next = noise(10);
      return [tf.matMul(random(next, [3, 32, 32]), random(next, [1, 32, 32]), false, true)];
    });
  });
});

describe('Sum', () => {
  it('equals the cpu backend for any axes', async () => {
    const reduction = fc.record({
      shape: fc.array(size(5), { minLength: 1, maxLength: 4 }),
      // The axes of a bias gradient half of the time: only those are summed by our own kernel.
      axes: fc.oneof(fc.constant('all but last' as const), fc.subarray([0, 1, 2, 3])),
      keepDims: fc.boolean(),
      seed,
    });
    await fc.assert(
      fc.asyncProperty(reduction, async ({ shape, axes, keepDims, seed }) => {
        const all = shape.map((_, a) => a);
        const axis = axes === 'all but last' ? all.slice(0, -1) : axes.filter((a) => a < shape.length);
        // The stock kernel, for the other axes, sums in float32.
        const tolerance = axes === 'all but last' ? 1e-6 : 5e-6;
        await expectSameOnCpu(() => [tf.sum(random(noise(seed), shape), axis, keepDims)], tolerance);
      }),
      { numRuns: 60 },
    );
  });

  it('stays exact over many rows, where a float32 sum drifts', async () => {
    await expectSameOnCpu(() => [tf.sum(tf.add(random(noise(13), [20000, 3]), 0.5), 0)], 1e-7);
  });
});

describe('Identity and Cast', () => {
  it('share memory that outlives either of the tensors', async () => {
    await tf.setBackend('wasm');
    const x = tf.tensor1d([1, 2, 3]);
    const buffers = tf.memory().numDataBuffers;
    const [clone, cast] = [tf.clone(x), tf.cast(x, 'float32')];
    expect(tf.memory().numDataBuffers).toBe(buffers);
    x.dispose();
    tf.zeros([3]).dispose();
    expect(clone.dataSync()).toEqual(Float32Array.of(1, 2, 3));
    clone.dispose();
    expect(cast.dataSync()).toEqual(Float32Array.of(1, 2, 3));
    cast.dispose();
    expect(tf.memory().numDataBuffers).toBe(buffers - 1);
  });

  it('do not tie a variable to its snapshot', async () => {
    await tf.setBackend('wasm');
    const variable = tf.tidy(() => tf.variable(tf.tensor1d([1, 2])));
    const snapshot = variable.clone();
    tf.tidy(() => variable.assign(tf.tensor1d([3, 4])));
    expect(snapshot.dataSync()).toEqual(Float32Array.of(1, 2));
    expect(variable.dataSync()).toEqual(Float32Array.of(3, 4));
    tf.dispose([variable, snapshot]);
  });

  it('still convert between dtypes, and still copy strings', async () => {
    await tf.setBackend('wasm');
    tf.tidy(() => {
      expect(tf.cast(tf.tensor1d([1.7, -1.7]), 'int32').dataSync()).toEqual(Int32Array.of(1, -1));
      expect(tf.clone(tf.tensor1d(['a', 'b'])).dataSync()).toEqual(['a', 'b']);
    });
  });
});
