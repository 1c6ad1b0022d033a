/**
 * `@vradam/webgpu/tfjs`: steps on the variables of tfjs-backend-webgpu, in place. Nothing is read back, and a step is a
 * handful of dispatches where an optimizer of tfjs takes about 14 for each variable.
 */

import type { OptimizerSpec } from '@vradam/core';
import { createOptimizer, type WebGPUOptions } from './create.ts';
import { show } from './errors.ts';
import type { WebGPUOptimizer } from './optimizer.ts';
import {
  type Backend,
  backendOf,
  bufferOf,
  flush,
  forgetValues,
  type TfjsModule,
  type TfjsTensor,
  type TfjsVariable,
} from './tfjsBackend.ts';
import { createPath, type TfjsPath, type TfjsPathModule } from './tfjsPath.ts';

export type { TfjsModule, TfjsTensor, TfjsVariable } from './tfjsBackend.ts';
export type { TfjsPath, TfjsPathModule } from './tfjsPath.ts';

/** Whether {@link createTfjsOptimizer} can work on the current backend of tfjs. */
export const canStepInPlace = (tf: TfjsModule): boolean => backendOf(tf) !== null;

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
    for (const variable of this.#variables) forgetValues(this.#backend, variable);
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

/**
 * The path of `@vradam/tfjs` over tfjs-backend-webgpu 4.22, in kernels of this package.
 *
 * @example
 * ```ts
 * registerStepPath(webgpuPath(tf)); // once, before the first step
 * ```
 *
 * @param tf - tfjs, the copy that `@vradam/tfjs` has.
 */
export const webgpuPath = (tf: TfjsPathModule): TfjsPath => createPath(tf);
