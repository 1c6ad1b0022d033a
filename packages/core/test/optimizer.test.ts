/** Binding, names, shapes, groups and statistics. */

import { expect, test } from 'vitest';
import {
  adamw,
  averagedWeights,
  clipByGlobalNorm,
  createOptimizer,
  float32Ops,
  float64Ops,
  maskWeightDecay,
  type OptimizerSpec,
  sgd,
  VRAdamError,
  vradam,
} from '../src/index.ts';

const code = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    if (error instanceof VRAdamError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
};

test('the first step of Algorithm 1, by hand', () => {
  const optimizer = createOptimizer(
    float64Ops,
    vradam({ learningRate: 0.5, beta3: 2, weightDecay: 0.1, epsilon: 1 }),
  );
  const parameters = { w: Float64Array.of(2), b: Float64Array.of(-1) };
  const gradients = { w: Float64Array.of(10), b: Float64Array.of(-20) };
  const { stats } = optimizer.update(parameters, gradients, optimizer.init(parameters));
  const norm = 1 ** 2 + 2 ** 2; // v = 0.1 g
  const eta = 0.5 / (1 + 2 * norm);
  expect(stats[0]?.norm).toBeCloseTo(norm, 12);
  expect(stats[0]?.effectiveLearningRate).toBeCloseTo(eta, 14);
  expect(parameters.w[0]).toBeCloseTo(2 - eta * (10 / (10 + 1) + 0.1 * 2), 12);
  expect(parameters.b[0]).toBeCloseTo(-1 - eta * (-20 / (20 + 1) - 0.1), 12);
});

test('the cutoff is the most that the brake may add', () => {
  const optimizer = createOptimizer(float64Ops, vradam({ learningRate: 1, lrCutoff: 9 }));
  const w = Float64Array.of(0);
  const { stats } = optimizer.update({ w }, { w: Float64Array.of(1e6) }, optimizer.init({ w }));
  expect(stats[0]?.effectiveLearningRate).toBe(0.1);
});

test('on typed arrays parameters are updated in place, with kernels or without', () => {
  for (const spec of [vradam(), adamw(), sgd()]) {
    const w = Float32Array.of(1, 2, 3);
    const optimizer = createOptimizer(float32Ops, spec);
    const { parameters } = optimizer.update({ w }, { w: Float32Array.of(1, 1, 1) }, optimizer.init({ w }));
    expect(parameters['w']).toBe(w);
    expect(w[0]).toBeLessThan(1);
  }
});

test('an unknown name, a wrong shape or a missing parameter is refused before anything changes', () => {
  const optimizer = createOptimizer(float64Ops, vradam());
  const parameters = { a: Float64Array.of(1, 2), b: Float64Array.of(3) };
  const ones = { a: Float64Array.of(1, 1), b: Float64Array.of(1) };
  const { state } = optimizer.update(parameters, ones, optimizer.init(parameters));
  const before = structuredClone([parameters, state]);
  expect(code(() => optimizer.update(parameters, { ...ones, c: ones.a }, state))).toBe(
    'ERR_PARAMETER_UNKNOWN',
  );
  expect(code(() => optimizer.update(parameters, { a: ones.b }, state))).toBe('ERR_SHAPE_MISMATCH');
  expect(code(() => optimizer.update({ a: parameters.a }, ones, state))).toBe('ERR_PARAMETER_UNKNOWN');
  expect(code(() => optimizer.update({ ...parameters, b: ones.a }, ones, state))).toBe('ERR_SHAPE_MISMATCH');
  expect(code(() => optimizer.update({ ...parameters, c: ones.a }, ones, state))).toBe(
    'ERR_PARAMETER_UNKNOWN',
  );
  expect([parameters, state]).toEqual(before);
});

test('names that objects treat specially are names like any other', () => {
  const optimizer = createOptimizer(float64Ops, vradam());
  const parameters = JSON.parse('{"__proto__": 1, "constructor": 1}', (_, value) =>
    typeof value === 'number' ? Float64Array.of(value) : value,
  ) as Record<string, Float64Array>;
  const { state, parameters: moved } = optimizer.update(parameters, parameters, optimizer.init(parameters));
  expect([...state.parameters.keys()]).toEqual(['__proto__', 'constructor']);
  expect(Object.keys(moved)).toEqual(['__proto__', 'constructor']);
  expect(Object.values(moved).map((w) => (w[0] as number) < 1)).toEqual([true, true]);
});

