/** The core's operations on Float32Arrays that remember their shapes, so that checkpoints say what they hold. */

import { float32Ops, type TensorOps } from '@vradam/core';

/** Operations of the host. */
export interface HostOps extends TensorOps<Float32Array, number> {
  /** Gives an array the shape of another one. */
  shapedLike(x: Float32Array, like: Float32Array): Float32Array;
}

/** Operations of the host; parameters and state are changed in place. */
export function createHostOps(): HostOps {
  const shapes = new WeakMap<Float32Array, readonly number[]>();
  const shaped = (x: Float32Array, shape: readonly number[]): Float32Array => {
    shapes.set(x, shape);
    return x;
  };
  const shapeOf = (x: Float32Array): readonly number[] => shapes.get(x) ?? [x.length];
  return {
    ...float32Ops,
    shape: shapeOf,
    shapedLike: (x, like) => shaped(x, shapeOf(like)),
    fromArray: (data, shape) => shaped(Float32Array.from(data), shape),
    zerosLike: (x) => shaped(new Float32Array(x.length), shapeOf(x)),
  };
}
