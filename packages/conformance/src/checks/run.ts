/** Random problems, and runs of an optimizer on them. */

import {
  createOptimizer,
  decodeState,
  disposeState,
  encodeState,
  exportState,
  type Gradients,
  importState,
  type NamedTensors,
  type Optimizer,
  type OptimizerSpec,
  type OptimizerState,
  type StepResult,
  type TensorOps,
} from '@vradam/core';
import * as fc from 'fast-check';
import { type ConformanceBackend, disposeAll, makeParameters, readAll } from '../backend.ts';

/** Named parameters, as numbers. */
export type Values = Readonly<
  Record<string, { readonly data: readonly number[]; readonly shape: readonly number[] }>
>;

/** Gradients of one step, as numbers; null where missing. */
export type Step = Readonly<Record<string, readonly number[] | null>>;

/** A random problem: parameters of several shapes, and gradients for some steps. */
export interface Problem {
  /** Initial parameters. */
  readonly values: Values;
  /** Gradients of every step. */
  readonly steps: readonly Step[];
}

const shapes: readonly (readonly number[])[] = [[], [5], [3, 4], [0], [2, 1, 3]];

/** Names of the parameters of every problem: a scalar, a vector of 5, a matrix, an empty one, and rank 3. */
export const names: readonly string[] = shapes.map((_, i) => `layer${i}.weight`);

const record = <V>(value: (name: string, i: number) => V): Record<string, V> =>
  Object.fromEntries(names.map((name, i) => [name, value(name, i)]));

function numbers(shape: readonly number[], scale: number): fc.Arbitrary<number[]> {
  const length = shape.reduce((product, n) => product * n, 1);
  const number = fc.integer({ min: -1000, max: 1000 }).map((i) => (i * scale) / 1000);
  return fc.array(number, { minLength: length, maxLength: length });
}

/**
 * Random problems.
 *
 * @param steps - how many steps of gradients.
 * @param missing - whether gradients may be missing.
 */
export function problems(steps: number, missing: boolean): fc.Arbitrary<Problem> {
  const data = (scale: number) => fc.tuple(...shapes.map((shape) => numbers(shape, scale)));
  const present = fc.tuple(...names.map(() => (missing ? fc.boolean() : fc.constant(true))));
  const step = fc
    .tuple(data(3), present)
    .map(([rows, mask]): Step => record((_, i) => (mask[i] ? (rows[i] as number[]) : null)));
  const values = data(2).map(
    (rows): Values => record((_, i) => ({ data: rows[i] as number[], shape: shapes[i] as number[] })),
  );
  return fc.record({ values, steps: fc.array(step, { minLength: steps, maxLength: steps }) });
}

/** A live run: parameters, state, and ways to take steps and to read everything. */
export class Run<T, S> {
  readonly #backend: ConformanceBackend<T, S>;
  /** The optimizer. */
  readonly optimizer: Optimizer<T, S>;
  /** Its backend. */
  readonly ops: TensorOps<T, S>;
  /** Initial parameters. */
  readonly values: Values;
  /** Parameters now. */
  parameters: NamedTensors<T>;
  /** State now. */
  state: OptimizerState<T>;
  /** Effective learning rates of the last step, by group. */
  rates: number[] = [];

  /** Starts with parameters of its own. */
  constructor(backend: ConformanceBackend<T, S>, ops: TensorOps<T, S>, spec: OptimizerSpec, values: Values) {
    this.#backend = backend;
    this.optimizer = createOptimizer(ops, spec);
    this.ops = ops;
    this.values = values;
    this.parameters = makeParameters(backend, ops, values);
    this.state = this.optimizer.init(this.parameters);
  }

  /** Gradients as tensors; the caller's to release. */
  gradients(step: Step): Gradients<T> {
    const made = Object.entries(step).map(([name, data]) => [
      name,
      data && this.ops.fromArray(data, this.values[name]?.shape as number[]),
    ]);
    return Object.fromEntries(made) as Gradients<T>;
  }

  /** Takes over the result of a step and releases its scalars. */
  async accept({ parameters, state, stats }: StepResult<T, S>): Promise<void> {
    this.parameters = parameters;
    this.state = state;
    this.rates = [];
    for (const { effectiveLearningRate, norm } of stats) {
      this.rates.push(await this.ops.readScalar(effectiveLearningRate));
      this.ops.dispose(effectiveLearningRate);
      if (norm !== null) this.ops.dispose(norm);
    }
  }

  /** Takes one step. */
  async step(step: Step): Promise<void> {
    const gradients = this.gradients(step);
    try {
      await this.accept(this.optimizer.update(this.parameters, gradients, this.state));
    } finally {
      disposeAll(this.ops, gradients);
    }
  }

  /** Takes several steps. */
  async steps(steps: readonly Step[]): Promise<this> {
    for (const step of steps) await this.step(step);
    return this;
  }

  /** Parameters by name and state tensors by `slot/name`, as numbers. */
  async read(): Promise<Record<string, number[]>> {
    const all: Record<string, T> = { ...this.parameters };
    for (const [name, { slots }] of this.state.parameters) {
      for (const [slot, tensor] of Object.entries(slots)) all[`${slot}/${name}`] = tensor;
    }
    return readAll(this.ops, all);
  }

  /** Saves to bytes, releases everything, and starts again from the bytes alone. */
  async reload(): Promise<void> {
    const bytes = encodeState(await exportState(this.optimizer, this.state));
    const read = await readAll(this.ops, this.parameters);
    this.dispose();
    const values = Object.entries(this.values).map(([name, { shape }]) => [
      name,
      { shape, data: read[name] },
    ]);
    this.parameters = makeParameters(this.#backend, this.ops, Object.fromEntries(values) as Values);
    this.state = importState(this.optimizer, decodeState(bytes), this.parameters);
  }

  /** Releases parameters and state. */
  dispose(): void {
    disposeState(this.optimizer, this.state);
    disposeAll(this.ops, this.parameters);
  }
}
