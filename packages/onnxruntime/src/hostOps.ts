/**
 * The core's operations on Float32Arrays that remember their shapes, so that checkpoints say what they hold.
 *
 * They run in WebAssembly with SIMD; parameters and state lie in its memory, in place for as long as the session lives.
 */

import type { TensorOps } from '@vradam/core';
import { createWasmOps } from '@vradam/wasm';

/** Operations of the host. */
export interface HostOps extends TensorOps<Float32Array, number> {
  /** Gives an array the shape of another one. */
  shapedLike(x: Float32Array, like: Float32Array): Float32Array;
}

/**
 * Operations of the host; parameters and state are changed in place.
 *
 * @param arena - elements that lie together, see `arenaSize`. Default 0.
 */
export function createHostOps(arena = 0): HostOps {
  const shapes = new WeakMap<Float32Array, readonly number[]>();
  const shaped = (x: Float32Array, shape: readonly number[]): Float32Array => {
    shapes.set(x, shape);
    return x;
  };
  const shapeOf = (x: Float32Array): readonly number[] => shapes.get(x) ?? [x.length];
  const ops = createWasmOps({ arena });
  return {
    ...ops,
    shape: shapeOf,
    shapedLike: (x, like) => shaped(x, shapeOf(like)),
    fromArray: (data, shape) => shaped(ops.fromArray(data, shape), shape),
    zerosLike: (x) => shaped(ops.zerosLike(x), shapeOf(x)),
  };
}
