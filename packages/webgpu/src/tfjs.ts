/**
 * `@vradam/webgpu/tfjs`: steps on the variables of tfjs-backend-webgpu, in place. Nothing is read back, and a step is a
 * handful of dispatches where an optimizer of tfjs takes about 14 for each variable.
 */

import type { OptimizerSpec } from '@vradam/core';
import { createOptimizer, type WebGPUOptions } from './create.ts';
import { fail, show } from './errors.ts';
import type { WebGPUOptimizer } from './optimizer.ts';

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
interface Backend {
  readonly device: GPUDevice;
  readonly tensorMap: { get(dataId: object): { resource?: GPUBuffer; values?: unknown } | undefined };
  uploadToGPU(dataId: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

const methods = ['uploadToGPU', 'ensureCommandEncoderReady', 'endComputePassEncoder', 'submitQueue'] as const;

/** The backend, if it shows its device and its buffers. */
function backendOf(tf: TfjsModule): Backend | null {
  const backend = tf.backend() as Partial<Backend> | null;
  const isComplete =
    typeof backend?.device?.createBuffer === 'function' &&
    typeof backend.tensorMap?.get === 'function' &&
    methods.every((name) => typeof backend[name] === 'function');
  return isComplete ? (backend as Backend) : null;
}

/** Whether {@link createTfjsOptimizer} can work on the current backend of tfjs. */
export const canStepInPlace = (tf: TfjsModule): boolean => backendOf(tf) !== null;

/** The buffer of a tensor, with the tensor's numbers in it once the backend's commands are submitted. */
function bufferOf(backend: Backend, what: string, tensor: TfjsTensor): GPUBuffer {
  if (tensor.dtype !== 'float32')
    fail('ERR_OPTION_TYPE', `${what} must be float32. Received: ${show(tensor.dtype)}.`);
  backend.uploadToGPU(tensor.dataId);
  const { resource } = backend.tensorMap.get(tensor.dataId) ?? {};
  return resource ?? fail('ERR_UNSUPPORTED', `${what} has no buffer on this backend.`);
}

/** Submits what tfjs has recorded: it comes before a step in the queue. */
function flush(backend: Backend): void {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
}

/** Steps on variables of tfjs; made by {@link createTfjsOptimizer}. */
export class TfjsDeviceOptimizer {
  /** Stats, learning rates, state: all but the step itself. */
  readonly optimizer: WebGPUOptimizer;
  readonly #tf: TfjsModule;
  readonly #backend: Backend;
  readonly #variables: readonly TfjsVariable[];
  readonly #bound: Map<string, GPUBuffer>;

  /** @internal */
  constructor(
    optimizer: WebGPUOptimizer,
    tf: TfjsModule,
    backend: Backend,
    variables: readonly TfjsVariable[],
    bound: Map<string, GPUBuffer>,
  ) {
    this.optimizer = optimizer;
    this.#tf = tf;
    this.#backend = backend;
    this.#variables = variables;
    this.#bound = bound;
  }

  /** Follows variables that were assigned to since the last step. */
  #follow(): void {
    for (const variable of this.#variables) {
      const buffer = bufferOf(this.#backend, `variable ${show(variable.name)}`, variable);
      if (this.#bound.get(variable.name) === buffer) continue;
      this.optimizer.rebind(variable.name, buffer);
      this.#bound.set(variable.name, buffer);
    }
  }

  /**
   * Takes a step.
   *
   * @param gradients - by variable name; one may be missing or null. They stay the caller's, and may be disposed at once.
   * @throws VRAdamError as `WebGPUOptimizer.step`.
   */
  applyGradients(gradients: Readonly<Record<string, TfjsTensor | null | undefined>>): void {
    this.#follow();
    const found = Object.entries(gradients).map(([name, gradient]) => [
      name,
      gradient == null ? null : bufferOf(this.#backend, `gradient ${show(name)}`, gradient),
    ]);
    flush(this.#backend);
    this.optimizer.step(Object.fromEntries(found));
    for (const { dataId } of this.#variables) {
      const data = this.#backend.tensorMap.get(dataId);
      if (data) data.values = null; // numbers of before the step, which tfjs would give out
    }
  }

  /**
   * Computes gradients and takes a step, as `tf.Optimizer.minimize` does.
   *
   * @param loss - gives a scalar tensor.
   * @returns that scalar; the caller disposes it.
   */
  minimize<R>(loss: () => R): R {
    const { value, grads } = this.#tf.variableGrads(loss as never, this.#variables as never);
    this.applyGradients(grads as Record<string, TfjsTensor>);
    this.#tf.dispose(grads as never);
    return value as R;
  }

  /** Releases the state; the variables stay. */
  dispose(): void {
    this.optimizer.destroy();
  }
}

/**
 * An optimizer for variables that live on tfjs-backend-webgpu 4.22.
 *
 * @param tf - tfjs, its backend ready.
 * @param variables - to be trained; each keeps its place and is updated there.
 * @returns null where the backend does not show its buffers, as on webgl: then take an optimizer of `@vradam/tfjs`.
 * @throws VRAdamError as `createOptimizer`; `ERR_OPTION_TYPE` for a variable that is not float32.
 */
export async function createTfjsOptimizer(
  tf: TfjsModule,
  spec: OptimizerSpec,
  variables: readonly TfjsVariable[],
  options: WebGPUOptions = {},
): Promise<TfjsDeviceOptimizer | null> {
  const backend = backendOf(tf);
  if (!backend) return null;
  const bound = new Map(
    variables.map((variable) => [
      variable.name,
      bufferOf(backend, `variable ${show(variable.name)}`, variable),
    ]),
  );
  flush(backend);
  const parameters = variables.map(({ name, shape }) => [
    name,
    { buffer: bound.get(name) as GPUBuffer, shape: [...shape] },
  ]);
  const optimizer = await createOptimizer(backend.device, spec, Object.fromEntries(parameters), options);
  return new TfjsDeviceOptimizer(optimizer, tf, backend, variables, bound);
}
