/** Continuous time: the paper's flow, and what the steps of an optimizer become as they get small. */

import { type Field, follow, type Phase } from './rk4.ts';

/**
 * The flow of the paper's Lagrangian `v^2/2 + v^4/4 - x^2/2` (arXiv 2505.13196, Figure 1): the mass of a particle
 * grows with its speed, so that it turns late and never runs away. Without friction.
 */
export const paperFlow: Field = ({ x, v }) => ({ x: v, v: -x / (1 + 3 * v * v) });

/** What {@link paperFlow} conserves: `v dL/dv - L = v^2/2 + 3 v^4/4 + x^2/2`. */
export function energy({ x, v }: Phase): number {
  return v ** 2 / 2 + (3 * v ** 4) / 4 + x ** 2 / 2;
}

/** The numbers of both optimizers; their names are the core's. */
export interface Brakes {
  /** Learning rate: the most that a step may be. */
  readonly learningRate: number;
  /** Decay rate of the velocity. */
  readonly beta1: number;
  /** Strength of the brake; 0 is Momentum. */
  readonly beta3: number;
  /** The most that the brake may add. */
  readonly lrCutoff: number;
}

/**
 * What VRMomentum on x^2/2 becomes if steps get small: with learning rate `learningRate h` and decay `1 - (1 - beta1) h`
 * a step is a step of length h along this field. It has friction, which the paper's flow has not.
 */
export function optimizerFlow({ learningRate, beta1, beta3, lrCutoff }: Brakes): Field {
  return ({ x, v }) => ({
    x: (learningRate * v) / (1 + Math.min(beta3 * v * v, lrCutoff)),
    v: -(1 - beta1) * (x + v),
  });
}

/**
 * Once around the origin along {@link paperFlow}, from `x` at rest. The last point is the first again.
 *
 * @param x - where to begin; not 0.
 * @param time - of a step.
 */
export function orbit(x: number, time = 0.01): Phase[] {
  const quarter = [{ x, v: 0 }];
  while (Math.sign(quarter.at(-1)!.x) === Math.sign(x)) {
    quarter.push(follow(paperFlow, quarter.at(-1)!, time, 1)[1]!);
  }
  // the flow is the same forwards, backwards and mirrored, so a quarter has it all
  quarter.splice(-1, 1, { x: 0, v: -Math.sign(x) * speedOf(energy({ x, v: 0 })) });
  const half = [
    ...quarter,
    ...quarter
      .slice(0, -1)
      .reverse()
      .map(({ x, v }) => ({ x: -x, v })),
  ];
  return [...half, ...half.slice(1).map(({ x, v }) => ({ x: -x, v: -v }))];
}

/** Speed at the origin with this much energy: the positive root of `3 v^4/4 + v^2/2 = energy`. */
function speedOf(energy: number): number {
  return Math.sqrt((Math.sqrt(1 + 12 * energy) - 1) / 3);
}
