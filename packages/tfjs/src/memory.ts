/** Sight of the numbers of a tensor where they lie, on backends that have them in the memory of the CPU. */

import * as tf from '@tensorflow/tfjs-core';

/** The numbers of tensors, in place. */
export interface TensorMemory {
  /** The elements of a float32 tensor; valid until the next allocation. */
  view(x: tf.Tensor): Float32Array;
  /** How many handles there are on the numbers of a tensor. */
  references(x: tf.Tensor): number;
}

/** The members of tfjs-backend-cpu's `MathBackendCPU` that are used here. */
interface CpuBackend {
  readonly data: { get(dataId: object): { readonly values?: unknown } | undefined };
  refCount(dataId: object): number;
}

/** Numbers that are no Float32Array, which tfjs allows in a float32 tensor that a kernel made. */
const floats = (values: unknown): Float32Array =>
  values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>);

/** Whether a tensor shows its numbers there, and its handles are counted. */
export function shows(memory: TensorMemory): boolean {
  return tf.tidy(() => {
    try {
      const probe = tf.tensor1d([1, 2.5]);
      const { length, 1: last } = memory.view(probe);
      return length === 2 && last === 2.5 && memory.references(probe) === 1;
    } catch {
      return false;
    }
  });
}

/** The memory of the cpu backend, whose tensors are typed arrays; null if this is another backend or version. */
export function cpuMemory(): TensorMemory | null {
  if (tf.getBackend() !== 'cpu') return null;
  const backend = tf.backend() as unknown as CpuBackend;
  const memory: TensorMemory = {
    view: ({ dataId }) => floats(backend.data.get(dataId)?.values),
    references: ({ dataId }) => backend.refCount(dataId),
  };
  return shows(memory) ? memory : null;
}
