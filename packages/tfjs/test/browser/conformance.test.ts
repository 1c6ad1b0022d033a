/** In a browser the core, and the tfjs backends that Node has too, pass the published suite. */

import * as tf from '@tensorflow/tfjs-core';
import { coreBackends, testGolden, testOptimizer, testTensorOps } from '@vradam/conformance';
import { describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { tfjsBackend } from '../../conformance.mjs';
import { VRAdam } from '../../src/index.ts';
import { golden } from './golden.ts';
import './wasmPaths.ts';

it('the wasm backend here is the one with threads, which Node does not have, and its memory is shared', async () => {
  await tf.setBackend('wasm');
  expect(tf.env().get('WASM_HAS_MULTITHREAD_SUPPORT')).toBe(true);
  const { wasm } = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
  expect(wasm.HEAPU8.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(new VRAdam().path).toBe('wasm');
});

it('there are golden files', () => {
  expect(Object.keys(golden).length).toBeGreaterThan(50);
});

for (const backend of [...coreBackends, tfjsBackend('cpu'), tfjsBackend('wasm')]) {
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend, 3);
  testGolden({ describe, it }, backend, golden);
}
