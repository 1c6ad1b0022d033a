/** In a browser the core, and the tfjs backends that Node has too, pass the published suite. */

import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threaded from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import * as tf from '@tensorflow/tfjs-core';
import { coreBackends, testGolden, testOptimizer, testTensorOps } from '@vradam/conformance';
import { describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { tfjsBackend } from '../../conformance.mjs';
import { golden } from './golden.ts';

setWasmPaths({
  'tfjs-backend-wasm.wasm': plain,
  'tfjs-backend-wasm-simd.wasm': simd,
  'tfjs-backend-wasm-threaded-simd.wasm': threaded,
});

it('the wasm backend here is the one with threads, which Node does not have', async () => {
  await tf.setBackend('wasm');
  expect(tf.env().get('WASM_HAS_MULTITHREAD_SUPPORT')).toBe(true);
});

it('there are golden files', () => {
  expect(Object.keys(golden).length).toBeGreaterThan(50);
});

for (const backend of [...coreBackends, tfjsBackend('cpu'), tfjsBackend('wasm')]) {
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend, 3);
  testGolden({ describe, it }, backend, golden);
}
