/**
 * `tf.Optimizer` over the core: state by variable name, for `minimize`, `applyGradients` and `model.compile`.
 *
 * Over 300 lines: all of `tf.Optimizer`'s contract on one private state. What needs no state is in files of its own.
 */

import * as tf from '@tensorflow/tfjs-core';
import {
  checkOptions,
  createOptimizer,
  type Gradients,
  type Optimizer,
  type OptimizerSpec,
  type OptimizerState,
  type ParameterState,
  type Schedule,
} from '@vradam/core';
import { keepsAverage, swapIn } from './averages.ts';
import { fail } from './errors.ts';
import type { Fusion } from './fusions.ts';
import { byName, type VariableGradients, type Variables, variablesOf } from './gradients.ts';
import { atomically } from './journal.ts';
import { claim, type Loaded } from './loaded.ts';
import { chooseOps, type PathOptions, type StepPath, type TfjsScalar } from './ops.ts';
import { type KeptStats, keepStats, readStats, releaseStats, type StepStats } from './stats.ts';
import { countersName, fromWeights, type NamedWeight, toWeights } from './weights.ts';

type State = OptimizerState<tf.Tensor>;

/** The core optimizer on one backend. */
interface Engine {
  readonly backend: string;
  readonly path: StepPath;
  readonly optimizer: Optimizer<tf.Tensor, TfjsScalar>;
}

/** All that a step changes; a failed step leaves the old one in place. */
interface Progress {
  readonly state: State;
  readonly variables: Variables;
  /** Loaded, and not yet claimed by a variable. */
  readonly waiting: Loaded;
}

const begin = ({ groups }: OptimizerSpec): Progress => ({
  state: {
    step: 0,
    skippedSteps: 0,
    microStep: 0,
    learningRates: groups.map(() => null),
    parameters: new Map(),
  },
  variables: {},
  waiting: new Map(),
});

const rateAt = <R extends number | null>(rate: R | Schedule, step: number): R | number =>
  typeof rate === 'function' ? rate(step) : rate;

function disposeSlots(parameters: Iterable<ParameterState<tf.Tensor>>): void {
  for (const { slots } of parameters) for (const tensor of Object.values(slots)) tensor.dispose();
}

/** Those of the variables whose names are wanted. */
const only = (variables: Variables, wanted: (name: string) => boolean): Variables =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => wanted(name)));

/**
 * An optimizer of the core as a `tf.Optimizer`: what its classes have in common.
 *
 * State is kept by variable NAME: variables may come in another order, in part, or later. Construction touches no
 * backend, so it may come before `tf.ready()`. Not owned by a model: dispose it yourself.
 */
export abstract class TfjsOptimizer extends tf.Optimizer {
  /** What it does. */
  readonly spec: OptimizerSpec;
  readonly #fusion: Fusion;
  readonly #pathOptions: PathOptions;
  readonly #rates = new Map<string, number | Schedule>();
  #engine: Engine | null = null;
  #progress: Progress;
  #stats: readonly KeptStats[] = [];
  /** Puts the weights back, as long as the averages are in their place. */
  #swapOut: (() => void) | null = null;
  #madeWeights: tf.Tensor[] = [];

  /**
   * @param spec - from `vradam()`, `adamw()`, ..., perhaps wrapped by transforms.
   * @param fusion - what is fused on wasm.
   * @param options - which path a step may take.
   */
  constructor(spec: OptimizerSpec, fusion: Fusion, options: PathOptions) {
    super();
    const { fused = 'auto' } = options;
    checkOptions('path', { fused }, { fused: '"auto"|false' });
    this.spec = spec;
    this.#fusion = fusion;
    this.#pathOptions = options;
    this.#progress = begin(spec);
  }

  /** The core optimizer on the current backend; the state follows when that has changed. */
  #onBackend(): Engine {
    const backend = tf.getBackend();
    if (this.#engine?.backend !== backend) {
      const { path, ops } = chooseOps(this.#pathOptions, this.#fusion);
      this.#engine = { backend, path, optimizer: createOptimizer(ops, this.spec) };
    }
    return this.#engine as Engine;
  }

  /** Which code runs a step on the current backend. Call it when that is ready. */
  get path(): StepPath {
    return this.#onBackend().path;
  }

  /** What is there before a step: the state with variables that are new to it, and rates of this step. */
  #join(optimizer: Engine['optimizer'], found: Variables, given: Gradients<tf.Tensor>): Progress {
    const { state, variables, waiting: loaded } = this.#progress;
    const fresh = only(found, (name) => !state.parameters.has(name));
    const { claimed, waiting } = claim(loaded, fresh, given, state.parameters.size === 0, this.spec);
    const begun = only(fresh, (name) => !claimed.has(name));
    const parameters = new Map([...state.parameters, ...claimed, ...optimizer.init(begun).parameters]);
    return {
      state: { ...state, parameters, learningRates: this.#liveRates(state.step) },
      variables: { ...variables, ...found },
      waiting,
    };
  }

