/** On a page's main thread: compiled at once, over any memory, and as the published suite wants it. */

import { testOptimizer, testTensorOps } from '@vradam/conformance';
import { describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { backends } from '../../conformance.mjs';
import { createWasmOps, instantiateKernels } from '../../src/index.ts';

it('there is SIMD, and the main thread may compile it', () => {
  expect(createWasmOps().path).toBe('simd');
});

it('the kernels run on memory that threads share', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
  new Float32Array(memory.buffer, 64, 5).set([1, 2, 3, 4, 5]);
  expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(instantiateKernels(memory, 4).sumSquares(64, 5)).toBe(55);
});

for (const backend of backends) {
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend, 3);
}
