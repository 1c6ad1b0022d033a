/** Schedules are functions of the step. */

import { expect, test } from 'vitest';
import {
  constant,
  createOptimizer,
  exponential,
  float64Ops,
  join,
  linear,
  piecewise,
  type Schedule,
  setLearningRate,
  sgd,
  VRAdamError,
  vradam,
  warmupCosine,
} from '../src/index.ts';

const at = (schedule: Schedule, ...steps: number[]) => steps.map(schedule);

test('constant, linear and exponential are what they say', () => {
  expect(at(constant(0.3), 0, 99)).toEqual([0.3, 0.3]);
  expect(at(linear({ from: 1, to: 0, steps: 4 }), 0, 1, 4, 99)).toEqual([1, 0.75, 0, 0]);
  expect(at(exponential({ from: 1, rate: 0.5, every: 2 }), 0, 2, 4)).toEqual([1, 0.5, 0.25]);
});

test('warmupCosine begins at factor, peaks at warmup, ends at minimum and stays there', () => {
  const schedule = warmupCosine({ learningRate: 1, warmup: 5, total: 15, minimum: 0.2, factor: 0.1 });
  expect(at(schedule, 0, 5, 10, 15, 1000)).toEqual([
    0.1,
    1,
    expect.closeTo(0.6, 12),
    expect.closeTo(0.2, 12),
    expect.closeTo(0.2, 12),
  ]);
  for (let step = 5; step < 15; step++) expect(schedule(step + 1)).toBeLessThan(schedule(step));
});

test('warmupCosine without a cosine goes from its peak to its minimum', () => {
  expect(at(warmupCosine({ learningRate: 1, warmup: 4, total: 4 }), 3, 4, 5)).toEqual([
    expect.closeTo(0.775),
    0,
    0,
  ]);
});

test('join restarts the count of each schedule; piecewise holds', () => {
  const schedule = join([linear({ from: 0, to: 1, steps: 10 }), linear({ from: 1, to: 0, steps: 10 })], [10]);
  expect(at(schedule, 0, 5, 10, 15, 20)).toEqual([0, 0.5, 1, 0.5, 0]);
  expect(at(piecewise([3, 2, 1], [2, 5]), 0, 1, 2, 4, 5, 9)).toEqual([3, 3, 2, 2, 1, 1]);
});

test.each([
  () => constant(-1),
  () => linear({ from: 1, to: 0, steps: 0 }),
  () => linear({ from: 1, to: 0 } as never),
  () => warmupCosine({ learningRate: 1, warmup: 0, total: 9, gamma: 1 } as never),
  () => exponential({ from: 1, rate: 0 }),
  () => warmupCosine({ learningRate: 1, warmup: 5, total: 4 }),
  () => warmupCosine({ learningRate: 1, warmup: 0, total: 4, factor: 2 }),
  () => join([constant(1)], [5]),
  () => join([constant(1), constant(2), constant(3)], [5, 5]),
  () => piecewise([1, 2], [0]),
])('an impossible schedule is refused: %o', (make) => {
  expect(make).toThrow(VRAdamError);
});

test('an optimizer asks the schedule for the step it takes, from 0', () => {
  const asked: number[] = [];
  const optimizer = createOptimizer(float64Ops, sgd({ learningRate: (step) => asked.push(step) }));
  const w = Float64Array.of(0);
  let state = optimizer.init({ w });
  for (let i = 0; i < 3; i++) ({ state } = optimizer.update({ w }, { w: Float64Array.of(1) }, state));
  expect(asked).toEqual([0, 1, 2]);
  expect(w[0]).toBe(-1 - 2 - 3);
});

test('a schedule that gives nonsense is an error before anything changes', () => {
  for (const rate of [Number.NaN, -1, undefined, Number.POSITIVE_INFINITY]) {
    const optimizer = createOptimizer(float64Ops, vradam({ learningRate: () => rate as number }));
    const w = Float64Array.of(1);
    const state = optimizer.init({ w });
    expect(() => optimizer.update({ w }, { w }, state)).toThrow(/group default: learningRate/);
    expect(w[0]).toBe(1);
  }
});

test('a number set on the live optimizer takes the place of the schedule, for all groups or one, until null', () => {
  const spec = sgd({
    learningRate: () => 1,
    groups: [{ name: 'slow', match: 'b', learningRate: () => 0.5 }],
  });
  const optimizer = createOptimizer(float64Ops, spec);
  const parameters = { a: Float64Array.of(0), b: Float64Array.of(0) };
  const gradients = { a: Float64Array.of(1), b: Float64Array.of(1) };
  let state = optimizer.init(parameters);
  const step = () => {
    parameters.a.fill(0);
    parameters.b.fill(0);
    ({ state } = optimizer.update(parameters, gradients, state));
    return [parameters.a[0], parameters.b[0]];
  };
  expect(step()).toEqual([-1, -0.5]);
  state = setLearningRate(optimizer, state, 3, 'slow');
  expect(step()).toEqual([-1, -3]);
  state = setLearningRate(optimizer, state, 2);
  expect(step()).toEqual([-2, -2]);
  state = setLearningRate(optimizer, state, null);
  expect(step()).toEqual([-1, -0.5]);
  expect(() => setLearningRate(optimizer, state, -1)).toThrow(VRAdamError);
  expect(() => setLearningRate(optimizer, state, 1, 'nobody')).toThrow(/no group "nobody"/);
});
