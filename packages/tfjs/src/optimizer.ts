/** `tf.Optimizer` over the core: state by variable name, for `minimize`, `applyGradients` and `model.compile`. */

import * as tf from '@tensorflow/tfjs-core';
import {
  createOptimizer,
  disposeState,
  exportState,
  type GroupStats,
  importState,
  type Optimizer,
  type OptimizerSpec,
  type OptimizerState,
  type StateDict,
  setLearningRate,
  VRAdamError,
} from '@vradam/core';
import { createTfjsOps } from './ops.ts';

type Variables = Readonly<Record<string, tf.Variable>>;
type VariableGradients = Parameters<tf.Optimizer['applyGradients']>[0];

/** What the brake did to one group in the last step. */
export interface StepStats {
  /** Name of the group. */
  readonly group: string;
  /** Base learning rate. */
  readonly learningRate: number;
  /** Learning rate the variables moved by. */
  readonly effectiveLearningRate: number;
  /** Norm over the group, or null if the algorithm has none. */
  readonly norm: number | null;
}

/** The core optimizer on the current backend, and its state. */
interface Bound {
  readonly optimizer: Optimizer<tf.Tensor, tf.Tensor>;
  readonly state: OptimizerState<tf.Tensor>;
  readonly variables: Variables;
}

function registered(name: string): tf.Variable {
  const variable = tf.engine().registeredVariables[name];
  if (variable) return variable;
  throw new VRAdamError(
    'ERR_PARAMETER_UNKNOWN',
    `[@vradam/tfjs] there is no variable ${JSON.stringify(name)}. Was it disposed, or made by another copy of tfjs-core?`,
  );
}

/** Gradients by variable name, from the map form and from the array form. */
function byName(gradients: VariableGradients): Record<string, tf.Tensor | null> {
  const pairs = Array.isArray(gradients)
    ? gradients.map(({ name, tensor }) => [name, tensor ?? null])
    : Object.entries(gradients);
  return Object.fromEntries(pairs) as Record<string, tf.Tensor | null>;
}

/**
 * Any optimizer of the core as a `tf.Optimizer`. Use it for specs with transforms; the classes below are shorter
 * for plain ones.
 *
 * State is kept by variable NAME: variables may come in another order, in part, or later. Construction touches no
 * backend, so it may come before `tf.ready()`.
 *
 * @example
 * ```ts
 * const optimizer = new SpecOptimizer(clipByGlobalNorm(vradam(), { maxNorm: 1 }));
 * model.compile({ optimizer, loss: 'meanSquaredError' });
 * ```
 */
export class SpecOptimizer extends tf.Optimizer {
  /** Name for serialization; subclasses have their own. */
  static className = 'SpecOptimizer';
  /** What it does. */
  readonly spec: OptimizerSpec;
  #bound: Bound | null = null;
  #stats: readonly GroupStats<tf.Tensor>[] = [];
  #learningRate: number | null = null;

  /** @param spec - from `vradam()`, `adamw()`, ..., perhaps wrapped by transforms. */
  constructor(spec: OptimizerSpec) {
    super();
    this.spec = spec;
  }

