/**
 * The seam between the mathematics and a backend.
 *
 * An algorithm is written once, over these operations; a backend implements them for its own tensors. No
 * operation used inside a step reads a value back: norms and learning rates stay scalar handles `S`, so a step
 * can be queued on a GPU or traced into a graph.
 */

import type { Kernels } from './algorithm.ts';

/** A scalar operand: a handle of the backend, or a host number that is constant over all steps. */
export type Scalar<S> = S | number;

/** Element type of a backend's tensors. */
export type DType = 'float32' | 'float64';

/**
 * Arithmetic on rank-0 values that stay on the backend's side.
 *
 * @typeParam S - scalar handle: a number on the CPU, a rank-0 tensor, a buffer slot, a graph value.
 */
export interface ScalarOps<S> {
  /**
   * Lifts a host number that may change from step to step (learning rate, bias correction).
   *
   * @param value - the number for this step.
   * @param role - what it is, e.g. `learningRate/default`. An eager backend ignores it; a tracing backend makes
   *   a graph input of that name instead of freezing the value.
   */
  of(value: number, role: string): S;
  /** `a + b`. */
  add(a: Scalar<S>, b: Scalar<S>): S;
  /** `a b`. */
  mul(a: Scalar<S>, b: Scalar<S>): S;
  /** `a / b`, with IEEE 754 division by zero. */
  div(a: Scalar<S>, b: Scalar<S>): S;
  /** `min(a, b)`. */
  min(a: Scalar<S>, b: Scalar<S>): S;
  /** `sqrt(a)`. */
  sqrt(a: S): S;
  /** The sum of one or more terms; the backend chooses the shape of the reduction. */
  sum(terms: readonly S[]): S;
}

/**
 * The primitive operations on a backend's tensors.
 *
 * Ownership: the results of `axpby`, `affine`, `mul`, `div`, `sqrt`, `sumPower` and of the scalar operations are
 * temporaries of the surrounding {@link TensorOps.tidy}; `fromArray`, `zerosLike` and `replace` give tensors that
 * live until `dispose`. No operation changes an argument, except `replace`.
 *
 * @typeParam T - tensor handle.
 * @typeParam S - scalar handle.
 */
export interface TensorOps<T, S> {
  /** Name in error messages and reports, e.g. `float64` or `tfjs`. */
  readonly name: string;
  /** Element type in which tensors are stored. */
  readonly dtype: DType;
  /** Arithmetic on scalars. */
  readonly scalars: ScalarOps<S>;
  /** Fused kernels, where the backend has faster ones than the composition of its operations. */
  readonly kernels?: Kernels<T, S>;

  /**
   * Makes a tensor from host numbers.
   *
   * @param data - row-major elements; copied.
   * @param shape - `[]` is a scalar, a zero makes an empty tensor.
   */
  fromArray(data: ArrayLike<number>, shape: readonly number[]): T;
  /** Reads all elements of a tensor, row-major, as a copy the caller may keep. Never called inside a step. */
  toArray(x: T): Promise<Float32Array | Float64Array>;
  /** Reads a scalar. Never called inside a step. */
  readScalar(x: S): Promise<number>;

  /** The shape of a tensor. A backend of flat arrays answers `[length]`. */
  shape(x: T): readonly number[];
  /** A new tensor of zeros shaped like `x`. */
  zerosLike(x: T): T;
  /** `a x + b y`, element by element; `x` and `y` have one shape. */
  axpby(a: Scalar<S>, x: T, b: Scalar<S>, y: T): T;
  /** `a x + b`, element by element. */
  affine(a: Scalar<S>, x: T, b: Scalar<S>): T;
  /** `x y`, element by element. */
  mul(x: T, y: T): T;
  /** `x / y`, element by element. */
  div(x: T, y: T): T;
  /** `sqrt(x)`, element by element. */
  sqrt(x: T): T;
  /** `sum |x|^power` over all elements; 0 for an empty tensor. In float64 where the backend can. */
  sumPower(x: T, power: number): S;

  /**
   * Gives `previous` the value of `next` and consumes both handles.
   *
   * @returns the handle that holds the value from now on: `previous` itself where handles are stable (arrays,
   *   variables), else a new one.
   */
  replace(previous: T, next: T): T;
  /**
   * Runs `scope` and releases the temporaries made in it, except those it returns (a tensor, a scalar, or an
   * array of them), which then live until `dispose`.
   */
  tidy<R>(scope: () => R): R;
  /** Releases a tensor or a scalar. Releasing a host number does nothing. */
  dispose(x: T | S): void;

  /**
   * Counts NaN and infinite elements, synchronously. Present only on a backend whose values are visible on the
   * CPU without a stall; it is what makes `nonFinite: 'throw'` and `'skip'` possible.
   */
  countNonFinite?(x: T): number;
}
