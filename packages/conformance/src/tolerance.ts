/** How far a backend may be from the float64 reference, and what float32 cannot hold at all. */

import type { DType } from '@vradam/core';
import type { Trajectory } from './golden/trajectory.ts';

/** Limits of the deviation, relative to the largest element of a tensor (or to the scalar). */
export interface Tolerance {
  /** Parameters. */
  readonly parameters: number;
  /** State tensors. */
  readonly state: number;
  /** Effective learning rate. */
  readonly effectiveLearningRate: number;
  /** Norm of a group. */
  readonly norm: number;
}

/** A quantity that the suite compares. */
export type Quantity = keyof Tolerance;

const same = (limit: number): Tolerance => ({
  parameters: limit,
  state: limit,
  effectiveLearningRate: limit,
  norm: limit,
});

/**
 * Default limits. In float64 1e-11 for all; 1e-12 holds for everything seen. In float32 a few times what NumPy
 * float32 shows over the golden files: parameters 4.3e-6, velocity 2e-5, effective learning rate 7.5e-7, norm 5.7e-6.
 */
export const defaultTolerance: Readonly<Record<DType, Tolerance>> = {
  float64: same(1e-11),
  float32: { parameters: 1e-5, state: 5e-5, effectiveLearningRate: 3e-6, norm: 3e-5 },
};

/** Why a trajectory is not, or only in part, compared in float32. */
export interface Excuse {
  /** What is not compared. */
  readonly quantities: readonly Quantity[];
  /** Why. */
  readonly reason: string;
}

const float32Max = 3.4028234663852886e38;
const float32MinNormal = 1.1754943508222875e-38;
/** Share of a square that enters the second moment, 1 - beta2 by default. */
const typicalGain = 1e-3;

/** The largest magnitude of every tensor that is not all zeros. */
const peaks = (tensors: readonly (readonly number[] | null)[]): number[] =>
  tensors
    .map((data) => (data ?? []).reduce((a, b) => Math.max(a, Math.abs(b)), 0))
    .filter((peak) => peak > 0);

/** Expected values that are finite in float64 and not in float32. */
const overflows = (values: readonly number[]) => values.some((x) => Number.isFinite(x) && x > float32Max);

/**
 * What float32 cannot hold of a trajectory, decided by its numbers and not by its name.
 *
 * - Numbers beyond 3.4e38, or whose squares are: the second moment overflows where float64's does not.
 * - Squares of a whole tensor below 1.2e-38 are subnormal: second moment and norm keep only a few digits, or none.
 */
export function excusesFor(trajectory: Trajectory, dtype: DType): readonly Excuse[] {
  if (dtype === 'float64') return [];
  const gradients = peaks(trajectory.steps.flatMap(({ grads }) => grads.flat()));
  const parameters = peaks(trajectory.groups.flatMap(({ params }) => params.map(({ data }) => data)));
  const [largest, smallest] = [Math.max(0, ...gradients), Math.min(...gradients)];
  const all: Quantity[] = ['parameters', 'state', 'effectiveLearningRate', 'norm'];
  if (largest ** 2 > float32Max || Math.max(0, ...parameters) > float32Max) {
    return [
      { quantities: all, reason: `squares of numbers up to ${largest.toExponential(0)} overflow float32` },
    ];
  }
  const excuses: Excuse[] = [];
  if (typicalGain * smallest ** 2 < float32MinNormal) {
    const reason = `squares of gradients down to ${smallest.toExponential(0)} are subnormal in float32`;
    excuses.push({ quantities: ['state', 'norm'], reason });
  }
  if (trajectory.steps.some(({ expected }) => overflows(expected.norm ?? []))) {
    excuses.push({ quantities: ['norm'], reason: 'a norm overflows float32' });
  }
  return excuses;
}
