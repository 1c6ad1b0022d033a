/**
 * `@vradam/webgpu/onnxruntime`: parameters and gradients that stay on the device between a model on onnxruntime-web's
 * WebGPU provider and a step.
 */

import type { OptimizerSpec, StateDict } from '@vradam/core';
import { createOptimizer, type WebGPUOptions } from './create.ts';
import { fail, show } from './errors.ts';
import type { WebGPUOptimizer } from './optimizer.ts';
import { copySource, copyTarget, storage } from './platform.ts';
import { exportState, importState } from './state.ts';
import type { StepStats } from './stats.ts';

/** What is used of a tensor of onnxruntime. */
export interface OrtTensor {
  readonly location: string;
  readonly type: string;
  readonly dims: readonly number[];
  readonly gpuBuffer?: unknown;
}

/** What is used of onnxruntime-web: pass `ort`. */
export interface OrtModule<T> {
  readonly Tensor: {
    fromGpuBuffer(buffer: never, options: { dataType: 'float32'; dims: readonly number[] }): T;
  };
}

/** Initial numbers of a parameter, row-major. */
export interface OrtParameter {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
}

/**
 * Options for `InferenceSession.create` that put a session on a device and leave its outputs there. The device must be
 * given like this: onnxruntime ignores one that is set in `ort.env.webgpu`, and refuses buffers of another.
 */
export const sessionOptions = (
  device: GPUDevice,
): {
  executionProviders: [{ name: 'webgpu'; device: GPUDevice }];
  preferredOutputLocation: 'gpu-buffer';
} => ({
  executionProviders: [{ name: 'webgpu', device }],
  preferredOutputLocation: 'gpu-buffer',
});

/** Steps on parameters that a session reads; made by {@link createOrtOptimizer}. */
export class OrtDeviceOptimizer<T> {
  /** Stats, learning rates, state: all but the step itself. */
  readonly optimizer: WebGPUOptimizer;
  /** Parameters as inputs of a session, by name. They are updated in place: one object serves all runs. */
  readonly feeds: Readonly<Record<string, T>>;
  readonly #buffers: readonly GPUBuffer[];

  /** @internal */
  constructor(optimizer: WebGPUOptimizer, feeds: Readonly<Record<string, T>>, buffers: readonly GPUBuffer[]) {
    this.optimizer = optimizer;
    this.feeds = feeds;
    this.#buffers = buffers;
  }

  /**
   * Takes a step.
   *
   * @param gradients - by parameter name: outputs of a session, on the device. One may be missing or null. They stay the
   *   caller's, and may be disposed at once.
   * @throws VRAdamError `ERR_OPTION_TYPE` for a gradient that is not on the device, or not float32; else as
   *   `WebGPUOptimizer.step`.
   */
  step(gradients: Readonly<Record<string, OrtTensor | null | undefined>>): void {
    const found = Object.entries(gradients).map(([name, gradient]) => {
      if (gradient == null) return [name, null];
      if (gradient.location !== 'gpu-buffer' || gradient.type !== 'float32') {
        const received = `${gradient.type} on ${gradient.location}`;
        fail(
          'ERR_OPTION_TYPE',
          `gradient ${show(name)} must be float32 in a gpu-buffer. Received: ${received}.`,
        );
      }
      return [name, gradient.gpuBuffer as GPUBuffer];
    });
    this.optimizer.step(Object.fromEntries(found));
  }

  /**
   * Takes a step with gradients of the host, by parameter name. Errors as `WebGPUOptimizer.step`.
   */
  stepFromHost(gradients: Readonly<Record<string, Float32Array>>): void {
    const { device, gradients: views } = this.optimizer;
    const found = Object.entries(gradients).map(([name, data]) => {
      const view = views[name] ?? fail('ERR_PARAMETER_UNKNOWN', `gradient ${show(name)} is unknown.`);
      this.#write(device, name, view, data);
      return [name, view];
    });
    this.optimizer.step(Object.fromEntries(found));
  }

