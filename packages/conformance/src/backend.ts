/** What the suite must know of a backend. */

import type { NamedTensors, TensorOps } from '@vradam/core';
import type { Tolerance } from './tolerance.ts';
import type { TrainModel, TrainProblem } from './train/model.ts';

/**
 * A backend to hold against the suite.
 *
 * @typeParam T - tensor handle.
 * @typeParam S - scalar handle.
 */
export interface ConformanceBackend<T = unknown, S = unknown> {
  /** Name on the command line and in reports, e.g. `tfjs-wasm`. */
  readonly name: string;
  /** Makes the operations ready for use; may be called more than once. */
  create(): TensorOps<T, S> | Promise<TensorOps<T, S>>;
  /** Makes a parameter, where parameters are not plain tensors (variables). Default `ops.fromArray`. */
  parameter?(data: readonly number[], shape: readonly number[]): T;
  /** Tensors alive now. Where it is there, the suite counts that nothing leaks. */
  liveTensors?(): number;
  /** Limits; default by the element type of the operations. */
  readonly tolerance?: Partial<Tolerance>;
  /** The training model on the backend's own differentiation; default gradients made on the host in float64. */
  trainProblem?(model: TrainModel): TrainProblem<T>;
}

/** Named parameters of a backend, made from numbers. */
export function makeParameters<T, S>(
  backend: ConformanceBackend<T, S>,
  ops: TensorOps<T, S>,
  values: Readonly<Record<string, { readonly data: readonly number[]; readonly shape: readonly number[] }>>,
): NamedTensors<T> {
  const made = Object.entries(values).map(([name, { data, shape }]) => [
    name,
    backend.parameter?.(data, shape) ?? ops.fromArray(data, shape),
  ]);
  return Object.fromEntries(made) as NamedTensors<T>;
}

/** Reads named tensors as numbers. */
export async function readAll<T, S>(
  ops: TensorOps<T, S>,
  tensors: NamedTensors<T>,
): Promise<Record<string, number[]>> {
  const read = Object.entries(tensors).map(async ([name, tensor]) => [
    name,
    [...(await ops.toArray(tensor))],
  ]);
  return Object.fromEntries(await Promise.all(read)) as Record<string, number[]>;
}

/** Releases named tensors. */
export function disposeAll<T, S>(ops: TensorOps<T, S>, tensors: NamedTensors<T | null | undefined>): void {
  for (const tensor of Object.values(tensors)) if (tensor != null) ops.dispose(tensor);
}