  /** Binds to the backend at the first use, and takes in variables not seen before. */
  #bind(names: readonly string[]): Bound {
    const optimizer = this.#bound?.optimizer ?? createOptimizer(createTfjsOps(), this.spec);
    const before = this.#bound?.state ?? optimizer.init({});
    const found: Variables = Object.fromEntries(names.map((name) => [name, registered(name)]));
    const added = Object.entries(found).filter(([name]) => !before.parameters.has(name));
    const fresh = optimizer.init(Object.fromEntries(added));
    const joined = { ...before, parameters: new Map([...before.parameters, ...fresh.parameters]) };
    const state = this.#learningRate === null ? joined : setLearningRate(this, joined, this.#learningRate);
    this.#learningRate = null;
    this.#bound = { optimizer, state, variables: { ...this.#bound?.variables, ...found } };
    return this.#bound;
  }

  /**
   * Takes a step.
   *
   * @param variableGradients - gradients by variable name, or an array of `{ name, tensor }`. A missing one (null
   *   or undefined) leaves its variable and state alone. Not disposed.
   * @throws VRAdamError `ERR_NON_FINITE`, `ERR_SHAPE_MISMATCH`, `ERR_PARAMETER_UNKNOWN`. Then nothing has changed.
   */
  override applyGradients(variableGradients: VariableGradients): void {
    const gradients = byName(variableGradients);
    const { optimizer, state, variables } = this.#bind(Object.keys(gradients));
    const { state: after, stats } = optimizer.update(variables, gradients, state);
    this.#bound = { optimizer, state: after, variables };
    this.#keepStats(stats);
    this.incrementIterations();
  }

  #keepStats(stats: readonly GroupStats<tf.Tensor>[]): void {
    for (const { effectiveLearningRate, norm } of this.#stats) {
      effectiveLearningRate.dispose();
      norm?.dispose();
    }
    this.#stats = stats;
  }

  /** Learning rate of the next step, before the brake, of the group `default`. */
  get learningRate(): number {
    const { learningRate } = (this.spec.groups.at(-1) as OptimizerSpec['groups'][number]).options;
    const state = this.#bound?.state;
    const live = this.#learningRate ?? state?.learningRates.at(-1);
    return live ?? (typeof learningRate === 'function' ? learningRate(state?.step ?? 0) : learningRate);
  }

  /** Sets the learning rate of all groups from the next step on; the state and its counters stay. */
  setLearningRate(learningRate: number): void {
    setLearningRate(this, { learningRates: [] } as never, learningRate); // checks the value
    this.#learningRate = learningRate;
  }

  /** Steps taken and steps skipped for a non-finite gradient. */
  get steps(): { readonly taken: number; readonly skipped: number } {
    const { step = 0, skippedSteps = 0 } = this.#bound?.state ?? {};
    return { taken: step, skipped: skippedSteps };
  }

  /** What the brake did in the last step, by group; empty before the first. Waits for the backend. */
  async stats(): Promise<StepStats[]> {
    const kept = this.#stats.map((group) => ({
      ...group,
      effectiveLearningRate: group.effectiveLearningRate.data(),
      norm: group.norm?.data() ?? null,
    }));
    return Promise.all(
      kept.map(async ({ effectiveLearningRate, norm, ...group }) => ({
        ...group,
        effectiveLearningRate: (await effectiveLearningRate)[0] as number,
        norm: norm && ((await norm)[0] as number),
      })),
    );
  }

  /** The whole state as plain data; encode it with `encodeState`. */
  async exportState(): Promise<StateDict> {
    const { optimizer, state } = this.#bind([]);
    return exportState(optimizer, state);
  }

  /**
   * Continues from a state dict. The variables it names must exist.
   *
   * @throws VRAdamError `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH`, `ERR_PARAMETER_UNKNOWN`. Then nothing has changed.
   */
  importState(dict: StateDict): void {
    const variables = Object.fromEntries(
      Object.keys(dict.parameterSteps).map((name) => [name, registered(name)]),
    );
    const optimizer = this.#bound?.optimizer ?? createOptimizer(createTfjsOps(), this.spec);
    const state = importState(optimizer, dict, variables);
    if (this.#bound) disposeState(optimizer, this.#bound.state);
    this.#bound = { optimizer, state, variables };
    this.#learningRate = null;
    this.iterations_ = state.step;
  }

  /** Releases the state. Variables stay. */
  override dispose(): void {
    this.#keepStats([]);
    if (this.#bound) disposeState(this.#bound.optimizer, this.#bound.state);
    this.#bound = null;
  }

  /**
   * Makes an optimizer of class `cls` from a {@link SpecOptimizer.getConfig}. tfjs calls this detached and with keys
   * of its own added: what is not an option is left out.
   */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    const picked = Object.keys(new cls().getConfig())
      .filter((key) => config[key] !== undefined)
      .map((key) => [key, config[key] ?? Number.POSITIVE_INFINITY]);
    return new cls(Object.fromEntries(picked));
  }

  /** Hyper-parameters of the group `default` as plain JSON; an infinite one is null, a schedule its current value. */
  override getConfig(): tf.serialization.ConfigDict {
    const { options } = this.spec.groups.at(-1) as OptimizerSpec['groups'][number];
    const plain = Object.entries({ ...options, learningRate: this.learningRate }).map(([key, value]) => [
      key,
      value === Number.POSITIVE_INFINITY ? null : value,
    ]);
    return Object.fromEntries(plain) as tf.serialization.ConfigDict;
  }
}
