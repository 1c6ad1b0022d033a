/** What a TensorFlow.js user meets: minimize, compile and fit, names, learning rates, saving, memory. */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as layers from '@tensorflow/tfjs-layers';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  AdamW,
  clipByGlobalNorm,
  decodeState,
  encodeState,
  exportState,
  importState,
  Momentum,
  RMSProp,
  SGD,
  SpecOptimizer,
  sgd,
  type TfjsOptimizer,
  VRAdam,
  VRAdamError,
  VRMomentum,
  vradam,
  warmupCosine,
} from '../src/index.ts';

const classes = { VRAdam, AdamW, SGD, RMSProp, Momentum, VRMomentum };
const values = (variable: tf.Tensor) => [...variable.dataSync()];

test('every optimizer can be constructed before a backend is ready', () => {
  for (const Class of Object.values(classes)) expect(new Class()).toBeInstanceOf(tf.Optimizer);
});

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  const made: tf.Variable[] = [];
  const variable = (data: number[], name?: string) => {
    const result = tf.variable(tf.tensor1d(data), true, name);
    made.push(result);
    return result;
  };
  beforeAll(async () => {
    await tf.setBackend(backend);
    await tf.ready();
  });
  afterEach(() => {
    for (const one of made.splice(0)) one.dispose();
  });

  test.each(Object.entries(classes))('%s minimizes a quadratic, without a leak', (_, Class) => {
    const w = variable([3, -2]);
    const optimizer = new Class({ learningRate: 0.05 });
    const loss = () => tf.sum(tf.square(w)) as tf.Scalar;
    optimizer.minimize(loss);
    const before = tf.memory().numTensors;
    for (let i = 0; i < 60; i++) optimizer.minimize(loss);
    expect(tf.memory().numTensors).toBe(before);
    expect(Math.max(...values(w).map(Math.abs))).toBeLessThan(2.9);
    optimizer.dispose();
  });

  test('nothing is left after dispose', () => {
    const before = tf.memory().numTensors;
    const w = tf.variable(tf.tidy(() => tf.tensor1d([1, 2])));
    const optimizer = new SpecOptimizer(clipByGlobalNorm(vradam(), { maxNorm: 1 }));
    for (let i = 0; i < 3; i++) optimizer.minimize(() => tf.sum(tf.square(w)) as tf.Scalar);
    optimizer.dispose();
    w.dispose();
    expect(tf.memory().numTensors).toBe(before + 1); // tf.variable keeps nothing; its initial tensor is the user's
  });

  test('state follows the name of a variable, whatever the order, and through steps without it', () => {
    const run = (orders: ('a' | 'b')[][]) => {
      const parts = { a: variable([1], `a${Math.random()}`), b: variable([1], `b${Math.random()}`) };
      const optimizer = new VRAdam({ learningRate: 0.1, beta3: 0 });
      for (const order of orders) {
        const gradients = order.map((key) => [parts[key].name, tf.tensor1d([key === 'a' ? 1 : -3])]);
        optimizer.applyGradients(Object.fromEntries(gradients));
      }
      return [...values(parts.a), ...values(parts.b)];
    };
    expect(
      run([
        ['a', 'b'],
        ['b', 'a'],
        ['a', 'b'],
      ]),
    ).toEqual(
      run([
        ['a', 'b'],
        ['a', 'b'],
        ['a', 'b'],
      ]),
    );
    const [a] = run([['a', 'b'], ['b'], ['a', 'b'], ['a', 'b']]);
    expect(a).toBe(
      run([
        ['a', 'b'],
        ['a', 'b'],
        ['a', 'b'],
      ])[0],
    );
  });

  test('the array form, null and undefined gradients are taken', () => {
    const [a, b, c] = [variable([1]), variable([1]), variable([1])];
    const optimizer = new SGD({ learningRate: 1 });
    optimizer.applyGradients([
      { name: a.name, tensor: tf.tensor1d([0.5]) },
      { name: b.name, tensor: null as never },
      { name: c.name, tensor: undefined as never },
    ]);
    expect([...values(a), ...values(b), ...values(c)]).toEqual([0.5, 1, 1]);
    expect(optimizer.iterations).toBe(1);
  });

  test('inside a tf.tidy of the user the state survives', () => {
    const w = variable([3]);
    const optimizer = new VRAdam({ learningRate: 0.1 });
    for (let i = 0; i < 3; i++) {
      tf.tidy(() => {
        optimizer.minimize(() => tf.sum(tf.square(w)) as tf.Scalar);
      });
    }
    expect(optimizer.steps).toEqual({ taken: 3, skipped: 0 });
    optimizer.dispose();
  });

  test('the learning rate is a number or a schedule, and can be set between steps', () => {
    const w = variable([0]);
    const step = (optimizer: TfjsOptimizer) => {
      w.assign(tf.tensor1d([0]));
      optimizer.applyGradients({ [w.name]: tf.tensor1d([1]) });
      return -(values(w)[0] as number);
    };
    const scheduled = new SGD({
      learningRate: warmupCosine({ learningRate: 1, warmup: 2, total: 4, factor: 0.5 }),
    });
    expect(scheduled.learningRate).toBe(0.5);
    expect([step(scheduled), step(scheduled), step(scheduled)]).toEqual([0.5, 0.75, 1]);
    scheduled.setLearningRate(0.25);
    expect(scheduled.learningRate).toBe(0.25);
    expect([step(scheduled), step(scheduled)]).toEqual([0.25, 0.25]);
    expect(() => scheduled.setLearningRate(-1)).toThrow(VRAdamError);
  });

  test('the brake can be seen', async () => {
    const w = variable([0]);
    const optimizer = new VRAdam({ learningRate: 1, lrCutoff: 4 });
    const nothing = { effectiveLearningRate: null, velocityNorm: null, cutoffHit: false, groups: [] };
    expect(await optimizer.stats()).toEqual({ step: 0, skippedSteps: 0, ...nothing });
    optimizer.applyGradients({ [w.name]: tf.tensor1d([10]) });
    const first = await optimizer.stats();
    expect(first).toMatchObject({ step: 1, skippedSteps: 0, cutoffHit: false });
    expect(first.groups).toMatchObject([{ group: 'default', learningRate: 1 }]);
    expect(first.groups[0]?.norm).toBeCloseTo(1, 5);
    expect(first.velocityNorm).toBeCloseTo(1, 5);
    expect(first.effectiveLearningRate).toBeCloseTo(0.5, 5);
    optimizer.applyGradients({ [w.name]: tf.tensor1d([20]) });
    const second = await optimizer.stats();
    expect(second.velocityNorm).toBeCloseTo(2.9, 5);
    expect(second.effectiveLearningRate).toBeCloseTo(0.2, 5);
    expect(second.cutoffHit).toBe(true);
    optimizer.dispose();
  });

  test('a NaN gradient is refused by name, and neither variable nor state changes', () => {
    const w = variable([1, 2], `weights${Math.random()}`);
    const optimizer = new VRAdam();
    optimizer.applyGradients({ [w.name]: tf.tensor1d([1, 1]) });
    const before = values(w);
    const bad = () => optimizer.applyGradients({ [w.name]: tf.tensor1d([Number.NaN, 1]) });
    expect(bad).toThrow(
      expect.objectContaining({ code: 'ERR_NON_FINITE', message: expect.stringContaining(w.name) }),
    );
    expect(values(w)).toEqual(before);
    expect([optimizer.iterations, optimizer.steps.taken]).toEqual([1, 1]);
  });

  test('an unknown variable and a wrong shape are refused', () => {
    const w = variable([1, 2]);
    const optimizer = new VRAdam();
    const apply = (name: string, data: number[]) => () =>
      optimizer.applyGradients({ [name]: tf.tensor1d(data) });
    expect(apply('nobody', [1])).toThrow(expect.objectContaining({ code: 'ERR_PARAMETER_UNKNOWN' }));
    expect(apply(w.name, [1])).toThrow(expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }));
  });

  test('saved to bytes and loaded into a new optimizer, it continues bit for bit', async () => {
    const train = (w: tf.Variable, optimizer: TfjsOptimizer, steps: number) => {
      for (let i = 0; i < steps; i++)
        optimizer.minimize(() => tf.sum(tf.square(tf.sub(w, 3))) as tf.Scalar, false, [w]);
    };
    const straight = variable([5, -5]);
    const a = new VRAdam({ learningRate: 0.1 });
    train(straight, a, 6);
    const w = variable([5, -5]);
    const b = new VRAdam({ learningRate: 0.1 });
    train(w, b, 3);
    const bytes = encodeState(await exportState(b));
    b.dispose();
    const c = new VRAdam({ learningRate: 0.1 });
    importState(c, decodeState(bytes));
    expect([c.iterations, c.steps.taken]).toEqual([3, 3]);
    train(w, c, 3);
    expect(values(w)).toEqual(values(straight));
  });

  test('a learning rate that was just set is saved too', async () => {
    const w = variable([5]);
    const a = new VRAdam();
    a.applyGradients({ [w.name]: tf.tensor1d([1]) });
    a.setLearningRate(0.25);
    const dict = await exportState(a);
    const b = new VRAdam();
    importState(b, dict);
    expect([a.learningRate, b.learningRate]).toEqual([0.25, 0.25]);
  });

  test('the global norm is right for more variables than a shader has bindings', () => {
    const many = Array.from({ length: 20 }, (_, i) => variable([i]));
    const optimizer = new SpecOptimizer(clipByGlobalNorm(sgd({ learningRate: 1 }), { maxNorm: 1 }));
    const before = many.map((one) => values(one)[0] as number);
    optimizer.applyGradients(many.map(({ name }) => ({ name, tensor: tf.tensor1d([2]) })));
    const moved = many.map((one, i) => (values(one)[0] as number) - (before[i] as number));
    expect(Math.hypot(...moved)).toBeCloseTo(1, 5);
  });

  test('model.compile and fit take it', async () => {
    const model = layers.sequential();
    model.add(layers.layers.dense({ units: 8, activation: 'tanh', inputShape: [2] }));
    model.add(layers.layers.dense({ units: 1 }));
    model.compile({ optimizer: new VRAdam({ learningRate: 0.05 }), loss: 'meanSquaredError' });
    const x = tf.tensor2d([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]);
    const y = tf.tensor2d([[0], [1], [1], [0]]);
    const { history } = await model.fit(x, y, { epochs: 60, verbose: 0 });
    const losses = history['loss'] as number[];
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 3);
  });

  test('a configuration survives JSON, also with what tfjs adds and an infinite cutoff', () => {
    const optimizer = new VRAdam({ learningRate: 0.3, lrCutoff: Number.POSITIVE_INFINITY, normGrad: true });
    const config = { ...JSON.parse(JSON.stringify(optimizer.getConfig())), customObjects: {} };
    const { fromConfig } = VRAdam;
    const copy = fromConfig<VRAdam>(VRAdam as never, config);
    expect(copy).toBeInstanceOf(VRAdam);
    expect(copy.spec.groups.at(-1)?.options).toEqual(optimizer.spec.groups.at(-1)?.options);
    expect(VRAdam.className).toBe('VRAdam');
  });
});
