/** The core's operations on TensorFlow.js tensors, in public API only: the portable path for every tfjs backend. */

import * as tf from '@tensorflow/tfjs-core';
import type { Kernels, Scalar as Operand, ScalarOps, TensorOps } from '@vradam/core';
import { type Fusion, fullFusion } from './fusions.ts';
import { heapOps, wasmHeap } from './heap.ts';
import { assign, keep, release } from './journal.ts';
import { arrayOps } from './kernels.ts';
import { countNonFinite, cpuMemory } from './memory.ts';
import { portableKernels } from './portable.ts';

type Operands = Operand<tf.Tensor>;

/** A scalar of a step: a rank-0 tensor, or a number where the fused path runs on the CPU. */
export type TfjsScalar = tf.Tensor | number;

/** How a step is computed. */
export interface PathOptions {
  /**
   * `'auto'` (default) takes the fused path where the backend shows what it needs, and `false` never. Results agree
   * within float32 rounding.
   */
  readonly fused?: 'auto' | false;
}

/**
 * Which code runs a step: fused loops over the arrays of the `cpu` backend, fused SIMD kernels on the memory of the
 * `wasm` backend, fused shaders on the buffers of the `webgpu` backend ({@link registerStepPath}), or tfjs operations.
 */
export type StepPath = 'cpu' | 'wasm' | 'webgpu' | 'portable';

/** A fused path of another package: `webgpuPath(tf)` of `@vradam/webgpu/tfjs`. */
export interface ExternalPath {
  /** What `optimizer.path` says. */
  readonly name: StepPath;
  /**
   * Fused kernels on the current backend; null where it is not for that one.
   *
   * @param ops - the portable path, for what is not fused.
   */
  open(ops: TensorOps<tf.Tensor, tf.Tensor>): Kernels<tf.Tensor, tf.Tensor> | null;
}

let external: ExternalPath | null = null;

/**
 * Lets all optimizers take a fused path of another package where it can be taken. Call it before the first step.
 *
 * It is a call and no dependency, so that a page without WebGPU loads none of it.
 *
 * @param path - null takes it away again.
 */
export function registerStepPath(path: ExternalPath | null): void {
  external = path;
}

// Terms are stacked and summed: tf.addN silently drops terms on webgpu above the shader's eight bindings.
const scalars: ScalarOps<tf.Tensor> = {
  of: (value) => tf.scalar(value),
  add: tf.add,
  mul: tf.mul,
  div: tf.div,
  min: tf.minimum,
  sqrt: tf.sqrt,
  sum: (terms) => tf.sum(tf.stack([...terms])),
};

const scale = (a: Operands, x: tf.Tensor): tf.Tensor => (a === 1 ? x : tf.mul(x, a));

/**
 * The sum of all elements, in two levels of sqrt(n) terms each. tfjs's wasm backend adds one by one in float32, which
 * loses 1e-5 over 100,000 elements and more beyond; two levels keep 1e-6.
 */
function sumInTwoLevels(x: tf.Tensor): tf.Tensor {
  if (x.size < 1024) return tf.sum(x);
  const side = Math.ceil(Math.sqrt(x.size));
  const whole = tf.pad1d(tf.reshape(x, [x.size]) as tf.Tensor1D, [0, side * side - x.size]);
  return tf.sum(tf.sum(tf.reshape(whole, [side, side]), 1));
}

/** `sum |x|^power`; a GPU sums in a tree, so that there one level is enough. */
function sumPower(sumAll: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, power: number): tf.Tensor {
  if (x.size === 0) return tf.scalar(0);
  if (power === 2) return sumAll(tf.square(x));
  const magnitude = tf.abs(x);
  return sumAll(power === 1 ? magnitude : tf.pow(magnitude, power));
}

/** A variable keeps its handle and its place in the model; a plain tensor's place is taken. */
function replace(previous: tf.Tensor, next: tf.Tensor): tf.Tensor {
  if (previous instanceof tf.Variable) {
    assign(previous, next);
    return previous;
  }
  release(previous);
  return keep(next);
}

/** What leaves is kept, so that a surrounding `tf.tidy` of the user does not release it. */
function tidy<R>(scope: () => R): R {
  const result = tf.tidy(scope as () => tf.TensorContainer) as R;
  for (const tensor of Array.isArray(result) ? result : [result]) {
    if (tensor instanceof tf.Tensor) keep(tensor);
  }
  return result;
}

/** NaN and infinite elements. On wasm reading copies, so that one number is read first: `0 x` is NaN just for those. */
function look(x: tf.Tensor): number {
  const [sum] = tf.tidy(() => tf.sum(tf.mul(x, 0)).dataSync());
  return sum === 0 ? 0 : countNonFinite(x.dataSync() as Float32Array);
}

function portableOps(): TensorOps<tf.Tensor, tf.Tensor> {
  const backend = tf.getBackend();
  // values in the memory of the CPU: looking at a gradient stalls nothing, and sums are taken in levels
  const isVisible = ['cpu', 'wasm'].includes(backend);
  const sumAll = isVisible ? sumInTwoLevels : (x: tf.Tensor) => tf.sum(x);
  const norm = (x: tf.Tensor, power: number): tf.Tensor => sumPower(sumAll, x, power);
  return {
    name: `tfjs-${backend}`,
    dtype: 'float32',
    scalars,
    // a copy: on the cpu backend a tensor shares memory with the array it is made of
    fromArray: (data, shape) => keep(tf.tensor(Float32Array.from(data), [...shape], 'float32')),
    toArray: async (x) => Float32Array.from(await x.data()),
    readScalar: async (x) => (await x.data())[0] as number,
    shape: (x) => x.shape,
    zerosLike: (x) => keep(tf.zeros(x.shape)),
    axpby: (a, x, b, y) => tf.add(scale(a, x), scale(b, y)),
    affine: (a, x, b) => (b === 0 ? tf.mul(x, a) : tf.add(scale(a, x), b)),
    mul: tf.mul,
    div: tf.div,
    sqrt: tf.sqrt,
    sumPower: norm,
    kernels: portableKernels({ tidy, replace, norm }),
    replace,
    tidy,
    dispose: (x) => {
      if (typeof x !== 'number') release(x);
    },
    ...(isVisible && { countNonFinite: look }),
  };
}

/** The operations on the current backend, and the path they take. */
export function chooseOps(
  { fused = 'auto' }: PathOptions,
  fusion: Fusion,
): {
  readonly path: StepPath;
  readonly ops: TensorOps<tf.Tensor, TfjsScalar>;
} {
  const portable = portableOps();
  const memory = fused && cpuMemory();
  if (memory) return { path: 'cpu', ops: arrayOps(portable, memory) };
  const heap = fused && wasmHeap(fusion);
  if (heap) return { path: 'wasm', ops: heapOps(portable, heap, fusion) };
  const kernels = fused && external?.open(portable);
  if (external && kernels) return { path: external.name, ops: { ...portable, kernels } };
  return { path: 'portable', ops: portable };
}

/**
 * The operations on the current tfjs backend. Call it when that is ready.
 *
 * Element type float32. Norms are float32 on the portable path and float64 on a fused one. `nonFinite: 'throw'` and
 * `'skip'` are there on the `cpu` and `wasm` backends.
 *
 * @returns operations on tensors and variables. Scalars are rank-0 tensors that are never read in a step, or numbers
 *   on a fused path.
 */
export function createTfjsOps(options: PathOptions = {}): TensorOps<tf.Tensor, TfjsScalar> {
  return chooseOps(options, fullFusion).ops;
}
