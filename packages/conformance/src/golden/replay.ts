/** Replaying a trajectory through a backend. */

import {
  createOptimizer,
  disposeState,
  type NamedTensors,
  type OptimizerSpec,
  type OptimizerState,
  setLearningRate,
  type TensorOps,
  VRAdamError,
  warmupCosine,
} from '@vradam/core';
import { type ConformanceBackend, disposeAll, makeParameters } from '../backend.ts';
import { defaultTolerance, type Excuse, excusesFor, type Quantity, type Tolerance } from '../tolerance.ts';
import { parameterName, type ScheduleCase, type Trajectory, type TrajectoryStep } from './trajectory.ts';

/** Worst deviation of each quantity over a file. */
export type Deviations = Readonly<Record<Quantity, number>>;

/** Outcome of one file. */
export interface ReplayResult {
  /** Worst deviation by quantity; 0 where the file says nothing. */
  readonly deviations: Deviations;
  /** Limits it was held against. */
  readonly limits: Tolerance;
  /** What was not compared, and why. */
  readonly excuses: readonly Excuse[];
  /** Whether nothing at all could be compared. */
  readonly skipped: boolean;
  /** Empty if it passed; else what is wrong, in words. */
  readonly failures: readonly string[];
}

/** Largest absolute difference, over `scale` or, if larger, the largest absolute expected value. */
function deviation(actual: ArrayLike<number>, expected: readonly number[], scale: number): number {
  let [worst, largest] = [0, scale];
  for (const [i, value] of expected.entries()) {
    if (Object.is(actual[i], value) || actual[i] === value) continue;
    worst = Math.max(worst, Math.abs((actual[i] as number) - value));
    if (Number.isNaN(actual[i]) || !Number.isFinite(value)) worst = Number.POSITIVE_INFINITY;
  }
  for (const value of expected) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return worst === 0 ? 0 : worst / largest;
}

/**
 * Collects the worst deviations.
 *
 * In float32 a value that passes through zero keeps the absolute rounding error of what it was, so the scale is
 * the largest value that the tensor has had so far; in float64 it is the largest of this step.
 */
class Ledger {
  readonly worst: Record<Quantity, number> = { parameters: 0, state: 0, effectiveLearningRate: 0, norm: 0 };
  readonly #scales = new Map<string, number>();
  readonly #keepsScale: boolean;

  constructor(keepsScale: boolean) {
    this.#keepsScale = keepsScale;
  }

  compare(quantity: Quantity, key: string, actual: ArrayLike<number>, expected: readonly number[]): void {
    const scale = this.#scales.get(key) ?? 0;
    this.worst[quantity] = Math.max(this.worst[quantity], deviation(actual, expected, scale));
    const finite = expected.filter(Number.isFinite).map(Math.abs);
    if (this.#keepsScale)
      this.#scales.set(
        key,
        finite.reduce((a, b) => Math.max(a, b), scale),
      );
  }
}

function named<V>(values: readonly (readonly V[])[]): [string, V][] {
  return values.flatMap((row, g) => row.map((value, p) => [parameterName(g, p), value] as [string, V]));
}

async function compareTensors<T, S>(
  ops: TensorOps<T, S>,
  ledger: Ledger,
  parameters: NamedTensors<T>,
  state: OptimizerState<T>,
  { params, slots, t }: TrajectoryStep['expected'],
): Promise<void> {
  for (const [name, expected] of named(params)) {
    ledger.compare('parameters', name, await ops.toArray(parameters[name] as T), expected);
  }
  for (const [slot, values] of Object.entries(slots)) {
    for (const [name, expected] of named(values)) {
      const tensor = state.parameters.get(name)?.slots[slot];
      if ((tensor === undefined) !== (expected === null)) {
        throw new Error(
          `${slot} of ${name} is ${tensor === undefined ? 'missing' : 'there before its first gradient'}`,
        );
      }
      if (tensor === undefined || expected === null) continue;
      ledger.compare('state', `${slot}/${name}`, await ops.toArray(tensor), expected);
    }
  }
  for (const [name, expected] of t ? named(t) : []) {
    const step = state.parameters.get(name)?.step;
    if (step !== expected) throw new Error(`the step counter of ${name} is ${step}, not ${expected}`);
  }
}

