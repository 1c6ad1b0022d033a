/** Discrete time: the steps of the core's own optimizers on x^2/2. */

import { createOptimizer, float64Ops, momentum, type OptimizerSpec, vrMomentum } from '@vradam/core';
import type { Brakes } from './flow.ts';
import type { Phase } from './rk4.ts';

/** A point of an optimizer's way, and how fast it got there. */
export interface Step extends Phase {
  /** Learning rate that the parameter moved by; null before the first step. */
  readonly effectiveLearningRate: number | null;
}

/**
 * Takes steps on x^2/2, whose gradient is x.
 *
 * @param spec - an optimizer with a velocity.
 * @param start - first x; the velocity is 0.
 * @param steps - how many; the result has one point more.
 */
export function descend(spec: OptimizerSpec, start: number, steps: number): Step[] {
  const optimizer = createOptimizer(float64Ops, spec);
  let parameters: Readonly<Record<string, Float64Array>> = { x: Float64Array.of(start) };
  let state = optimizer.init(parameters);
  const path: Step[] = [{ x: start, v: 0, effectiveLearningRate: null }];
  for (let i = 0; i < steps; i++) {
    const result = optimizer.update(parameters, { x: parameters['x']!.slice() }, state);
    parameters = result.parameters;
    state = result.state;
    const velocity = state.parameters.get('x')!.slots['velocity']![0]!;
    const { effectiveLearningRate } = result.stats[0]!;
    path.push({ x: parameters['x']![0]!, v: -velocity, effectiveLearningRate });
  }
  return path;
}

/** VRMomentum of these numbers. */
export function braked({ learningRate, beta1, beta3, lrCutoff }: Brakes): OptimizerSpec {
  return vrMomentum({ learningRate, beta1, beta3, lrCutoff });
}

/** Momentum: the same without the brake. */
export function unbraked({ learningRate, beta1 }: Brakes): OptimizerSpec {
  return momentum({ learningRate, beta1 });
}
