/** What a step did, kept as handles and read when somebody asks. */

import type * as tf from '@tensorflow/tfjs-core';
import { float32Ops, type GroupStats, type OptimizerSpec } from '@vradam/core';
import { release } from './journal.ts';
import type { TfjsScalar } from './ops.ts';

/** What one group's step did. */
export interface GroupReport {
  /** Name of the group. */
  readonly group: string;
  /** Base learning rate. */
  readonly learningRate: number;
  /** Learning rate the variables moved by. */
  readonly effectiveLearningRate: number;
  /** The norm N of Algorithm 1, `sum |x|^power` over the group, or null if the algorithm has none. */
  readonly norm: number | null;
  /** `N^(1/power)`: the length of the velocity, or of the gradient with `normGrad`; null without a norm. */
  readonly velocityNorm: number | null;
  /** Whether `lrCutoff` held the brake. */
  readonly cutoffHit: boolean;
}

/** What an optimizer did: counters, and the last step. */
export interface StepStats {
  /** Steps taken. */
  readonly step: number;
  /** Steps skipped for a non-finite gradient. */
  readonly skippedSteps: number;
  /** Of the group `default`; null if the last call took no step. */
  readonly effectiveLearningRate: number | null;
  /** Of the group `default`; null also if the algorithm has no norm. */
  readonly velocityNorm: number | null;
  /** Of the group `default`. */
  readonly cutoffHit: boolean;
  /** All groups, `default` the last; empty if the last call took no step. */
  readonly groups: readonly GroupReport[];
}

/** A group's step as it is kept: one scalar, or none. */
export interface KeptStats {
  readonly group: string;
  readonly learningRate: number;
  readonly norm: TfjsScalar | null;
}

/** Keeps the norms, and lets go of the learning rates: they follow from the norms. */
export function keepStats(stats: readonly GroupStats<TfjsScalar>[]): KeptStats[] {
  return stats.map(({ group, learningRate, effectiveLearningRate, norm }) => {
    if (typeof effectiveLearningRate !== 'number') release(effectiveLearningRate);
    return { group, learningRate, norm };
  });
}

/** Releases what was kept. */
export function releaseStats(kept: readonly KeptStats[]): void {
  for (const { norm } of kept) if (norm !== null && typeof norm !== 'number') norm.dispose();
}

type BrakeOptions = { readonly beta3?: number; readonly lrCutoff?: number; readonly power?: number };

function report({ algorithm, groups }: OptimizerSpec, kept: KeptStats, norm: number | null): GroupReport {
  const { group, learningRate } = kept;
  const options = groups.find(({ name }) => name === group)?.options ?? {};
  const { beta3 = 0, lrCutoff = 0, power = 2 } = options as BrakeOptions;
  const rule = norm === null ? undefined : algorithm.effectiveLearningRate;
  return {
    group,
    learningRate,
    effectiveLearningRate: rule?.(float32Ops, learningRate, norm as number, options) ?? learningRate,
    norm,
    velocityNorm: norm === null ? null : norm ** (1 / power),
    cutoffHit: norm !== null && beta3 > 0 && beta3 * norm >= lrCutoff,
  };
}

const read = async (scalar: TfjsScalar | null): Promise<number | null> =>
  scalar === null || typeof scalar === 'number'
    ? scalar
    : ((await (scalar as tf.Tensor).data())[0] as number);

/** Reads what was kept. All reads start at once, so that the next step may release it. */
export async function readStats(spec: OptimizerSpec, kept: readonly KeptStats[]): Promise<GroupReport[]> {
  const norms = await Promise.all(kept.map(({ norm }) => read(norm)));
  return kept.map((one, i) => report(spec, one, norms[i] as number | null));
}
