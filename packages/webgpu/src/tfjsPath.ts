/**
 * A path for the optimizers of `@vradam/tfjs`: each variable's step in two dispatches of ours, where the portable path
 * takes about 14 of tfjs. State stays tensors of tfjs, so that saving, averages and all else there work as before.
 */

import {
  adamw,
  type Entry,
  type Kernel,
  type Kernels,
  momentum,
  type OptimizerSpec,
  rmsprop,
  sgd,
  type TensorOps,
  vradam,
  vrMomentum,
} from '@vradam/core';
import { show } from './errors.ts';
import type { Kernel as Shader } from './kernels/kernel.ts';
import { span, tensorMeasureKernel, tensorMoveKernel } from './kernels/tensor.ts';
import { createProgram, type Program } from './program.ts';
import {
  type Backend,
  backendOf,
  bufferOf,
  flush,
  forgetValues,
  type TfjsModule,
  type TfjsTensor,
} from './tfjsBackend.ts';
import { type Bound, type Job, Runner } from './tfjsRunner.ts';

/** What a path uses of tfjs: pass `tf`. */
export interface TfjsPathModule extends Pick<TfjsModule, 'backend'> {
  /** `tf.tensor`. */
  tensor(values: never, shape: never, dtype: 'float32'): unknown;
  /** `tf.sum`. */
  sum(x: never): unknown;
}

/** A path, as `registerStepPath` of `@vradam/tfjs` takes it. */
export interface TfjsPath {
  /** What `optimizer.path` says. */
  readonly name: 'webgpu';
  /**
   * Kernels on the current backend; null where it is another, or does not show its buffers.
   *
   * @param ops - the portable path.
   */
  open<T extends TfjsTensor>(ops: TensorOps<T, T>): Kernels<T, T> | null;
}

const factories: Readonly<Record<string, () => OptimizerSpec>> = {
  vradam,
  vrMomentum,
  momentum,
  adamw,
  sgd,
  rmsprop,
};

const sizeOf = ({ shape }: TfjsTensor): number => shape.reduce((product, length) => product * length, 1);

/** An algorithm's kernels under the options of a group. */
class GroupKernel<T extends TfjsTensor> implements Kernel<T, T> {
  readonly #tf: TfjsPathModule;
  readonly #backend: Backend;
  readonly #runner: Runner;
  readonly #ops: TensorOps<T, T>;
  readonly #program: Program;
  readonly #measure: Shader | undefined;
  readonly #move: Shader;

  constructor(tf: TfjsPathModule, backend: Backend, runner: Runner, ops: TensorOps<T, T>, program: Program) {
    this.#tf = tf;
    this.#backend = backend;
    this.#runner = runner;
    this.#ops = ops;
    this.#program = program;
    this.#measure = tensorMeasureKernel(program);
    this.#move = tensorMoveKernel(program);
  }

  #bind(what: string, tensor: T): Bound[string] {
    return { buffer: bufferOf(this.#backend, what, tensor), elements: sizeOf(tensor) };
  }

  /** A tensor of a buffer of ours; with `zeroCopy` over it, else with what it holds. */
  #tensorOf(buffer: GPUBuffer, shape: readonly number[], zeroCopy: boolean): T {
    return this.#tf.tensor({ buffer, zeroCopy } as never, [...shape] as never, 'float32') as T;
  }

  /** A tensor that may be written to: itself, or a copy in its place if others see its numbers. */
  #own(x: T, gradient: T): T {
    const isShared = this.#backend.refCount(x.dataId) > 1 || x.dataId === gradient.dataId;
    if (!isShared) return x;
    const buffer = bufferOf(this.#backend, 'a tensor', x);
    flush(this.#backend);
    return this.#ops.replace(x, this.#tensorOf(buffer, x.shape, false));
  }

  /** Jobs of tensors that are not empty. */
  #jobs(
    entries: readonly Entry<T>[],
    gradients: readonly Bound[string][],
    bind: (index: number) => Bound,
  ): Job[] {
    const rows = new Map<string, readonly number[]>();
    let start = 0;
    return entries.flatMap((entry, index) => {
      const { gradient, slots, step, weightDecay } = entry;
      const workgroups = Math.ceil(sizeOf(gradient) / span);
      if (workgroups === 0) return [];
      const key = `${step} ${weightDecay}`;
      const numbers = rows.get(key) ?? this.#program.row(step, weightDecay);
      rows.set(key, numbers);
      const state = this.#program.slots.map((name, s) => [`slot${s}`, this.#bind(name, slots[name] as T)]);
      const others = { ...bind(index), ...Object.fromEntries(state) };
      const bound = { ...others, gradient: gradients[index] as Bound[string] };
      start += workgroups;
      return [{ bound, start: start - workgroups, numbers, workgroups }];
    });
  }

