/** Kernels for a whole group, and names in any order. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Algorithm,
  adamw,
  averageWeights,
  createOptimizer,
  type Entry,
  float64Ops,
  type Kernel,
  maskWeightDecay,
  type NamedTensors,
  type OptimizerSpec,
  sgd,
  type TensorOps,
  vradam,
} from '../src/index.ts';

type Ops = TensorOps<Float64Array, number>;
type Arrays = NamedTensors<Float64Array>;

/** The composed rules as a kernel for whole groups; notes the names of each call. */
function inGroups(algorithm: Algorithm<never>, calls: string[][]): Ops {
  const rules = algorithm as unknown as Algorithm;
  const accumulate = (entry: Entry<Float64Array>, options: object) =>
    rules.accumulate?.(float64Ops, entry, options) ?? null;
  const apply: Kernel<Float64Array, number>['apply'] = (parameter, entry, rate, options) =>
    float64Ops.replace(parameter, rules.apply(float64Ops, parameter, entry, rate, options));
  const kernel: Kernel<Float64Array, number> = {
    accumulate: () => expect.unreachable(),
    apply: () => expect.unreachable(),
    accumulateAll(entries, options) {
      calls.push(entries.map(({ name }) => name));
      return entries.map((entry) => accumulate(entry, options)).filter((norm) => norm !== null);
    },
    applyAll(parameters, entries, rate, options) {
      calls.push(entries.map(({ name }) => name));
      return entries.map((entry, i) => apply(parameters[i] as Float64Array, entry, rate, options));
    },
  };
  return { ...float64Ops, kernels: () => kernel };
}

const names = ['a', 'b', 'bias', 'c', '__proto__'];
const make = (seed: number, some: readonly string[] = names): Arrays =>
  Object.fromEntries(
    some.map((name) => {
      const length = 1 + names.indexOf(name);
      return [name, Float64Array.from({ length }, (_, i) => Math.sin(seed * (i + 3) + length))];
    }),
  );

const specs: readonly OptimizerSpec[] = [
  maskWeightDecay(vradam({ learningRate: 0.1, groups: [{ match: ['b', '__proto__'], beta3: 3 }] })),
  adamw({ learningRate: 0.1, groups: [{ match: 'c', weightDecay: 0.5 }] }),
  sgd({ learningRate: 0.1, momentum: 0.9 }),
];

/** Parameters and state after a step for each seed, with the gradients of these names in this order. */
function train(ops: Ops, spec: OptimizerSpec, orders: readonly (readonly string[])[]) {
  const optimizer = createOptimizer(ops, spec);
  let parameters = make(1);
  let state = optimizer.init(parameters);
  for (const [seed, order] of orders.entries()) {
    ({ parameters, state } = optimizer.update(parameters, make(seed + 2, order), state));
  }
  return { parameters, state };
}

const orders = fc.array(fc.shuffledSubarray(names), { minLength: 1, maxLength: 4 });

describe('a kernel may take all tensors of a group at once', () => {
  test.each(specs)('$algorithm.name: it does what the rules do one by one', (spec) => {
    fc.assert(
      fc.property(orders, (steps) => {
        const whole = train(inGroups(spec.algorithm as Algorithm<never>, []), spec, steps);
        expect(whole).toEqual(train(float64Ops, spec, steps));
      }),
      { numRuns: 30 },
    );
  });

  test('it is called once a phase for each group, with those that have a gradient', () => {
    const [spec] = specs as [OptimizerSpec];
    const calls: string[][] = [];
    train(inGroups(spec.algorithm as Algorithm<never>, calls), spec, [['c', 'b', 'a']]);
    expect(calls).toEqual([['b'], ['a', 'c'], ['b'], ['a', 'c']]);
  });

  test('it finds the record of slots that it had, unless a transform has made another', () => {
    const records = (spec: OptimizerSpec): unknown[] => {
      const ops = inGroups(spec.algorithm as Algorithm<never>, []);
      const optimizer = createOptimizer(ops, spec);
      const parameters = make(1);
      let state = optimizer.init(parameters);
      return [2, 3, 4].map((seed) => {
        ({ state } = optimizer.update(parameters, make(seed), state));
        return state.parameters.get('a')?.slots;
      });
    };
    const [first, second, third] = records(vradam());
    expect([second, third].every((record) => record === first)).toBe(true);
    expect(new Set(records(averageWeights(vradam()))).size).toBe(3);
  });
});

describe('names', () => {
  test('gradients count by name, whatever their order, and the state keeps the order of the parameters', () => {
    fc.assert(
      fc.property(orders, (steps) => {
        const sorted = steps.map((order) => names.filter((name) => order.includes(name)));
        for (const spec of specs) {
          const result = train(float64Ops, spec, steps);
          expect(result).toEqual(train(float64Ops, spec, sorted));
          expect([...result.state.parameters.keys()]).toEqual(names);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('those of Object.prototype are no gradients', () => {
    const optimizer = createOptimizer(float64Ops, vradam());
    const parameters = {
      a: Float64Array.of(1),
      constructor: Float64Array.of(1),
      toString: Float64Array.of(1),
    };
    const { state } = optimizer.update(parameters, { a: Float64Array.of(1) }, optimizer.init(parameters));
    expect([...state.parameters.values()].map(({ step }) => step)).toEqual([1, 0, 0]);
  });

  test('a parameter that is null is missing, and nothing changes', () => {
    const optimizer = createOptimizer(float64Ops, vradam());
    const parameters = make(1);
    const state = optimizer.init(parameters);
    const before = structuredClone([parameters, state]);
    for (const bad of [
      { ...parameters, b: null },
      { ...parameters, b: undefined },
    ]) {
      expect(() => optimizer.update(bad as unknown as Arrays, make(2), state)).toThrow(
        expect.objectContaining({ name: 'VRAdamError', code: 'ERR_PARAMETER_UNKNOWN' }),
      );
    }
    expect([parameters, state]).toEqual(before);
  });

  test('a state is not changed by a step: it can be stepped from again, as who traces a step does', () => {
    const optimizer = createOptimizer(float64Ops, vradam());
    const { state } = train(float64Ops, vradam(), [names, names]);
    const counters = () => [...state.parameters].map(([name, { step }]) => [name, step]);
    const before = counters();
    for (let i = 0; i < 2; i++) {
      const after = optimizer.accumulate(make(7), state).state;
      expect([...after.parameters.values()].map(({ step }) => step)).toEqual(names.map(() => 3));
    }
    expect(counters()).toEqual(before);
  });
});
