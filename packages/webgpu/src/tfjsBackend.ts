/** The way to the buffers of tfjs-backend-webgpu. */

import { fail, show } from './errors.ts';

/** What is used of a tensor of tfjs. */
export interface TfjsTensor {
  readonly dataId: object;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** What is used of a variable of tfjs. */
export interface TfjsVariable extends TfjsTensor {
  readonly name: string;
}

/** What is used of tfjs: pass `tf`. */
export interface TfjsModule {
  backend(): unknown;
  dispose(tensors: never): void;
  variableGrads(loss: never, variables: never): { readonly value: unknown; readonly grads: unknown };
}

/** What is used of tfjs-backend-webgpu 4.22. All of it is public there and none of it documented, so it is looked for. */
export interface Backend {
  readonly device: GPUDevice;
  /** Handles on the numbers of a tensor. */
  refCount(dataId: object): number;
  readonly tensorMap: { get(dataId: object): { resource?: GPUBuffer; values?: unknown } | undefined };
  uploadToGPU(dataId: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

const methods = [
  'refCount',
  'uploadToGPU',
  'ensureCommandEncoderReady',
  'endComputePassEncoder',
  'submitQueue',
] as const;

/** The backend, if it shows its device and its buffers. */
export function backendOf(tf: Pick<TfjsModule, 'backend'>): Backend | null {
  const backend = tf.backend() as Partial<Backend> | null;
  const isComplete =
    typeof backend?.device?.createBuffer === 'function' &&
    typeof backend.tensorMap?.get === 'function' &&
    methods.every((name) => typeof backend[name] === 'function');
  return isComplete ? (backend as Backend) : null;
}

/** The buffer of a tensor, with the tensor's numbers in it once the backend's commands are submitted. */
export function bufferOf(backend: Backend, what: string, tensor: TfjsTensor): GPUBuffer {
  if (tensor.dtype !== 'float32')
    fail('ERR_OPTION_TYPE', `${what} must be float32. Received: ${show(tensor.dtype)}.`);
  backend.uploadToGPU(tensor.dataId);
  const { resource } = backend.tensorMap.get(tensor.dataId) ?? {};
  return resource ?? fail('ERR_UNSUPPORTED', `${what} has no buffer on this backend.`);
}

/** Submits what tfjs has recorded: it comes before a step in the queue. */
export function flush(backend: Backend): void {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
}

/** Forgets numbers that tfjs has on the host, which are those of before a step. */
export function forgetValues(backend: Backend, { dataId }: TfjsTensor): void {
  const data = backend.tensorMap.get(dataId);
  if (data?.resource) data.values = null;
}
