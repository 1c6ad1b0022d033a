/** The core's operations on Float32Arrays, with kernels in WebAssembly. */

import { float32Ops, type TensorOps } from '@vradam/core';
import { Arena } from './arena.ts';
import { fail, show } from './errors.ts';
import { finiteness, wasmKernels } from './kernels.ts';
import { hasSimd } from './module.ts';

/** Options of {@link createWasmOps}. */
export interface WasmOptions {
  /**
   * Float32 elements of the arena: what `fromArray` and `zerosLike` make lies there as long as it fits, so that a step
   * copies only gradients. `arenaSize` says how many an optimizer needs. Default 0: every array is the caller's own or
   * an ordinary one, and a step copies all of them through, block by block.
   */
  readonly arena?: number;
  /** `false` is the scalar path of the core; `'auto'` (default) takes it only where there is no SIMD. */
  readonly simd?: 'auto' | false;
}

/** {@link createWasmOps}'s operations. */
export interface WasmOps extends TensorOps<Float32Array, number> {
  /** What runs: `'simd'`, or the core's own loops. */
  readonly path: 'simd' | 'scalar';
}

const known: readonly string[] = ['arena', 'simd'];

function check(options: WasmOptions): Required<WasmOptions> {
  const stranger = Object.keys(options).find((name) => !known.includes(name));
  if (stranger !== undefined) {
    fail(
      'ERR_OPTION_UNKNOWN',
      `there is no such option. Received: ${show(stranger)}. Known: ${known.join(', ')}.`,
    );
  }
  const { arena = 0, simd = 'auto' } = options;
  if (!Number.isSafeInteger(arena) || arena < 0) {
    fail(
      'ERR_OPTION_RANGE',
      `arena must be a whole number of elements, 0 or more. Received: ${show(arena)}.`,
    );
  }
  if (simd !== 'auto' && simd !== false) {
    fail('ERR_OPTION_TYPE', `simd must be 'auto' or false. Received: ${show(simd)}.`);
  }
  return { arena, simd };
}

/**
 * Operations on Float32Arrays, for `createOptimizer`. Norms are float64, everything else in a step float32.
 *
 * Ownership: arrays of the arena are released by `dispose`; a view of one stays valid until then, as the arena never
 * grows. Parameters and state are changed in place.
 *
 * @throws VRAdamError `ERR_OPTION_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`; `ERR_UNSUPPORTED` if there is not
 *   enough memory for the arena.
 */
export function createWasmOps(options: WasmOptions = {}): WasmOps {
  const { arena: elements, simd } = check(options);
  if (simd === false || !hasSimd()) return { ...float32Ops, name: 'wasm-fallback', path: 'scalar' };
  const arena = new Arena(elements);
  const allFinite = finiteness(arena);
  return {
    ...float32Ops,
    name: 'wasm',
    path: 'simd',
    kernels: wasmKernels(arena),
    fromArray(data) {
      const array = arena.allocate(data.length);
      array.set(data);
      return array;
    },
    zerosLike: ({ length }) => arena.allocate(length),
    dispose(x) {
      if (typeof x !== 'number') arena.release(x);
    },
    countNonFinite: (x) => (allFinite(x) ? 0 : (float32Ops.countNonFinite?.(x) ?? 0)),
  };
}
