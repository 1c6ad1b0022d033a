/**
 * The phases of a step.
 *
 * A step has two phases, because the norm is global. `accumulate` folds gradients into new moments and measures
 * this shard's norm for each group; norms of several shards are added; `apply` moves the parameters. Clipping and
 * the non-finite policy need one more fact about ALL gradients before any moment changes, so `measure` comes
 * first; it is free where nobody asks.
 */

import type { Entry, Kernel } from './algorithm.ts';
import type { TensorOps } from './ops.ts';
import type { OptimizerSpec } from './spec.ts';
import {
  finder,
  type Gradients,
  type NamedTensors,
  type OptimizerState,
  type ParameterState,
} from './state.ts';

/** A gradient with bad elements. */
export interface NonFiniteGradient {
  /** Name of the parameter. */
  readonly name: string;
  /** NaN and infinite elements. */
  readonly count: number;
}

/** What must be known of all gradients before the moments change. Measurements of shards add up. */
export interface Measurement<S> {
  /** Gradients with bad elements; empty under `'propagate'`. */
  readonly nonFinite: readonly NonFiniteGradient[];
  /** Sum of squares over all gradients, if a transform clips by it; owned by whoever called `measure`. */
  readonly squaredNorm: S | null;
}

/** A step between its phases. Consumed by `apply`. */
export interface Pending<T, S> {
  /** False if this call takes no step: a gradient is being accumulated, or was skipped. */
  readonly stepping: boolean;
  /** The next state. */
  readonly state: OptimizerState<T>;
  /** Parameters to move: a list for each group; no list at all if this call takes no step. */
  readonly entries: readonly (readonly Entry<T>[])[];
  /** This shard's norm for each group; null where the algorithm has none. Add those of all shards. */
  readonly norms: readonly (S | null)[];
  /** Base learning rate for each group. */
  readonly learningRates: readonly number[];
  /** Gradients made by transforms, released after `apply`. */
  readonly owned: readonly T[];
}

/** What the brake did to one group in one step. */
export interface GroupStats<S> {
  /** Name of the group. */
  readonly group: string;
  /** Base learning rate of the step. */
  readonly learningRate: number;
  /** Learning rate the parameters moved by. Owned by the caller: read it with `ops.readScalar`, then dispose it. */
  readonly effectiveLearningRate: S;
  /** Norm over the group, or null if the algorithm has none. Owned by the caller. */
  readonly norm: S | null;
}

/** Result of a step. */
export interface StepResult<T, S> {
  /** All parameters. Handles are the old ones where a backend's handles are stable. */
  readonly parameters: NamedTensors<T>;
  /** State after the step; the one before is consumed. */
  readonly state: OptimizerState<T>;
  /** One for each group; empty if no step was taken. */
  readonly stats: readonly GroupStats<S>[];
}

/**
 * The phases of a step; what a {@link Transform} wraps.
 *
 * @typeParam T - tensor handle.
 * @typeParam S - scalar handle.
 */
export interface Phases<T, S> {
  /** What it does. */
  readonly spec: OptimizerSpec;
  /** What it computes with. */
  readonly ops: TensorOps<T, S>;
  /** State before the first step. Parameters are only looked at. */
  init(parameters: NamedTensors<T>): OptimizerState<T>;
  /** Looks at all gradients of this shard. */
  measure(gradients: Gradients<T>): Measurement<S>;
  /** Phase one: new moments and this shard's norms. Consumes `state`. */
  accumulate(gradients: Gradients<T>, state: OptimizerState<T>, measurement: Measurement<S>): Pending<T, S>;
  /** Phase two: moves the parameters. Consumes `parameters` and `pending`. */
  apply(parameters: NamedTensors<T>, pending: Pending<T, S>, norms: readonly (S | null)[]): StepResult<T, S>;
}

/** Something around an algorithm. Made by `clipByGlobalNorm` and its siblings. */
export interface Transform {
  /** What it does, for adapters that have their own way of doing it. */
  readonly kind: string;
  /** Its options, resolved. */
  readonly options: Readonly<Record<string, unknown>>;
  /** State tensors it adds to a parameter. */
  readonly slots: readonly string[];
  /** The phases around `inner`. */
  wrap<T, S>(inner: Phases<T, S>): Phases<T, S>;
}

/** A parameter's record, to be written. */
type Own<T> = ParameterState<T> & { group: number; step: number; slots: Record<string, T> };

/** A pending result that takes no step. */
export function idle<T, S>(state: OptimizerState<T>): Pending<T, S> {
  return { stepping: false, state, entries: [], norms: [], learningRates: [], owned: [] };
}