  #write(
    device: GPUDevice,
    name: string,
    { buffer, offset, size }: Required<GPUBufferBinding>,
    data: Float32Array,
  ): void {
    if (4 * data.length !== size)
      fail('ERR_SHAPE_MISMATCH', `${show(name)} needs ${size / 4} numbers. Received: ${data.length}.`);
    device.queue.writeBuffer(buffer, offset, data as Float32Array<ArrayBuffer>);
  }

  /** What the last step did; see `WebGPUOptimizer.stats`. */
  stats(): Promise<StepStats> {
    return this.optimizer.stats();
  }

  /** Numbers of all parameters by name, copies. */
  read(): Promise<Record<string, Float32Array>> {
    return this.optimizer.read();
  }

  /** Gives parameters new numbers, all or some. Throws VRAdamError `ERR_PARAMETER_UNKNOWN`, `ERR_SHAPE_MISMATCH`. */
  write(values: Readonly<Record<string, Float32Array>>): void {
    const { device, parameters } = this.optimizer;
    for (const [name, data] of Object.entries(values)) {
      const view = parameters[name] ?? fail('ERR_PARAMETER_UNKNOWN', `parameter ${show(name)} is unknown.`);
      this.#write(device, name, view, data);
    }
  }

  /** The state as plain data; see `exportState` of this package. */
  exportState(): Promise<StateDict> {
    return exportState(this.optimizer);
  }

  /** Continues from a state; see `importState` of this package. */
  importState(dict: StateDict): void {
    importState(this.optimizer, dict);
  }

  /** Sets the learning rate; see `WebGPUOptimizer.setLearningRate`. */
  setLearningRate(learningRate: number | null, group?: string): void {
    this.optimizer.setLearningRate(learningRate, group);
  }

  /** Releases parameters and state. */
  dispose(): void {
    this.optimizer.destroy();
    for (const buffer of this.#buffers) buffer.destroy();
  }
}

/**
 * An optimizer for parameters that are inputs of a session on the same device.
 *
 * @param ort - onnxruntime-web, of `onnxruntime-web/webgpu`.
 * @param device - the session's; see {@link sessionOptions}.
 * @param parameters - by name; copied to the device, in buffers of their own.
 * @throws VRAdamError as `createOptimizer`.
 */
export async function createOrtOptimizer<T>(
  ort: OrtModule<T>,
  device: GPUDevice,
  spec: OptimizerSpec,
  parameters: Readonly<Record<string, OrtParameter>>,
  options: WebGPUOptions = {},
): Promise<OrtDeviceOptimizer<T>> {
  const made = Object.entries(parameters).map(([name, { data, shape }]) => {
    // onnxruntime takes buffers in steps of 16 bytes
    const size = 16 * Math.max(1, Math.ceil(data.length / 4));
    const buffer = device.createBuffer({
      label: `parameter ${name}`,
      size,
      usage: storage | copySource | copyTarget,
    });
    device.queue.writeBuffer(buffer, 0, Float32Array.from(data));
    const tensor = ort.Tensor.fromGpuBuffer(buffer as never, { dataType: 'float32', dims: [...shape] });
    return { name, buffer, shape, tensor };
  });
  const byName = made.map(({ name, buffer, shape }) => [name, { buffer, shape }]);
  const optimizer = await createOptimizer(device, spec, Object.fromEntries(byName), options);
  const feeds = Object.fromEntries(made.map(({ name, tensor }) => [name, tensor]));
  return new OrtDeviceOptimizer(
    optimizer,
    feeds,
    made.map(({ buffer }) => buffer),
  );
}

/** Where a session of `@vradam/onnxruntime` takes its steps: its option `update`. */
export interface DeviceUpdatePlacement {
  /** Makes parameters and state on the device. */
  open<T>(
    ort: OrtModule<T>,
    spec: OptimizerSpec,
    parameters: Readonly<Record<string, OrtParameter>>,
  ): Promise<OrtDeviceOptimizer<T>>;
}

/**
 * The option `update` of `createTrainingSession` of `@vradam/onnxruntime`: steps in kernels of this package, on the
 * device that runs the model.
 *
 * @param device - also in `executionProviders: [{ name: 'webgpu', device }]`.
 */
export const deviceUpdate = (device: GPUDevice, options: WebGPUOptions = {}): DeviceUpdatePlacement => ({
  open: (ort, spec, parameters) => createOrtOptimizer(ort, device, spec, parameters, options),
});
