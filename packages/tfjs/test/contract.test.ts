/** State belongs to a variable's name, whatever the order, form and choice of gradients. */

import * as tf from '@tensorflow/tfjs-core';
import {
  adamw,
  clipByGlobalNorm,
  createOptimizer,
  float64Ops,
  type OptimizerSpec,
  type OptimizerState,
  rmsprop,
  sgd,
  vradam,
  warmupCosine,
} from '@vradam/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SpecOptimizer, VRAdam } from '../src/index.ts';
import { freshName, makers, onEveryPath, values, variable, withGradients } from './setup.ts';

const keys = ['a', 'b', 'c'] as const;
type Key = (typeof keys)[number];
const sizes: Readonly<Record<Key, number>> = { a: 1, b: 3, c: 5 };

/** One step: which variables come, in which order, and what becomes of each. */
const oneStep = fc.shuffledSubarray([...keys], { minLength: 0 }).chain((order) =>
  fc.record({
    order: fc.constant(order),
    missing: fc.subarray(order),
    form: fc.constantFrom('map' as const, 'array' as const),
    seed: fc.integer({ min: 1, max: 1000 }),
  }),
);

const gradientOf = (key: Key, seed: number): number[] =>
  Array.from({ length: sizes[key] }, (_, i) => Math.sin(seed * (i + 1) + keys.indexOf(key)));

const specs: Readonly<Record<string, () => OptimizerSpec>> = {
  vradam: () => vradam({ learningRate: 0.1, weightDecay: 0.1 }),
  adamw: () => adamw({ learningRate: 0.1 }),
  sgd: () => sgd({ learningRate: 0.1, momentum: 0.9, dampening: 0.5 }),
  rmsprop: () => rmsprop({ learningRate: 0.1, centered: true, momentum: 0.9, epsilon: 0.1 }),
};