  #liveRates(step: number): (number | null)[] {
    return this.spec.groups.map(({ name }) => rateAt(this.#rates.get(name) ?? null, step));
  }

  /**
   * Takes a step.
   *
   * @param variableGradients - gradients by variable name, or an array of `{ name, tensor }`. A missing one (null
   *   or undefined) leaves its variable and state alone. Not disposed.
   * @throws VRAdamError `ERR_NON_FINITE`, `ERR_SHAPE_MISMATCH`, `ERR_PARAMETER_UNKNOWN`, `ERR_STATE_MISMATCH`,
   *   `ERR_UNSUPPORTED`, `ERR_OPTION_RANGE` from a schedule. Then nothing has changed.
   */
  override applyGradients(variableGradients: VariableGradients): void {
    if (this.#swapOut) {
      fail('ERR_UNSUPPORTED', 'the averages are in the variables. Call swapOutAverage().');
    }
    const gradients = byName(variableGradients);
    const { parameters } = this.#progress.state;
    const found = variablesOf(gradients, (name) => parameters.get(name)?.shape);
    if (keepsAverage(this.spec)) this.#checkAlive(found);
    const { optimizer } = this.#onBackend();
    const { progress, stats } = atomically(() => {
      const joined = this.#join(optimizer, found, gradients);
      const { state, stats } = optimizer.update(joined.variables, gradients, joined.state);
      return { progress: { ...joined, state }, stats: keepStats(stats) };
    });
    this.#progress = progress;
    releaseStats(this.#stats);
    this.#stats = stats;
    this.incrementIterations();
  }

  /** The average of a variable goes on in steps without it, so that it must be there. */
  #checkAlive(found: Variables): void {
    for (const [name, variable] of Object.entries(this.#progress.variables)) {
      if (!variable.isDisposed || Object.hasOwn(found, name)) continue;
      fail(
        'ERR_PARAMETER_UNKNOWN',
        `variable '${name}' was disposed, and its average goes on. Call optimizer.forget('${name}').`,
      );
    }
  }

  /**
   * Drops the state of variables, e.g. of those you have disposed.
   *
   * @throws VRAdamError `ERR_PARAMETER_UNKNOWN` for a name that has no state.
   */
  forget(...names: string[]): void {
    const { state, variables, waiting } = this.#progress;
    const gone = [...new Set(names)].map(
      (name) =>
        state.parameters.get(name) ?? fail('ERR_PARAMETER_UNKNOWN', `there is no state of '${name}'.`),
    );
    disposeSlots(gone);
    const kept = new Map([...state.parameters].filter(([name]) => !names.includes(name)));
    this.#progress = {
      state: { ...state, parameters: kept },
      variables: only(variables, (name) => kept.has(name)),
      waiting,
    };
  }

  /** Learning rate of the next step, before the brake, of the group `default`. */
  get learningRate(): number {
    return this.learningRateOf('default');
  }

  /**
   * Learning rate of the next step, before the brake.
   *
   * @param group - name of a group.
   * @throws VRAdamError `ERR_PARAMETER_UNKNOWN` for a group that is not there.
   */
  learningRateOf(group: string): number {
    const found = this.spec.groups.find(({ name }) => name === group);
    if (!found) fail('ERR_PARAMETER_UNKNOWN', `there is no group '${group}'.`);
    return rateAt(this.#rates.get(group) ?? found.options.learningRate, this.#progress.state.step);
  }

  /**
   * Sets the learning rate from the next step on; the state and its counters stay.
   *
   * @param learningRate - a number, a schedule of steps, or null for what the optimizer was made with.
   * @param group - name of one group; default all.
   * @throws VRAdamError `ERR_OPTION_RANGE`, `ERR_OPTION_TYPE`, `ERR_PARAMETER_UNKNOWN` for a group that is not there.
   */
  setLearningRate(learningRate: number | Schedule | null, group?: string): void {
    const { state } = this.#progress;
    if (group !== undefined) this.learningRateOf(group); // refuses one that is not there
    const now = { learningRate: rateAt(learningRate, state.step) ?? 0 };
    checkOptions('setLearningRate', now, { learningRate: 'rate' });
    for (const { name } of this.spec.groups) {
      if (name !== (group ?? name)) continue;
      if (learningRate === null) this.#rates.delete(name);
      else this.#rates.set(name, learningRate);
    }
  }

  /** Steps taken and steps skipped for a non-finite gradient. */
  get steps(): { readonly taken: number; readonly skipped: number } {
    const { step, skippedSteps } = this.#progress.state;
    return { taken: step, skipped: skippedSteps };
  }

  /** What the last step did: learning rates, norms, whether the cutoff held the brake. Waits for the backend. */
  async stats(): Promise<StepStats> {
    const { step, skippedSteps } = this.#progress.state;
    const groups = await readStats(this.spec, this.#stats);
    const { effectiveLearningRate = null, velocityNorm = null, cutoffHit = false } = groups.at(-1) ?? {};
    return { step, skippedSteps, effectiveLearningRate, velocityNorm, cutoffHit, groups };
  }

  /**
   * Puts the averaged weights (see `averageWeights`) into the variables, until {@link TfjsOptimizer.swapOutAverage}. No
   * step can be taken in between.
   *
   * @throws VRAdamError `ERR_STATE_MISMATCH` if this optimizer keeps no average; `ERR_UNSUPPORTED` if they are in.
   */
  swapInAverage(): void {
    if (this.#swapOut) fail('ERR_UNSUPPORTED', 'the averages are in the variables.');
    this.#swapOut = swapIn(this.#progress.state, this.#progress.variables);
  }

  /** Puts the weights back that {@link TfjsOptimizer.swapInAverage} took out; does nothing if they are there. */
  swapOutAverage(): void {
    this.#swapOut?.();
    this.#swapOut = null;
  }

  /** Runs `evaluate` with the averaged weights in the variables, and puts the weights back whatever happens. */
  async withAverage<R>(evaluate: () => R | Promise<R>): Promise<R> {
    this.swapInAverage();
    try {
      return await evaluate();
    } finally {
      this.swapOutAverage();
    }
  }

  /** The whole state as of now, also what was loaded and waits for its variables. Its tensors stay this optimizer's. */
  get state(): OptimizerState<tf.Tensor> {
    const { state, waiting } = this.#progress;
    const parameters = new Map([...waiting, ...state.parameters]);
    return { ...state, parameters, learningRates: this.#liveRates(state.step) };
  }

  /**
   * Continues from a state. It is given to the variables of the next steps: by name or, if no name fits, by position.
   *
   * @param state - another optimizer's, or of `importState`. Its tensors become this optimizer's.
   */
  continueFrom(state: OptimizerState<tf.Tensor>): void {
    this.#load(state, state.step + state.skippedSteps);
    this.#rates.clear();
    for (const [i, { name }] of this.spec.groups.entries()) {
      const rate = state.learningRates[i] ?? null;
      if (rate !== null) this.#rates.set(name, rate);
    }
  }

  #load({ parameters: waiting, ...state }: State, iterations: number): void {
    this.#reset({ state: { ...state, parameters: new Map() }, variables: {}, waiting });
    this.iterations_ = iterations;
  }

  #reset(progress: Progress): void {
    this.swapOutAverage();
    releaseStats(this.#stats);
    this.#stats = [];
    for (const tensor of this.#madeWeights) tensor.dispose();
    this.#madeWeights = [];
    const { state, waiting } = this.#progress;
    disposeSlots([...waiting.values(), ...state.parameters.values()]);
    this.#progress = progress;
  }

  /** Releases the state. Variables stay, and a new step begins anew. */
  override dispose(): void {
    this.#reset(begin(this.spec));
    this.iterations_ = 0;
  }

  /** A weight that no slot holds; it lives until the next `getWeights`, `setWeights` or `dispose`. */
  #makeWeight(name: string, make: () => tf.Tensor): NamedWeight {
    const tensor = tf.keep(tf.tidy(make));
    this.#madeWeights.push(tensor);
    return { name, tensor };
  }

  /**
   * The state as named tensors, as `model.save({ includeOptimizer: true })` wants it: `iter`, then each slot of all
   * variables under tfjs's names (`m`, `v`, ...), then `counters` where they say more than `iter`.
   *
   * @returns tensors that stay this optimizer's: read or clone them before the next step. Disposing them is harmless
   *   only for `iter` and `counters`.
   */
  override async getWeights(): Promise<NamedWeight[]> {
    await tf.ready();
    for (const tensor of this.#madeWeights.splice(0)) tensor.dispose();
    const { weights, counters } = toWeights(this.spec, this.state, this.iterations);
    return [
      this.#makeWeight('iter', () => tf.scalar(this.iterations, 'int32')),
      ...weights,
      ...(counters ? [this.#makeWeight(countersName, () => tf.tensor1d(counters, 'int32'))] : []),
    ];
  }

  /**
   * Continues from named tensors as {@link TfjsOptimizer.getWeights} or an optimizer of tfjs gave them; as with
   * {@link TfjsOptimizer.continueFrom}, the variables of the next step take them.
   *
   * @param weights - copied; they stay the caller's.
   * @throws VRAdamError `ERR_STATE_MISMATCH`. Then nothing has changed.
   */
  override async setWeights(weights: NamedWeight[]): Promise<void> {
    await tf.ready();
    const { state, iterations } = await fromWeights(this.spec, weights);
    this.#load(state, iterations);
  }
}
