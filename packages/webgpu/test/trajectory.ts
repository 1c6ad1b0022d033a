/** Golden trajectories through an optimizer on a device, held against the suite's own limits. */

import {
  defaultTolerance,
  excusesFor,
  parameterName,
  type Quantity,
  type Trajectory,
} from '@vradam/conformance';
import { createOptimizer, exportState, type StateDict, type StepStats } from '../src/index.ts';
import { writeAll } from './values.ts';

/** Largest difference, relative to the largest number that the tensor has had so far. */
class Worst {
  readonly #scales = new Map<string, number>();
  readonly of: Record<Quantity, number> = { parameters: 0, state: 0, effectiveLearningRate: 0, norm: 0 };

  add(quantity: Quantity, key: string, actual: ArrayLike<number>, expected: readonly number[]): void {
    const finite = expected.filter(Number.isFinite).map(Math.abs);
    const scale = finite.reduce((a, b) => Math.max(a, b), this.#scales.get(key) ?? 0);
    this.#scales.set(key, scale);
    for (const [i, value] of expected.entries()) {
      const received = actual[i] as number;
      if (Object.is(received, value) || received === value) continue;
      const difference = Math.abs(received - value) / scale;
      this.of[quantity] = Math.max(this.of[quantity], Number.isFinite(difference) ? difference : Infinity);
    }
  }
}

const named = <V>(values: readonly (readonly V[])[]): [string, V][] =>
  values.flatMap((row, g) => row.map((value, p) => [parameterName(g, p), value] as [string, V]));

function compareState(
  worst: Worst,
  expected: Trajectory['steps'][number]['expected'],
  state: StateDict,
): void {
  for (const [slot, values] of Object.entries(expected.slots)) {
    for (const [name, value] of named(values)) {
      const tensor = state.tensors[`${slot}/${name}`];
      if ((tensor === undefined) !== (value === null))
        throw new Error(`${slot} of ${name} is not as expected`);
      if (tensor && value) worst.add('state', `${slot}/${name}`, tensor.data as Float32Array, value);
    }
  }
  for (const [name, count] of expected.t ? named(expected.t) : []) {
    if (state.parameterSteps[name] !== count)
      throw new Error(`${name} has ${state.parameterSteps[name]} steps`);
  }
}

function compareStats(
  worst: Worst,
  { eta, norm }: Trajectory['steps'][number]['expected'],
  { groups }: StepStats,
): void {
  for (const [g, { effectiveLearningRate, norm: received }] of groups.entries()) {
    if (eta?.[g] !== undefined)
      worst.add('effectiveLearningRate', `eta/${g}`, [effectiveLearningRate], [eta[g]]);
    if (norm?.[g] !== undefined && received !== null) worst.add('norm', `norm/${g}`, [received], [norm[g]]);
  }
}

/** What is over its limit, in words, and what was not compared. */
export interface Verdict {
  readonly failures: readonly string[];
  readonly skipped: string | undefined;
}

/** Replays a trajectory, and compares everything after every step. */
export async function replayOn(device: GPUDevice, trajectory: Trajectory): Promise<Verdict> {
  const excuses = excusesFor(trajectory, 'float32');
  const excused = new Set(excuses.flatMap(({ quantities }) => quantities));
  if (excused.size === 4) return { failures: [], skipped: excuses.map(({ reason }) => reason).join('; ') };
  const initial = Object.fromEntries(named(trajectory.groups.map(({ params }) => params)));
  const optimizer = await createOptimizer(device, trajectory.spec, initial);
  const worst = new Worst();
  for (const { lr, grads, expected } of trajectory.steps) {
    for (const [g, rate] of (lr ?? []).entries()) optimizer.setLearningRate(rate, `group${g}`);
    optimizer.step(writeAll(optimizer, Object.fromEntries(named(grads))));
    const [parameters, state, stats] = await Promise.all([
      optimizer.read(),
      exportState(optimizer),
      optimizer.stats(),
    ]);
    for (const [name, values] of named(expected.params)) {
      worst.add('parameters', name, parameters[name] as Float32Array, values);
    }
    compareState(worst, expected, state);
    compareStats(worst, expected, stats);
  }
  optimizer.destroy();
  const limits = defaultTolerance.float32;
  const failures = (Object.keys(limits) as Quantity[])
    .filter((quantity) => !excused.has(quantity) && !(worst.of[quantity] <= limits[quantity]))
    .map((quantity) => `${quantity} deviates by ${worst.of[quantity]}, limit ${limits[quantity]}`);
  return { failures, skipped: undefined };
}
