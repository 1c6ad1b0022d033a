/**
 * Backends on plain typed arrays: `T` is the array itself, flat, and `S` a number.
 *
 * The reference backend: each operation is one obvious loop, scalars and norms are float64 throughout. Parameters
 * and state are updated in place (`replace` copies into the old array).
 */

import type { DType, ScalarOps, TensorOps } from '../ops.ts';
import { arrayKernels, type FloatArray, sumPower } from './kernels.ts';

/** Arithmetic on host numbers, in float64. */
export const numberOps: ScalarOps<number> = {
  of: (value) => value,
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  sqrt: Math.sqrt,
  sum: (terms) => terms.reduce((sum, term) => sum + term),
};

/** NaN and infinite elements. The first loop decides in one pass, as `0 x` is NaN just for those. */
function countNonFinite(x: FloatArray): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = x.length - (x.length % 4);
  for (let i = 0; i < whole; i += 4) {
    // four independent sums: the loop is bound by memory, not by the latency of one addition
    a += 0 * x[i]!;
    b += 0 * x[i + 1]!;
    c += 0 * x[i + 2]!;
    d += 0 * x[i + 3]!;
  }
  for (let i = whole; i < x.length; i++) a += 0 * x[i]!;
  return a + b + c + d === 0 ? 0 : x.filter((value) => !Number.isFinite(value)).length;
}

function arrayOps<A extends FloatArray>(
  dtype: DType,
  ArrayType: { new (length: number): A; from(data: ArrayLike<number>): A },
  extra: Partial<TensorOps<A, number>>,
): TensorOps<A, number> {
  const map = (x: A, f: (i: number) => number): A => {
    const result = new ArrayType(x.length);
    for (let i = 0; i < x.length; i++) result[i] = f(i);
    return result;
  };
  return {
    name: dtype,
    dtype,
    scalars: numberOps,
    fromArray: (data) => ArrayType.from(data),
    toArray: (x) => Promise.resolve(ArrayType.from(x)),
    readScalar: (x) => Promise.resolve(x),
    shape: (x) => [x.length],
    zerosLike: (x) => new ArrayType(x.length),
    axpby: (a, x, b, y) => map(x, (i) => a * x[i]! + b * y[i]!),
    affine: (a, x, b) => map(x, (i) => a * x[i]! + b),
    mul: (x, y) => map(x, (i) => x[i]! * y[i]!),
    div: (x, y) => map(x, (i) => x[i]! / y[i]!),
    sqrt: (x) => map(x, (i) => Math.sqrt(x[i]!)),
    sumPower,
    replace(previous, next) {
      previous.set(next);
      return previous;
    },
    tidy: (scope) => scope(),
    dispose: () => {},
    countNonFinite,
    ...extra,
  };
}

/** Float64Array: the reference, composed operation by operation. */
export const float64Ops: TensorOps<Float64Array, number> = arrayOps('float64', Float64Array, {});

/** Float32Array: stored in float32, computed in float64, with fused kernels for VRAdam and AdamW. */
export const float32Ops: TensorOps<Float32Array, number> = arrayOps('float32', Float32Array, {
  kernels: arrayKernels,
});