  #gradientsOf(entries: readonly Entry<T>[]): Bound[string][] {
    return entries.map(({ name, gradient }) => this.#bind(`gradient ${show(name)}`, gradient));
  }

  /** The slots are left as they are: `applyAll` folds the gradient in again, and moves. */
  accumulateAll(entries: readonly Entry<T>[]): readonly T[] {
    const { tidy, scalars } = this.#ops;
    if (!this.#measure || entries.length === 0) return [];
    const workgroups = entries.reduce((sum, { gradient }) => sum + Math.ceil(sizeOf(gradient) / span), 0);
    if (workgroups === 0) return [tidy(() => scalars.of(0, 'norm'))];
    flush(this.#backend); // sums of another group, before their buffer is used again
    const partials = this.#runner.buffer('partials', 4 * workgroups);
    const jobs = this.#jobs(entries, this.#gradientsOf(entries), () => ({ partials }));
    flush(this.#backend);
    this.#runner.run(this.#measure, jobs);
    return [tidy(() => this.#tf.sum(this.#tensorOf(partials, [workgroups], true) as never) as T)];
  }

  accumulate(entry: Entry<T>): T | null {
    return this.accumulateAll([entry])[0] ?? null;
  }

  applyAll(parameters: readonly T[], entries: readonly Entry<T>[], rate: T): readonly T[] {
    const gradients = this.#gradientsOf(entries); // first: one may be the parameter itself
    const moved = parameters.map((parameter, k) => this.#own(parameter, (entries[k] as Entry<T>).gradient));
    for (const { slots, gradient } of entries)
      for (const name of this.#program.slots) slots[name] = this.#own(slots[name] as T, gradient);
    const rates = bufferOf(this.#backend, 'the learning rate', rate);
    const jobs = this.#jobs(entries, gradients, (k) => ({
      rates,
      parameter: this.#bind('parameter', moved[k] as T),
    }));
    flush(this.#backend);
    this.#runner.run(this.#move, jobs);
    const written = entries.flatMap(({ slots }) => this.#program.slots.map((name) => slots[name] as T));
    for (const tensor of [...moved, ...written]) forgetValues(this.#backend, tensor);
    return moved;
  }

  apply(parameter: T, entry: Entry<T>, rate: T): T {
    return this.applyAll([parameter], [entry], rate)[0] as T;
  }
}

/** The program of an algorithm of the core, for tensors with weight decay and without. */
function programOf(factory: () => OptimizerSpec, options: object): Program {
  const group = { name: 'default', match: () => true, options } as unknown as OptimizerSpec['groups'][number];
  const [decayed, plain] = ['decayed', 'plain'];
  return createProgram({ ...factory(), decays: (name) => name === decayed }, group, [decayed, plain]);
}

/** See `webgpuPath`. */
export function createPath(tf: TfjsPathModule): TfjsPath {
  const runners = new WeakMap<GPUDevice, Runner>();
  return {
    name: 'webgpu',
    open(ops) {
      const backend = backendOf(tf);
      if (!backend) return null;
      const runner = runners.get(backend.device) ?? new Runner(backend.device);
      runners.set(backend.device, runner);
      return (algorithm, options) => {
        if (!Object.hasOwn(factories, algorithm)) return ops.kernels?.(algorithm, options);
        const program = programOf(factories[algorithm] as () => OptimizerSpec, options);
        return new GroupKernel(tf, backend, runner, ops, program);
      };
    },
  };
}