/** The algorithm's own phases, without transforms and checks. */
export function algorithmPhases<T, S>(ops: TensorOps<T, S>, spec: OptimizerSpec): Phases<T, S> {
  const { algorithm, decays } = spec;
  const composed: Kernel<T, S> = {
    accumulate: (entry, options) => ops.tidy(() => algorithm.accumulate?.(ops, entry, options) ?? null),
    apply: (parameter, entry, rate, options) =>
      ops.tidy(() => ops.replace(parameter, algorithm.apply(ops, parameter, entry, rate, options))),
  };
  const groups = spec.groups.map((group) => ({
    ...group,
    kernel: ops.kernels?.(algorithm.name, group.options) ?? composed,
  }));
  type Bound = (typeof groups)[number];

  return {
    spec,
    ops,

    init(parameters) {
      const states = Object.entries(parameters).map(([name, parameter]): [string, ParameterState<T>] => [
        name,
        {
          shape: ops.shape(parameter),
          group: groups.findIndex(({ match }) => match(name)),
          step: 0,
          slots: {},
        },
      ]);
      return {
        step: 0,
        skippedSteps: 0,
        microStep: 0,
        learningRates: groups.map(() => null),
        parameters: new Map(states),
      };
    },

    measure: () => ({ nonFinite: [], squaredNorm: null }),

    accumulate(gradients, state) {
      const entries = groups.map((): Entry<T>[] => []);
      const find = finder(gradients);
      let copy: Map<string, ParameterState<T>> | undefined;
      // forEach, as an iterator makes objects: with many small tensors a step takes as long as its allocations
      state.parameters.forEach((own: Own<T>, name) => {
        const gradient = find(name);
        if (gradient == null) return;
        let { group, slots } = own;
        const { kernel, options } = groups[group] as Bound;
        if (!kernel.accumulateAll) {
          slots = { ...slots };
          own = { ...own, slots };
          copy ??= new Map(state.parameters);
          copy.set(name, own);
        }
        const step = ++own.step;
        const weightDecay = decays(name) ? options.weightDecay : 0;
        (entries[group] as Entry<T>[]).push({ name, group, gradient, slots, step, weightDecay });
      });
      const norms = entries.map((own, i) => {
        const { kernel, options } = groups[i] as Bound;
        // slot by slot: a backend can lay those of one kind in a row
        for (const slot of algorithm.slots(options))
          for (const { slots, gradient } of own) slots[slot] ??= ops.zerosLike(gradient);
        const terms =
          kernel.accumulateAll?.(own, options) ?? own.map((entry) => kernel.accumulate(entry, options));
        const norm = algorithm.effectiveLearningRate
          ? ops.tidy(() => (own.length > 0 ? ops.scalars.sum(terms as S[]) : ops.scalars.of(0, 'norm')))
          : null;
        for (const term of terms) if (term !== norm) ops.dispose(term as S);
        return norm;
      });
      const next = idle({ ...state, step: state.step + 1, ...(copy && { parameters: copy }) });
      return { ...next, entries, norms, stepping: true };
    },

    apply(parameters, { state, entries, norms: local, learningRates, owned }, norms) {
      const find = finder(parameters);
      let moved: Record<string, T> | undefined;
      const stats = entries.map((own, i): GroupStats<S> => {
        const { name: group, kernel, options } = groups[i] as Bound;
        const learningRate = learningRates[i] as number;
        const norm = norms[i] as S | null;
        const effectiveLearningRate = ops.tidy(() => {
          const rate = ops.scalars.of(learningRate, `learningRate/${group}`);
          return algorithm.effectiveLearningRate?.(ops, rate, norm as S, options) ?? rate;
        });
        const before = own.map(({ name }) => find(name) as T);
        const after =
          kernel.applyAll?.(before, own, effectiveLearningRate, options) ??
          own.map((entry, k) => kernel.apply(before[k] as T, entry, effectiveLearningRate, options));
        after.forEach((tensor, k) => {
          if (tensor === before[k]) return;
          moved ??= { ...parameters }; // only where handles are not stable
          moved[(own[k] as Entry<T>).name] = tensor;
        });
        return { group, learningRate, effectiveLearningRate, norm };
      });
      for (const made of norms === local ? owned : [...owned, ...local]) if (made !== null) ops.dispose(made);
      return { parameters: moved ?? parameters, state, stats };
    },
  };
}

/** Adds the measurements of several shards. The result is the caller's to release. */
export function combineMeasurements<S>(
  ops: TensorOps<unknown, S>,
  measurements: readonly Measurement<S>[],
): Measurement<S> {
  const [squaredNorm = null] = combineNorms(
    ops,
    measurements.map((measurement) => [measurement.squaredNorm]),
  );
  return { nonFinite: measurements.flatMap(({ nonFinite }) => nonFinite), squaredNorm };
}

/** Adds the norms of several shards, group by group. The result is the caller's to release. */
export function combineNorms<S>(
  ops: TensorOps<unknown, S>,
  shards: readonly (readonly (S | null)[])[],
): (S | null)[] {
  return (shards[0] ?? []).map((first, group) =>
    first === null ? null : ops.tidy(() => ops.scalars.sum(shards.map((norms) => norms[group] as S))),
  );
}
