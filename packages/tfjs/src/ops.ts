/** The core's operations on TensorFlow.js tensors, in public API only: the portable path for every tfjs backend. */

import * as tf from '@tensorflow/tfjs-core';
import { float32Ops, type Scalar as Operand, type ScalarOps, type TensorOps } from '@vradam/core';

type Operands = Operand<tf.Tensor>;

// Terms are stacked and summed: tf.addN silently drops terms on webgpu above the shader's eight bindings.
const scalars: ScalarOps<tf.Tensor> = {
  of: (value) => tf.scalar(value),
  add: (a, b) => tf.add(a, b),
  mul: (a, b) => tf.mul(a, b),
  div: (a, b) => tf.div(a, b),
  min: (a, b) => tf.minimum(a, b),
  sqrt: (a) => tf.sqrt(a),
  sum: (terms) => tf.sum(tf.stack([...terms])),
};

const scale = (a: Operands, x: tf.Tensor): tf.Tensor => (a === 1 ? x : tf.mul(x, a));

/**
 * The sum of all elements, in two levels of sqrt(n) terms each. tfjs's wasm backend adds one by one in float32, which
 * loses 1e-5 over 100,000 elements and more beyond; two levels keep 1e-6.
 */
function sum(x: tf.Tensor): tf.Tensor {
  if (x.size < 1024) return tf.sum(x);
  const rows = Math.ceil(Math.sqrt(x.size));
  const columns = Math.ceil(x.size / rows);
  const flat = tf.reshape(x, [x.size]) as tf.Tensor1D;
  const padding = rows * columns - x.size;
  const whole = padding === 0 ? flat : tf.pad1d(flat, [0, padding]);
  return tf.sum(tf.sum(tf.reshape(whole, [rows, columns]), 1));
}

function sumPower(x: tf.Tensor, power: number): tf.Tensor {
  if (x.size === 0) return tf.scalar(0);
  if (power === 2) return sum(tf.square(x));
  const magnitude = tf.abs(x);
  return sum(power === 1 ? magnitude : tf.pow(magnitude, power));
}

/** A variable keeps its handle and its place in the model; a plain tensor's place is taken. */
function replace(previous: tf.Tensor, next: tf.Tensor): tf.Tensor {
  if (previous instanceof tf.Variable) {
    previous.assign(next);
    next.dispose();
    return previous;
  }
  previous.dispose();
  return tf.keep(next);
}

/** What leaves is kept, so that a surrounding `tf.tidy` of the user does not release it. */
function tidy<R>(scope: () => R): R {
  const result = tf.tidy(scope as () => tf.TensorContainer) as R;
  for (const tensor of Array.isArray(result) ? result : [result]) {
    if (tensor instanceof tf.Tensor) tf.keep(tensor);
  }
  return result;
}

/** Backends whose values lie in the memory of the CPU, so that looking at a gradient stalls nothing. */
const visible: readonly string[] = ['cpu', 'wasm'];

/**
 * The operations on the current tfjs backend. Call it when that is ready.
 *
 * Element type float32, norms too. `nonFinite: 'throw'` and `'skip'` are there on the `cpu` and `wasm` backends.
 *
 * @returns operations on tensors and variables; scalars are rank-0 tensors and are never read in a step.
 */
export function createTfjsOps(): TensorOps<tf.Tensor, tf.Tensor> {
  const backend = tf.getBackend();
  return {
    name: `tfjs-${backend}`,
    dtype: 'float32',
    scalars,
    // a copy: on the cpu backend a tensor shares memory with the array it is made of
    fromArray: (data, shape) => tf.keep(tf.tensor(Float32Array.from(data), [...shape], 'float32')),
    toArray: async (x) => Float32Array.from(await x.data()),
    readScalar: async (x) => (await x.data())[0] as number,
    shape: (x) => x.shape,
    zerosLike: (x) => tf.keep(tf.zeros(x.shape)),
    axpby: (a, x, b, y) => tf.add(scale(a, x), scale(b, y)),
    affine: (a, x, b) => (b === 0 ? (a === 1 ? x.clone() : tf.mul(x, a)) : tf.add(scale(a, x), b)),
    mul: (x, y) => tf.mul(x, y),
    div: (x, y) => tf.div(x, y),
    sqrt: (x) => tf.sqrt(x),
    sumPower,
    replace,
    tidy,
    dispose: (x) => x.dispose(),
    ...(visible.includes(backend) && {
      countNonFinite: (x: tf.Tensor) => float32Ops.countNonFinite?.(x.dataSync() as Float32Array) ?? 0,
    }),
  };
}
