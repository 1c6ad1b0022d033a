/** What an optimization algorithm is: three pure rules and the names of its state tensors. */

import type { TensorOps } from './ops.ts';
import type { Schedule } from './schedules.ts';

/** Options that every algorithm has. */
export interface CommonOptions {
  /** Base learning rate, or a {@link Schedule} of it. Range [0, Infinity). */
  readonly learningRate?: number | Schedule;
  /** Weight decay coefficient (lambda); how it enters is said by each algorithm. Range [0, Infinity). */
  readonly weightDecay?: number;
}

/**
 * One parameter's share in a step.
 *
 * @typeParam T - tensor handle.
 * @typeParam K - names of the algorithm's slots.
 */
export interface Entry<T, K extends string = string> {
  /** Name of the parameter. */
  readonly name: string;
  /** Index of its group in the spec. */
  readonly group: number;
  /** Its gradient. Borrowed: never changed or disposed by a rule. */
  readonly gradient: T;
  /** State tensors, zero before the first gradient. Rules put the new ones here, by `ops.replace`. */
  readonly slots: Record<K, T>;
  /** How many gradients this parameter has received, this one included: 1 in its first step. */
  readonly step: number;
  /** Weight decay after the decay mask: the option's value, or 0. */
  readonly weightDecay: number;
}

/**
 * An algorithm over any backend.
 *
 * @typeParam O - its options, resolved.
 * @typeParam K - names of its slots.
 */
export interface Algorithm<O = object, K extends string = string> {
  /** Its name, as in state dicts and {@link Kernels}. */
  readonly name: string;
  /** Names of the state tensors that it keeps for each parameter under these options. */
  slots(options: O): readonly K[];
  /**
   * Folds a gradient into the slots, before any parameter moves. Absent if `apply` does it all.
   *
   * @returns this tensor's contribution to the group's norm; null if there is no `effectiveLearningRate`.
   */
  accumulate?<T, S>(ops: TensorOps<T, S>, entry: Entry<T, K>, options: O): S | null;
  /**
   * The learning rate that a group's parameters move by. Absent if it is just the base rate; then there is no norm.
   *
   * @param learningRate - base rate of the step.
   * @param norm - the group's norm over all its tensors (and shards).
   */
  effectiveLearningRate?<T, S>(ops: TensorOps<T, S>, learningRate: S, norm: S, options: O): S;
  /**
   * Moves one parameter.
   *
   * @returns the new value, as a temporary: the caller gives it to `ops.replace`.
   */
  apply<T, S>(ops: TensorOps<T, S>, parameter: T, entry: Entry<T, K>, learningRate: S, options: O): T;
}

/**
 * Fused forms of an algorithm's rules, in place: `accumulate` overwrites the slots, `apply` the parameter, and
 * both give what the composed rule gives.
 *
 * @typeParam T - tensor handle.
 * @typeParam S - scalar handle.
 */
export interface Kernel<T, S> {
  /** In place of {@link Algorithm.accumulate}; null if the algorithm has no norm. */
  accumulate(entry: Entry<T>, options: object): S | null;
  /** In place of {@link Algorithm.apply} and the `replace` after it; gives the parameter's handle. */
  apply(parameter: T, entry: Entry<T>, learningRate: S, options: object): T;
  /**
   * Optional, for backends to which a call costs something: `accumulate` for all tensors of a group at once. With it a
   * step writes over the state that it consumes, and so `slots` can be known again from step to step: its tensors are
   * overwritten, and never exchanged for others.
   *
   * @returns terms that add up to the group's norm, or an empty array if the algorithm has none.
   */
  accumulateAll?(entries: readonly Entry<T>[], options: object): readonly S[];
  /** Optional: `apply` for all of them; gives the parameters' handles in the same order. */
  applyAll?(
    parameters: readonly T[],
    entries: readonly Entry<T>[],
    learningRate: S,
    options: object,
  ): readonly T[];
}

/**
 * Fused kernels of a backend.
 *
 * @param algorithm - name of the algorithm.
 * @param options - a group's resolved options.
 * @returns the kernel for just this case, or undefined: then the rules are composed of the backend's operations.
 */
export type Kernels<T, S> = (algorithm: string, options: object) => Kernel<T, S> | undefined;
