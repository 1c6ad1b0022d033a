/** Sight of the numbers of a tensor where they lie, on backends that have them in the memory of the CPU. */

import * as tf from '@tensorflow/tfjs-core';
import { float32Ops } from '@vradam/core';

/** The numbers of tensors, in place. */
export interface TensorMemory {
  /** The elements of a float32 tensor; valid until the next allocation. */
  view(x: tf.Tensor): Float32Array;
  /** How many handles there are on the numbers of a tensor. */
  references(x: tf.Tensor): number;
}

/** NaN and infinite elements. */
export const countNonFinite = float32Ops.countNonFinite as (x: Float32Array) => number;

/** The members of tfjs-backend-cpu's `MathBackendCPU` that are used here. */
interface CpuBackend {
  readonly data: { get(dataId: object): { readonly values?: unknown } | undefined };
  refCount(dataId: object): number;
}

/** Numbers that are no Float32Array, which tfjs allows in a float32 tensor that a kernel made. */
const floats = (values: unknown): Float32Array =>
  values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>);

/** What `sight` makes of the backend, if that is of this name and a tensor shows its numbers there; else undefined. */
export function working<B, M extends TensorMemory>(
  name: string,
  sight: (backend: B) => M | undefined,
): M | undefined {
  if (tf.getBackend() !== name) return;
  try {
    const memory = sight(tf.backend() as B);
    const shown = tf.tidy(() => {
      const probe = tf.tensor1d([1, 2.5]);
      return `${memory?.view(probe)} ${memory?.references(probe)}`;
    });
    if (shown === '1,2.5 1') return memory;
  } catch {
    // a version of the backend that is not known
  }
  return;
}

/** The memory of the cpu backend, whose tensors are typed arrays; undefined if this is another backend or version. */
export const cpuMemory = (): TensorMemory | undefined =>
  working('cpu', (backend: CpuBackend) => ({
    view: ({ dataId }) => floats(backend.data.get(dataId)?.values),
    references: ({ dataId }) => backend.refCount(dataId),
  }));