async function run<T, S>(
  backend: ConformanceBackend<T, S>,
  ops: TensorOps<T, S>,
  { groups, steps }: Trajectory,
  spec: OptimizerSpec,
  ledger: Ledger,
): Promise<void> {
  const optimizer = createOptimizer(ops, spec);
  const initial = named(groups.map(({ params }) => params));
  let parameters = makeParameters(backend, ops, Object.fromEntries(initial));
  let state = optimizer.init(parameters);
  const shapes = new Map(initial.map(([name, { shape }]) => [name, shape]));
  for (const { lr, grads, expected } of steps) {
    for (const [g, rate] of (lr ?? []).entries())
      state = setLearningRate(optimizer, state, rate, `group${g}`);
    const gradients = Object.fromEntries(
      named(grads).map(([name, data]) => [name, data && ops.fromArray(data, shapes.get(name) as number[])]),
    );
    const result = optimizer.update(parameters, gradients, state);
    ({ parameters, state } = result);
    await compareTensors(ops, ledger, parameters, state, expected);
    for (const [g, { effectiveLearningRate, norm }] of result.stats.entries()) {
      const [eta, wanted] = [expected.eta?.[g], expected.norm?.[g]];
      if (eta !== undefined) {
        ledger.compare(
          'effectiveLearningRate',
          `eta/${g}`,
          [await ops.readScalar(effectiveLearningRate)],
          [eta],
        );
      }
      if (wanted !== undefined && norm !== null)
        ledger.compare('norm', `norm/${g}`, [await ops.readScalar(norm)], [wanted]);
      ops.dispose(effectiveLearningRate);
      if (norm !== null) ops.dispose(norm);
    }
    disposeAll(ops, gradients);
  }
  disposeState({ ops }, state);
  disposeAll(ops, parameters);
}

/** Options of {@link replay}. */
export interface ReplayOptions {
  /** One limit for every quantity, in place of the backend's. */
  readonly tolerance?: number | undefined;
  /** Another optimizer in place of the file's: for showing that a wrong one is caught. */
  readonly spec?: OptimizerSpec;
}

/**
 * Replays a trajectory and compares parameters, state, counters, effective learning rates and norms after every
 * step. Never throws for a backend that is wrong: that is a result.
 */
export async function replay<T, S>(
  backend: ConformanceBackend<T, S>,
  trajectory: Trajectory,
  { tolerance, spec = trajectory.spec }: ReplayOptions = {},
): Promise<ReplayResult> {
  const ops = await backend.create();
  const limits = { ...defaultTolerance[ops.dtype], ...backend.tolerance };
  const excuses = excusesFor(trajectory, ops.dtype);
  const excused = new Set(excuses.flatMap(({ quantities }) => quantities));
  const ledger = new Ledger(ops.dtype === 'float32');
  const quantities = Object.keys(ledger.worst) as Quantity[];
  const skipped = excused.size === quantities.length;
  const failures: string[] = [];
  try {
    const before = backend.liveTensors?.();
    if (!skipped) await run(backend, ops, trajectory, spec, ledger);
    const leaked = (backend.liveTensors?.() ?? 0) - (before ?? 0);
    if (leaked !== 0) failures.push(`${leaked} tensors leaked`);
  } catch (error) {
    failures.push(error instanceof VRAdamError ? `${error.code}: ${error.message}` : String(error));
  }
  for (const quantity of quantities) {
    const limit = tolerance ?? limits[quantity];
    if (!excused.has(quantity) && !(ledger.worst[quantity] <= limit)) {
      failures.push(`${quantity} deviates by ${ledger.worst[quantity].toExponential(1)}, limit ${limit}`);
    }
  }
  return { deviations: ledger.worst, limits, excuses, skipped, failures };
}

/** Compares `warmupCosine` with the cases of a schedule file; host arithmetic, the same on every backend. */
export function replaySchedule(cases: readonly ScheduleCase[], tolerance = 1e-12): ReplayResult {
  const ledger = new Ledger(false);
  for (const [i, { options, expected }] of cases.entries()) {
    const schedule = warmupCosine(options);
    for (const [epoch, rate] of expected.entries()) {
      ledger.compare('effectiveLearningRate', `case ${i}`, [schedule(epoch)], [rate]);
    }
  }
  const worst = ledger.worst.effectiveLearningRate;
  const failures =
    worst <= tolerance ? [] : [`the schedule deviates by ${worst.toExponential(1)}, limit ${tolerance}`];
  const { float64 } = defaultTolerance;
  return { deviations: ledger.worst, limits: float64, excuses: [], skipped: false, failures };
}
