/** This package's backends, for the conformance suite and its command line. */

import { createWasmOps } from './dist/index.js';

/** Parameters and state in an arena. */
const wasm = { name: 'wasm', create: () => createWasmOps({ arena: 2 ** 22 }) };
/** All arrays the caller's own, copied through. */
const wasmOutside = {
  name: 'wasm-outside',
  create: () => createWasmOps(),
  parameter: (data) => Float32Array.from(data),
};
/** What runs where there is no SIMD. */
const wasmFallback = { name: 'wasm-fallback', create: () => createWasmOps({ simd: false }) };

export const backends = [wasm, wasmOutside, wasmFallback];
