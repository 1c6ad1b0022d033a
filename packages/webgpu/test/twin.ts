/** The core in float64 beside an optimizer on a device: the same problem, the same gradients. */

import {
  createOptimizer as bindCore,
  float64Ops,
  type NamedTensors,
  type OptimizerSpec,
  type OptimizerState,
} from '@vradam/core';
import { expect } from 'vitest';
import { createOptimizer, exportState, type Parameter, type WebGPUOptimizer } from '../src/index.ts';
import { writeAll } from './values.ts';

/** Gradients of one step; null is missing. */
export type Step = Readonly<Record<string, ArrayLike<number> | null>>;

/** Both of them. */
export class Twin {
  readonly optimizer: WebGPUOptimizer;
  readonly #core: ReturnType<typeof bindCore<Float64Array, number>>;
  #parameters: NamedTensors<Float64Array>;
  state: OptimizerState<Float64Array>;

  private constructor(
    optimizer: WebGPUOptimizer,
    spec: OptimizerSpec,
    values: NamedTensors<ArrayLike<number>>,
  ) {
    this.optimizer = optimizer;
    this.#core = bindCore(float64Ops, spec) as never;
    this.#parameters = Object.fromEntries(
      Object.entries(values).map(([name, data]) => [name, Float64Array.from(data)]),
    );
    this.state = this.#core.init(this.#parameters) as OptimizerState<Float64Array>;
  }

  /** @param given - parameters in place of the values, such as buffers that hold the same. */
  static async start(
    device: GPUDevice,
    spec: OptimizerSpec,
    values: NamedTensors<ArrayLike<number>>,
    given: Readonly<Record<string, Parameter>> = Object.fromEntries(
      Object.entries(values).map(([name, data]) => [name, { data }]),
    ),
  ): Promise<Twin> {
    return new Twin(await createOptimizer(device, spec, given), spec, values);
  }

  /** One step of both; the device's gradients come from the arena. */
  step(gradients: Step): void {
    this.optimizer.step(writeAll(this.optimizer, gradients));
    this.stepCore(gradients);
  }

  /** One step of the core alone. */
  stepCore(gradients: Step): void {
    const given = Object.entries(gradients).map(([name, data]) => [name, data && Float64Array.from(data)]);
    const result = this.#core.update(this.#parameters, Object.fromEntries(given), this.state);
    this.#parameters = result.parameters as NamedTensors<Float64Array>;
    this.state = result.state as OptimizerState<Float64Array>;
  }

  /** Compares parameters, state and counters within float32. */
  async compare(limit = 2e-5): Promise<void> {
    const [parameters, dict] = await Promise.all([this.optimizer.read(), exportState(this.optimizer)]);
    for (const [name, expected] of Object.entries(this.#parameters)) {
      expectNear(name, parameters[name] as Float32Array, expected, limit);
    }
    const { step, skippedSteps, microStep } = this.state;
    expect(dict).toMatchObject({ step, skippedSteps, microStep });
    for (const [name, { step: own, slots }] of this.state.parameters) {
      expect(dict.parameterSteps[name], name).toBe(own);
      for (const [slot, expected] of Object.entries(slots)) {
        const tensor = dict.tensors[`${slot}/${name}`];
        expectNear(`${slot}/${name}`, tensor?.data as Float32Array, expected, 2 * limit);
      }
    }
    const slots = [...this.state.parameters.values()].flatMap((parameter) => Object.keys(parameter.slots));
    expect(Object.keys(dict.tensors)).toHaveLength(slots.length);
  }
}

/** Numbers agree, relative to the largest. */
export function expectNear(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  limit: number,
): void {
  expect(actual, what).toHaveLength(expected.length);
  const largest = Array.from(expected).reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
  }
  expect(worst / largest, what).toBeLessThanOrEqual(limit);
}
