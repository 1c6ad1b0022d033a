/** The fused path of the cpu backend: the core's loops over typed arrays, on the arrays of tfjs's own tensors. */

import * as tf from '@tensorflow/tfjs-core';
import { type Entry, float32Ops, type Kernel, type Kernels, numberOps, type TensorOps } from '@vradam/core';
import { countNonFinite, type TensorMemory } from './memory.ts';

const handedOut = new WeakSet<tf.Tensor>();

/** Marks a state tensor that a user has seen: the next step writes to a copy, so that what was read stays as it was. */
export function handOut(x: tf.Tensor): tf.Tensor {
  handedOut.add(x);
  return x;
}

type Replace = TensorOps<tf.Tensor, number>['replace'];

/** A state tensor that may be written in place: itself, or a copy if its numbers have a second reader. */
export function exclusive(memory: TensorMemory, replace: Replace, x: tf.Tensor): tf.Tensor {
  if (memory.references(x) === 1 && !handedOut.has(x)) return x;
  return replace(x, tf.tensor(Float32Array.from(memory.view(x)), x.shape, 'float32'));
}

function lift(
  kernel: Kernel<Float32Array, number>,
  memory: TensorMemory,
  replace: Replace,
): Kernel<tf.Tensor, number> {
  const viewed = (entry: Entry<tf.Tensor>): Entry<Float32Array> => {
    const slots = Object.entries(entry.slots).map(([slot, x]) => [slot, memory.view(x)]);
    return { ...entry, gradient: memory.view(entry.gradient), slots: Object.fromEntries(slots) };
  };
  return {
    accumulate(entry, options) {
      for (const [slot, x] of Object.entries(entry.slots)) entry.slots[slot] = exclusive(memory, replace, x);
      return kernel.accumulate(viewed(entry), options);
    },
    // out of place: other tensors, and arrays that were read, may share the numbers of a parameter
    apply(parameter, entry, learningRate, options) {
      const next = Float32Array.from(memory.view(parameter));
      kernel.apply(next, viewed(entry), learningRate, options);
      return replace(parameter, tf.tensor(next, parameter.shape, 'float32'));
    },
  };
}

/**
 * The core's operations on typed arrays, lifted to tensors of the cpu backend. tfjs's own cpu kernels take 20 to 60
 * times as long: they look up a shape for each element.
 *
 * @param portable - what does not touch numbers: shapes, ownership.
 */
export function arrayOps(
  portable: TensorOps<tf.Tensor, unknown>,
  memory: TensorMemory,
): TensorOps<tf.Tensor, number> {
  const { view } = memory;
  const like = (x: tf.Tensor, values: Float32Array): tf.Tensor => tf.tensor(values, x.shape, 'float32');
  const kernels: Kernels<tf.Tensor, number> = (algorithm, options) => {
    const kernel = float32Ops.kernels?.(algorithm, options);
    return kernel && lift(kernel, memory, portable.replace);
  };
  return {
    ...(portable as TensorOps<tf.Tensor, number>),
    scalars: numberOps,
    kernels,
    readScalar: (x) => Promise.resolve(x),
    axpby: (a, x, b, y) => like(x, float32Ops.axpby(a, view(x), b, view(y))),
    affine: (a, x, b) => like(x, float32Ops.affine(a, view(x), b)),
    mul: (x, y) => like(x, float32Ops.mul(view(x), view(y))),
    div: (x, y) => like(x, float32Ops.div(view(x), view(y))),
    sqrt: (x) => like(x, float32Ops.sqrt(view(x))),
    sumPower: (x, power) => float32Ops.sumPower(view(x), power),
    countNonFinite: (x) => countNonFinite(view(x)),
  };
}