onEveryPath((fused) => {
  test.each(Object.entries(specs))(
    '%s follows a float64 reference by name, for any order, subset and form',
    (_, spec) => {
      fc.assert(
        fc.property(fc.array(oneStep, { maxLength: 8 }), (steps) => {
          const reference = createOptimizer(float64Ops, spec());
          let parameters: Readonly<Record<string, Float64Array>> = Object.fromEntries(
            keys.map((key) => [key, Float64Array.from(gradientOf(key, 77))]),
          );
          let state: OptimizerState<Float64Array> = reference.init(parameters);
          const variables = Object.fromEntries(
            keys.map((key) => [key, variable(gradientOf(key, 77), freshName())]),
          );
          const optimizer = new SpecOptimizer(spec(), { fused });
          for (const { order, missing, form, seed } of steps) {
            const present = order.filter((key) => !missing.includes(key));
            const expected = present.map((key) => [key, Float64Array.from(gradientOf(key, seed))]);
            ({ parameters, state } = reference.update(parameters, Object.fromEntries(expected), state));
            const given = order.map((key) => [
              variables[key]?.name,
              present.includes(key) ? gradientOf(key, seed) : null,
            ]);
            withGradients(Object.fromEntries(given), (tensors) => {
              const list = Object.entries(tensors).map(([name, tensor]) => ({ name, tensor }));
              optimizer.applyGradients(form === 'map' ? tensors : list);
            });
          }
          for (const key of keys) {
            const [actual, wanted] = [
              values(variables[key] as tf.Variable),
              [...(parameters[key] as Float64Array)],
            ];
            wanted.forEach((value, i) => {
              expect(Math.abs((actual[i] as number) - value)).toBeLessThan(
                2e-6 * Math.max(1, Math.abs(value)),
              );
            });
          }
          expect(optimizer.iterations).toBe(steps.length);
          optimizer.dispose();
          for (const one of Object.values(variables)) one.dispose();
        }),
        { numRuns: 25 },
      );
    },
  );

  test('a fused step is the portable one within float32 rounding', () => {
    for (const make of Object.values(makers)) {
      const runs = ([fused, false] as const).map((path) => {
        const w = variable([1, -2, 3, 0.5, 7]);
        const optimizer = make({ fused: path, transforms: [[clipByGlobalNorm, { maxNorm: 3 }]] });
        for (let i = 1; i <= 20; i++)
          withGradients({ [w.name]: [1, 2, 3, 4, 5].map((k) => Math.sin(i * k)) }, (g) =>
            optimizer.applyGradients(g),
          );
        optimizer.dispose();
        return values(w);
      });
      runs[0]?.forEach((value, i) => {
        expect(Math.abs(value - (runs[1]?.[i] as number))).toBeLessThan(2e-6 * Math.max(1, Math.abs(value)));
      });
    }
  });

  test('path says what runs: the fused one only where the backend has it and nobody forbids it', () => {
    const { path } = new VRAdam({ fused });
    expect(path).toBe(fused === 'auto' ? tf.getBackend() : 'portable');
  });

  test('a backend that does not show what the fused path needs gets the portable one', () => {
    const backend = tf.backend() as { refCount: unknown };
    const optimizer = new VRAdam({ fused, learningRate: 0.5 });
    const w = variable([1, 2]);
    backend.refCount = () => {
      throw new Error('there is no such thing');
    };
    try {
      expect(optimizer.path).toBe('portable');
      withGradients({ [w.name]: [1, 1] }, (g) => optimizer.applyGradients(g));
    } finally {
      delete backend.refCount;
    }
    expect(values(w)[0]).toBeLessThan(1);
    optimizer.dispose();
  });

  test('moments that share their numbers with a clone, or were read, are copied before they change', async () => {
    const w = variable([1, 2]);
    const optimizer = new VRAdam({ fused });
    const step = () => withGradients({ [w.name]: [1, -1] }, (g) => optimizer.applyGradients(g));
    step();
    const [, velocity] = await optimizer.getWeights();
    const read = velocity?.tensor.dataSync() as Float32Array;
    const [copy, before] = [velocity?.tensor.clone() as tf.Tensor, [...read]];
    step();
    expect([...read]).toEqual(before);
    expect(values(copy)).toEqual(before);
    step();
    expect(values(copy)).toEqual(before);
    const [, now] = await optimizer.getWeights();
    expect(values(now?.tensor as tf.Tensor)).not.toEqual(before);
    copy.dispose();
    optimizer.dispose();
  });

  test('a clone and an earlier reading of a variable stay as they were', () => {
    const w = variable([1, 2]);
    const [copy, read] = [w.clone(), w.dataSync()];
    const optimizer = new VRAdam({ fused, learningRate: 0.5 });
    withGradients({ [w.name]: [1, 1] }, (g) => optimizer.applyGradients(g));
    expect([...values(copy), ...read]).toEqual([1, 2, 1, 2]);
    expect(values(w)[0]).toBeLessThan(1);
    copy.dispose();
    optimizer.dispose();
  });

  test('each group has a learning rate, which can be read and set alone, also to a schedule and back', () => {
    const [body, head] = [variable([0], freshName('body')), variable([0], freshName('head'))];
    const optimizer = makers.SGD({
      momentum: 0,
      learningRate: 1,
      fused,
      groups: [{ name: 'head', match: /^head/, learningRate: 10 }],
    });
    const step = () => {
      const before = [values(body)[0] as number, values(head)[0] as number];
      withGradients({ [body.name]: [1], [head.name]: [1] }, (g) => optimizer.applyGradients(g));
      return [body, head].map((w, i) => (before[i] as number) - (values(w)[0] as number));
    };
    expect([optimizer.learningRate, optimizer.learningRateOf('head')]).toEqual([1, 10]);
    expect(step()).toEqual([1, 10]);
    optimizer.setLearningRate(4, 'head');
    expect([optimizer.learningRate, optimizer.learningRateOf('head')]).toEqual([1, 4]);
    expect(step()).toEqual([1, 4]);
    optimizer.setLearningRate((taken) => taken / 2);
    expect([optimizer.learningRate, optimizer.learningRateOf('head')]).toEqual([1, 1]);
    expect([step(), step()]).toEqual([
      [1, 1],
      [1.5, 1.5],
    ]);
    optimizer.setLearningRate(null);
    expect(step()).toEqual([1, 10]);
  });

  test('a backend may change between steps: the state comes along', async () => {
    const backend = tf.getBackend();
    const run = async (switching: boolean) => {
      const w = variable([1, 2, 3]);
      const optimizer = new VRAdam({ fused, learningRate: 0.1 });
      for (let i = 0; i < 4; i++) {
        if (switching) await tf.setBackend(i % 2 ? 'cpu' : 'wasm');
        withGradients({ [w.name]: [1, i, -1] }, (g) => optimizer.applyGradients(g));
      }
      await tf.setBackend(backend);
      const result = values(w);
      optimizer.dispose();
      return result;
    };
    const [moving, staying] = [await run(true), await run(false)];
    moving.forEach((value, i) => {
      expect(value).toBeCloseTo(staying[i] as number, 5);
    });
  });
});

describe('before tf.ready()', () => {
  test('an optimizer can be made and asked; the rate of a schedule too', () => {
    const optimizer = new VRAdam({ learningRate: warmupCosine({ learningRate: 1, warmup: 2, total: 4 }) });
    expect(optimizer.learningRate).toBeCloseTo(0.1);
    expect(optimizer.steps).toEqual({ taken: 0, skipped: 0 });
    expect(optimizer.getConfig()).toMatchObject({ beta1: 0.9 });
  });
});
