/** What a step did, as the device tells it. */

import type { OptimizerSpec } from '@vradam/core';

/** What one group's step did. */
export interface GroupReport {
  /** Name of the group. */
  readonly group: string;
  /** Base learning rate. */
  readonly learningRate: number;
  /** Learning rate the parameters moved by. */
  readonly effectiveLearningRate: number;
  /** The norm N of Algorithm 1, `sum |x|^power` over the group, or null if the algorithm has none. */
  readonly norm: number | null;
  /** `N^(1/power)`: the length of the velocity, or of the gradient with `normGrad`; null without a norm. */
  readonly velocityNorm: number | null;
  /** Whether `lrCutoff` held the brake. */
  readonly cutoffHit: boolean;
}

/** What an optimizer did: counters, and the last step taken. */
export interface StepStats {
  /** Steps taken. */
  readonly step: number;
  /** Steps skipped for a non-finite gradient. */
  readonly skippedSteps: number;
  /** All groups, `default` the last; empty before the first step. */
  readonly groups: readonly GroupReport[];
}

type BrakeOptions = { readonly beta3?: number; readonly lrCutoff?: number; readonly power?: number };

/**
 * One group's report.
 *
 * @param words - base rate, effective rate, norm.
 */
export function reportGroup(
  { algorithm, groups }: OptimizerSpec,
  g: number,
  words: ArrayLike<number>,
): GroupReport {
  const { name = '', options = {} } = groups[g] ?? {};
  const { beta3 = 0, lrCutoff = 0, power = 2 } = options as BrakeOptions;
  const [learningRate, effectiveLearningRate, sum] = Array.from(words) as [number, number, number];
  const norm = algorithm.effectiveLearningRate ? sum : null;
  return {
    group: name,
    learningRate,
    effectiveLearningRate,
    norm,
    velocityNorm: norm === null ? null : norm ** (1 / power),
    cutoffHit: norm !== null && beta3 > 0 && beta3 * norm >= lrCutoff,
  };
}
