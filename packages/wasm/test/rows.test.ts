/** Many tensors: those in a row go through a kernel together, and it is not to be seen in the numbers. */

import {
  adamw,
  createOptimizer,
  decodeState,
  encodeState,
  exportState,
  importState,
  maskWeightDecay,
  momentum,
  type OptimizerSpec,
  rmsprop,
  sgd,
  vradam,
  vrMomentum,
} from '@vradam/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createWasmOps, type WasmOps } from '../src/index.ts';

type Arrays = Readonly<Record<string, Float32Array>>;

const wave = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(12.9898 * (i + 1) * seed + seed));

const specs: readonly OptimizerSpec[] = [
  maskWeightDecay(vradam({ learningRate: 0.1, weightDecay: 0.1 }), (name) => name.endsWith('1')),
  vradam({ learningRate: 0.1, epsilon: 0, normGrad: true, groups: [{ match: /[13]$/, beta1: 0.5 }] }),
  vrMomentum({ learningRate: 0.1, power: 3 }),
  momentum({ learningRate: 0.1 }),
  adamw({ learningRate: 0.1 }),
  sgd({ learningRate: 0.1, momentum: 0.9 }),
  rmsprop({ learningRate: 0.1, centered: true }),
];

/** Lengths of all parameters, and for each step which of them have a gradient. */
const problems = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom(1000, 9000)), {
    minLength: 1,
    maxLength: 8,
  })
  .chain((lengths) => {
    const present = fc.array(fc.boolean(), { minLength: lengths.length, maxLength: lengths.length });
    return fc.record({
      lengths: fc.constant(lengths),
      steps: fc.array(present, { minLength: 2, maxLength: 4 }),
    });
  });

type Problem = typeof problems extends fc.Arbitrary<infer P> ? P : never;

const named = (arrays: readonly Float32Array[]): Arrays =>
  Object.fromEntries(arrays.map((array, i) => [`w${i}`, array]));

/** How the parameters get their places. */
type Place = (ops: WasmOps, values: readonly Float32Array[]) => Float32Array[];

const inOrder: Place = (ops, values) => values.map((x) => ops.fromArray(x, [x.length]));
const backwards: Place = (ops, values) => inOrder(ops, [...values].reverse()).reverse();
const outside: Place = (_, values) => values.map((x) => x.slice());

/** All parameters after the steps; the state saved and loaded before each of them if `reloads`. */
async function train(
  spec: OptimizerSpec,
  { lengths, steps }: Problem,
  place: Place,
  { arena = 2 ** 18, reloads = false, gradientsInside = false } = {},
): Promise<number[][]> {
  const ops = createWasmOps({ arena });
  const optimizer = createOptimizer(ops, spec);
  let parameters = named(
    place(
      ops,
      lengths.map((length, i) => wave(length, i + 1)),
    ),
  );
  let state = optimizer.init(parameters);
  for (const [step, present] of steps.entries()) {
    if (reloads) {
      const saved = encodeState(await exportState(optimizer, state));
      state = importState(optimizer, decodeState(saved), parameters);
    }
    const gradients = named(lengths.map((length, i) => wave(length, step + 2 * i + 3)));
    const given = Object.fromEntries(
      Object.entries(gradients)
        .filter((_, i) => present[i])
        .map(([name, data]) => [name, gradientsInside ? ops.fromArray(data, [data.length]) : data]),
    );
    ({ parameters, state } = optimizer.update(parameters, given, state));
  }
  return Object.values(parameters).map((array) => [...array]);
}

describe.each(specs.map((spec, i) => [`${spec.algorithm.name} ${i}`, spec] as const))('%s', (_, spec) => {
  test('bit for bit the same wherever parameters and slots lie', () =>
    fc.assert(
      fc.asyncProperty(problems, async (problem) => {
        const expected = await train(spec, problem, inOrder);
        expect(await train(spec, problem, backwards)).toEqual(expected);
        expect(await train(spec, problem, outside, { arena: 0 })).toEqual(expected);
        expect(await train(spec, problem, inOrder, { arena: 3000 })).toEqual(expected);
        expect(await train(spec, problem, inOrder, { arena: 2 ** 19, gradientsInside: true })).toEqual(
          expected,
        );
      }),
      { numRuns: 5 },
    ));

  test('bit for bit the same if the state was saved and loaded, which puts it elsewhere', () =>
    fc.assert(
      fc.asyncProperty(problems, async (problem) => {
        const expected = await train(spec, problem, inOrder);
        expect(await train(spec, problem, inOrder, { reloads: true, arena: 2 ** 20 })).toEqual(expected);
      }),
      { numRuns: 4 },
    ));
});

test('an array that takes the place of a released one is found anew, and is all zeros', () => {
  const ops = createWasmOps({ arena: 2 ** 12 });
  // without an epsilon what lies between the arrays of a row becomes NaN
  const optimizer = createOptimizer(ops, vradam({ learningRate: 0.1, epsilon: 0, weightDecay: 0 }));
  const run = (): number[][] => {
    const parameters = { a: ops.fromArray(wave(5, 1), [5]), b: ops.fromArray(wave(7, 2), [7]) };
    let state = optimizer.init(parameters);
    for (let step = 0; step < 3; step++)
      ({ state } = optimizer.update(parameters, { a: wave(5, step + 3), b: wave(7, step + 4) }, state));
    const result = Object.values(parameters).map((array) => [...array]);
    const slots = [...state.parameters.values()].flatMap((parameter) => Object.values(parameter.slots));
    for (const array of [...Object.values(parameters), ...slots]) ops.dispose(array);
    return result;
  };
  const first = run();
  expect(first.flat().every(Number.isFinite)).toBe(true);
  expect([run(), run()]).toEqual([first, first]);
  expect([...ops.zerosLike(new Float32Array(16))]).toEqual(Array.from({ length: 16 }, () => 0));
});

test('a parameter replaced by a shorter one between steps is refused before anything changes', () => {
  const ops = createWasmOps({ arena: 2 ** 12 });
  const optimizer = createOptimizer(ops, adamw());
  const parameters: Record<string, Float32Array> = { ...named(inOrder(ops, [wave(20, 1), wave(20, 2)])) };
  const gradients = named([wave(20, 3), wave(20, 4)]);
  const { state } = optimizer.update(parameters, gradients, optimizer.init(parameters));
  parameters['w1'] = ops.fromArray(wave(4, 9), [4]); // in the same object
  const before = structuredClone(state);
  expect(() => optimizer.update(parameters, gradients, state)).toThrow(
    expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
  );
  expect(state).toEqual(before);
});

test('a gradient replaced by a longer one in the same object is refused', () => {
  const ops = createWasmOps({ arena: 2 ** 12 });
  const optimizer = createOptimizer(ops, adamw());
  const parameters = named(inOrder(ops, [wave(20, 1)]));
  const gradients: Record<string, Float32Array> = { w0: wave(20, 3) };
  const { state } = optimizer.update(parameters, gradients, optimizer.init(parameters));
  gradients['w0'] = wave(21, 3);
  expect(() => optimizer.update(parameters, gradients, state)).toThrow(
    expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
  );
});
