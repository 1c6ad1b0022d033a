/** The kernels do what the core's composed rules do, on any sizes and wherever arrays lie. */

import {
  adamw,
  createOptimizer,
  float64Ops,
  momentum,
  type OptimizerSpec,
  rmsprop,
  sgd,
  type TensorOps,
  vradam,
  vrMomentum,
} from '@vradam/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createWasmOps, instantiateKernels } from '../src/index.ts';

const rate = fc.double({ min: 1e-4, max: 0.1, noNaN: true });
const decay = fc.constantFrom(0, 0.01);
const share = fc.double({ min: 0, max: 0.95, noNaN: true });
// a quotient by a root of almost nothing would be as wrong as float32 is
const epsilon = fc.constant(0.1);

/** Optimizers of every algorithm with any options. */
const specs: fc.Arbitrary<OptimizerSpec> = fc.oneof(
  fc
    .record({
      learningRate: rate,
      weightDecay: decay,
      beta1: share,
      beta2: share,
      power: fc.constantFrom(1, 2, 3),
      normGrad: fc.boolean(),
      epsilon,
    })
    .map(vradam),
  fc.record({ learningRate: rate, weightDecay: decay, beta1: share, beta2: share, epsilon }).map(adamw),
  fc.record({ learningRate: rate, weightDecay: decay, beta1: share, normGrad: fc.boolean() }).map(vrMomentum),
  fc.record({ learningRate: rate, weightDecay: decay, beta1: share }).map(momentum),
  fc
    .record({
      learningRate: rate,
      weightDecay: decay,
      momentum: fc.constantFrom(0, 0.9),
      dampening: share,
      nesterov: fc.boolean(),
    })
    .map(sgd),
  fc
    .record({
      learningRate: rate,
      weightDecay: decay,
      alpha: fc.double({ min: 0.5, max: 0.99, noNaN: true }),
      momentum: fc.constantFrom(0, 0.9),
      centered: fc.boolean(),
      epsilon,
    })
    .map(rmsprop),
);

/** Numbers between -1 and 1 that float32 holds. */
const wave = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(12.9898 * (i + 1) * seed + seed));

/** Parameters after some steps. */
async function trained<T>(
  ops: TensorOps<T, number>,
  spec: OptimizerSpec,
  length: number,
  place: (x: Float32Array) => T,
): Promise<ArrayLike<number>> {
  const optimizer = createOptimizer(ops, spec);
  let parameters: Readonly<Record<string, T>> = { x: place(wave(length, 1)) };
  let state = optimizer.init(parameters);
  for (let step = 2; step < 6; step++) {
    ({ parameters, state } = optimizer.update(parameters, { x: place(wave(length, step)) }, state));
  }
  return ops.toArray(parameters['x'] as T);
}

/** Lengths around the four of a vector, and around a block. */
const lengths = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom(8191, 8192, 8193, 20_000));

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < actual.length; i++)
    worst = Math.max(worst, Math.abs((actual[i] as number) - (expected[i] as number)));
  expect(worst).toBeLessThan(2e-6);
}

describe('every algorithm steps as the composed core does in float64', () => {
  const reference = (spec: OptimizerSpec, length: number) =>
    trained(float64Ops, spec, length, (x) => Float64Array.from(x));

  test('in the arena', () =>
    fc.assert(
      fc.asyncProperty(specs, lengths, async (spec, length) => {
        const ops = createWasmOps({ arena: 2 ** 18 });
        const result = await trained(ops, spec, length, (x) => ops.fromArray(x, [length]));
        expectNear(result, await reference(spec, length));
      }),
      { numRuns: 60 },
    ));

  test("on the caller's own arrays, at any place in their buffers", () =>
    fc.assert(
      fc.asyncProperty(specs, lengths, fc.integer({ min: 0, max: 5 }), async (spec, length, offset) => {
        const place = (x: Float32Array) => {
          const own = new Float32Array(length + offset).subarray(offset);
          own.set(x);
          return own;
        };
        expectNear(await trained(createWasmOps(), spec, length, place), await reference(spec, length));
      }),
      { numRuns: 60 },
    ));

  test('where only a part of the arrays fits the arena, bit for bit as where all do', async () => {
    for (const arena of [0, 1000, 5000, 12_000]) {
      const [small, large] = [createWasmOps({ arena }), createWasmOps({ arena: 100_000 })];
      const results = [small, large].map((ops) =>
        trained(ops, vradam({ learningRate: 0.01 }), 4000, (x) => ops.fromArray(x, [4000])),
      );
      const [inPart, inWhole] = await Promise.all(results);
      expect(inPart).toEqual(inWhole);
    }
  });

  test('where there is no SIMD', () =>
    fc.assert(
      fc.asyncProperty(specs, fc.integer({ min: 0, max: 40 }), async (spec, length) => {
        const ops = createWasmOps({ simd: false });
        expect(ops.path).toBe('scalar');
        expectNear(
          await trained(ops, spec, length, (x) => Float32Array.from(x)),
          await reference(spec, length),
        );
      }),
      { numRuns: 40 },
    ));
});

describe('the kernels on a memory of the caller', () => {
  test.each([
    ['plain', new WebAssembly.Memory({ initial: 1 }), undefined],
    ['plain with a maximum', new WebAssembly.Memory({ initial: 1, maximum: 4 }), undefined],
    ['shared', new WebAssembly.Memory({ initial: 1, maximum: 300, shared: true }), 300],
    ['shared, the largest', new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true }), undefined],
  ])('%s', (_, memory, maximum) => {
    const kernels = instantiateKernels(memory, maximum);
    const x = new Float32Array(memory.buffer, 64, 5);
    x.set([1, 2, 3, 4, 5]);
    expect(kernels.sumSquares(64, 5)).toBe(55);
    kernels.glide(64, 64, 5, 0.5, 0);
    expect([...x]).toEqual([0.5, 1, 1.5, 2, 2.5]);
  });

  test('a shared one with another maximum is refused', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
    expect(() => instantiateKernels(memory, 2)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });

  test('norms are sums in float64', () => {
    const memory = new WebAssembly.Memory({ initial: 80 });
    const kernels = instantiateKernels(memory);
    const x = new Float32Array(memory.buffer, 0, 1_000_001).fill(0.1);
    const expected = 1_000_001 * Math.fround(0.1) ** 2;
    expect(Math.abs(kernels.sumSquares(0, x.length) / expected - 1)).toBeLessThan(1e-11);
  });
});
