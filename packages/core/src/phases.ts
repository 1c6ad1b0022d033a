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
import type { Group, OptimizerSpec } from './spec.ts';
import {
  type Gradients,
  type NamedTensors,
  type OptimizerState,
  type ParameterState,
  present,
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
  /** Parameters to move. */
  readonly entries: readonly Entry<T>[];
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
  type BoundGroup = (typeof groups)[number];

  const enter = (
    name: string,
    gradient: T,
    state: ParameterState<T>,
    options: Group['options'],
  ): Entry<T> => {
    const slots: Record<string, T> = { ...state.slots };
    for (const slot of algorithm.slots(options)) slots[slot] ??= ops.zerosLike(gradient);
    const weightDecay = decays(name) ? options.weightDecay : 0;
    return { name, group: state.group, gradient, slots, step: state.step + 1, weightDecay };
  };

  const total = (terms: readonly S[]): S => {
    const sum = ops.tidy(() => (terms.length > 0 ? ops.scalars.sum(terms) : ops.scalars.of(0, 'norm')));
    for (const term of terms) if (term !== sum) ops.dispose(term);
    return sum;
  };

  const rateOf = ({ name, options }: Group, learningRate: number, norm: S | null): GroupStats<S> => {
    const effectiveLearningRate = ops.tidy(() => {
      const rate = ops.scalars.of(learningRate, `learningRate/${name}`);
      return algorithm.effectiveLearningRate?.(ops, rate, norm as S, options) ?? rate;
    });
    return { group: name, learningRate, effectiveLearningRate, norm };
  };

  return {
    spec,
    ops,

    init(parameters) {
      const states = Object.entries(parameters).map(([name, parameter]): [string, ParameterState<T>] => {
        const group = groups.findIndex(({ match }) => match(name));
        return [name, { shape: ops.shape(parameter), group, step: 0, slots: {} }];
      });
      const learningRates = groups.map(() => null);
      return { step: 0, skippedSteps: 0, microStep: 0, learningRates, parameters: new Map(states) };
    },

    measure: () => ({ nonFinite: [], squaredNorm: null }),

    accumulate(gradients, state) {
      const norms: S[][] = groups.map(() => []);
      const parameters = new Map(state.parameters);
      const entries = present(gradients).map(([name, gradient]) => {
        const before = state.parameters.get(name) as ParameterState<T>;
        const { kernel, options } = groups[before.group] as BoundGroup;
        const entry = enter(name, gradient, before, options);
        const { group, step, slots } = entry;
        const norm = kernel.accumulate(entry, options);
        if (norm !== null) norms[group]?.push(norm);
        parameters.set(name, { shape: before.shape, group, step, slots });
        return entry;
      });
      return {
        stepping: true,
        state: { ...state, step: state.step + 1, parameters },
        entries,
        norms: norms.map((terms) => (algorithm.effectiveLearningRate ? total(terms) : null)),
        learningRates: [], // filled in by createOptimizer
        owned: [],
      };
    },

    apply(parameters, { stepping, state, entries, norms: own, learningRates, owned }, norms) {
      for (const gradient of stepping ? [] : owned) ops.dispose(gradient);
      if (!stepping) return { parameters, state, stats: [] };
      const stats = groups.map((group, i) => rateOf(group, learningRates[i] as number, norms[i] as S | null));
      let moved: Record<string, T> | undefined;
      for (const entry of entries) {
        const { effectiveLearningRate } = stats[entry.group] as GroupStats<S>;
        const { kernel, options } = groups[entry.group] as BoundGroup;
        const before = parameters[entry.name] as T;
        const after = kernel.apply(before, entry, effectiveLearningRate, options);
        if (after === before) continue;
        moved ??= { ...parameters }; // only where handles are not stable
        moved[entry.name] = after;
      }
      for (const gradient of owned) ops.dispose(gradient);
      if (norms !== own) for (const norm of own) if (norm !== null) ops.dispose(norm);
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
