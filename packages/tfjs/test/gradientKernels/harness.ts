import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
// Registers tfjs-core's gradients: in Node its own register_all_gradients cannot be imported.
import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect } from 'vitest';
import { registerGradientKernels } from '../../src/gradientKernels/index.ts';

type Numbers = Float32Array | Int32Array | Uint8Array;

/** A tensor, as read back. */
export interface Result {
  readonly shape: readonly number[];
  readonly values: Numbers;
}

// Before any backend has started, as an application would.
registerGradientKernels();

/** A size of at least one. */
export const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

/** A seed for {@link noise}. */
export const seed: fc.Arbitrary<number> = fc.integer({ min: 1, max: 2 ** 31 - 1 });

/** Deterministic numbers in [-1, 1). */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** A float32 tensor of `shape`. */
export function random<S extends number[]>(next: () => number, shape: S): tf.Tensor {
  return tf.tensor(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, next), shape);
}

/** Runs `make` on `backend` and reads its results; checks that nothing else stays behind. */
export async function on(backend: string, make: () => tf.Tensor[]): Promise<Result[]> {
  await tf.setBackend(backend);
  const before = memory();
  const results = tf.tidy(() =>
    make().map((tensor) => ({ shape: tensor.shape, values: tensor.dataSync() as Numbers })),
  );
  expect(memory()).toEqual(before);
  return results;
}

/** What is allocated now, in tfjs's books and in the backend's. */
export function memory(): object {
  const { numTensors, numDataBuffers, numBytes } = tf.memory();
  return { numTensors, numDataBuffers, numBytes, dataIds: (tf.backend() as tf.KernelBackend).numDataIds() };
}

/**
 * Expects `make` to give the same results on both backends. Differences are relative to each result's largest value, or
 * to `floor` where that is larger: with inputs of size 1, a sum that cancels keeps the rounding of its terms.
 */
export async function expectSameOnCpu(make: () => tf.Tensor[], tolerance = 1e-6, floor = 1): Promise<void> {
  const expected = await on('cpu', make);
  const actual = await on('wasm', make);
  expected.forEach((result, i) => {
    expect(relativeError(actual[i] as Result, result, floor), `result ${i}`).toBeLessThanOrEqual(tolerance);
  });
}

/** Largest difference over the largest expected value or `floor`; NaN where only one of the two has it. */
export function relativeError(actual: Result, expected: Result, floor: number): number {
  expect(actual.shape).toEqual(expected.shape);
  let [difference, largest] = [0, floor];
  expected.values.forEach((value, i) => {
    const own = actual.values[i] as number;
    if (Number.isNaN(value) && Number.isNaN(own)) return;
    difference = Math.max(difference, Math.abs(own - value));
    largest = Math.max(largest, Math.abs(value));
  });
  return difference / largest;
}

/** Runs a kernel on the current backend, as its op in tfjs-core would. */
export function runKernel(name: string, inputs: Record<string, tf.Tensor>, attrs: object): tf.Tensor {
  return tf.engine().runKernel<tf.Tensor>(name, inputs, attrs as tf.NamedAttrMap);
}