test('a step without any gradient changes nothing but the count, and its rate is the base rate', () => {
  const optimizer = createOptimizer(float64Ops, vradam({ learningRate: 0.25 }));
  const w = Float64Array.of(1);
  const { state, stats } = optimizer.update({ w }, { w: null }, optimizer.init({ w }));
  expect(w[0]).toBe(1);
  expect(stats).toEqual([{ group: 'default', learningRate: 0.25, effectiveLearningRate: 0.25, norm: 0 }]);
  expect(state.step).toBe(1);
  expect(state.parameters.get('w')).toMatchObject({ step: 0, slots: {} });
});

test('groups have their own options, norm and statistics; the first that matches takes the parameter', () => {
  const spec = vradam({
    learningRate: 1,
    groups: [
      { name: 'frozen', match: /^encoder/, learningRate: 0 },
      { name: 'head', match: /head|encoder/, beta3: 0 },
    ],
  });
  const optimizer = createOptimizer(float64Ops, spec);
  const make = (value: number) => ({
    'encoder.w': Float64Array.of(value),
    'head.w': Float64Array.of(value),
    'body.w': Float64Array.of(value),
  });
  const parameters = make(1);
  const { stats } = optimizer.update(parameters, make(10), optimizer.init(parameters));
  expect(stats.map(({ group }) => group)).toEqual(['frozen', 'head', 'default']);
  expect(stats.map(({ effectiveLearningRate }) => effectiveLearningRate)).toEqual([
    0,
    1,
    expect.closeTo(0.5),
  ]);
  expect(parameters['encoder.w'][0]).toBe(1);
});

test('statistics of an algorithm without a norm say so', () => {
  const optimizer = createOptimizer(float64Ops, sgd({ learningRate: 0.5 }));
  const w = Float64Array.of(1);
  const { stats } = optimizer.update({ w }, { w }, optimizer.init({ w }));
  expect(stats[0]).toEqual({ group: 'default', learningRate: 0.5, effectiveLearningRate: 0.5, norm: null });
});

test('an infinite norm brakes to the floor; without the brake it does not matter', () => {
  const rate = (beta3: number) => {
    const optimizer = createOptimizer(float64Ops, vradam({ learningRate: 1, beta3 }));
    const w = Float64Array.of(0);
    return optimizer.update({ w }, { w: Float64Array.of(1e200) }, optimizer.init({ w })).stats[0]
      ?.effectiveLearningRate;
  };
  expect(rate(1)).toBe(1 / 20);
  expect(rate(0)).toBe(1);
});

test('the error for a bad gradient names parameter, count and step', () => {
  const optimizer = createOptimizer(float32Ops, vradam());
  const w = Float32Array.of(1, 2, 3);
  const state = optimizer.init({ w });
  const bad = Float32Array.of(Number.NaN, 1, Number.POSITIVE_INFINITY);
  expect(() => optimizer.update({ w }, { w: bad }, state)).toThrow(
    /gradient "w" must be finite\. Received: 2 .* in step 1/,
  );
  expect([...w]).toEqual([1, 2, 3]);
});

test('a clip outside of skipNonFinite still skips, and a clipped NaN never reaches the norm', () => {
  const optimizer = createOptimizer(
    float64Ops,
    clipByGlobalNorm(vradam({ nonFinite: 'skip' }), { maxNorm: 1 }),
  );
  const w = Float64Array.of(1);
  const { state, stats } = optimizer.update({ w }, { w: Float64Array.of(Number.NaN) }, optimizer.init({ w }));
  expect([w[0], state.skippedSteps, state.step, stats.length]).toEqual([1, 1, 0, 0]);
});

test('weight decay is masked by name for the algorithms with L2 too', () => {
  const step = (spec: OptimizerSpec) => {
    const optimizer = createOptimizer(float64Ops, spec);
    const parameters = {
      'conv.weight': Float64Array.of(1),
      'bn1.weight': Float64Array.of(1),
      'fc.bias': Float64Array.of(1),
    };
    const zero = {
      'conv.weight': Float64Array.of(0),
      'bn1.weight': Float64Array.of(0),
      'fc.bias': Float64Array.of(0),
    };
    optimizer.update(parameters, zero, optimizer.init(parameters));
    return Object.values(parameters).map((w) => w[0]);
  };
  expect(step(maskWeightDecay(sgd({ learningRate: 1, weightDecay: 0.5 })))).toEqual([0.5, 1, 1]);
  expect(step(maskWeightDecay(adamw({ learningRate: 1, weightDecay: 0.5 })))).toEqual([0.5, 1, 1]);
  expect(step(maskWeightDecay(sgd({ learningRate: 1, weightDecay: 0.5 }), /conv/))).toEqual([1, 0.5, 0.5]);
});

test('averagedWeights of a state that keeps no average is an error', () => {
  const optimizer = createOptimizer(float64Ops, vradam());
  expect(code(() => averagedWeights(optimizer.init({ w: Float64Array.of(1) })))).toBe('ERR_STATE_MISMATCH');
});
