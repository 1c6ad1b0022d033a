/** Cost of an optimizer step, as a ratio to a hand-written loop in the same run. */

import {
  adamw,
  createOptimizer,
  float32Ops,
  type OptimizerSpec,
  type OptimizerState,
  type TensorOps,
  vradam,
} from '@vradam/core';
import { arenaSize, createWasmOps } from '@vradam/wasm';
import { openRandom } from '../random.ts';
import { median } from '../report/summary.ts';
import { type HandState, handWrittenStep } from './loops.ts';

/** A layout of parameters. */
export interface StepCase {
  /** How many tensors. */
  readonly tensors: number;
  /** Elements of each. */
  readonly elements: number;
}

/** The cases of `bench:step`. */
export const stepCases: readonly StepCase[] = [
  { tensors: 1, elements: 1_000_000 },
  { tensors: 1000, elements: 1000 },
  { tensors: 1, elements: 10_000_000 },
  { tensors: 1000, elements: 10_000 },
];

/** One measured way of stepping. */
export interface StepResult extends StepCase {
  /** What was measured. */
  readonly name: string;
  /** Median over the steps, in milliseconds. */
  readonly ms: number;
  /** Median over the rounds of (this step / hand-written step of the same round). */
  readonly ratio: number;
  /** Bytes that it must move at least, in GB/s. */
  readonly gigabytesPerSecond: number;
}

/** What it costs that parameters are many tensors. */
export interface SpreadResult {
  /** What was measured. */
  readonly name: string;
  /** Medians over the steps, in milliseconds: all elements in one tensor, and in many. */
  readonly oneMs: number;
  readonly manyMs: number;
  /** Median over the rounds of (many / one of the same round). */
  readonly ratio: number;
}

type Stepper = () => void;

function arrays({ tensors, elements }: StepCase, seed: number): Float32Array[] {
  const random = openRandom(seed, 0);
  return Array.from({ length: tensors }, () =>
    Float32Array.from({ length: elements }, () => random.uniform(-1, 1)),
  );
}

function byHand(at: StepCase): Stepper {
  const [parameters, gradients] = [arrays(at, 1), arrays(at, 2)];
  const states: HandState[] = parameters.map(({ length }) => ({
    velocity: new Float32Array(length),
    secondMoment: new Float32Array(length),
  }));
  let t = 0;
  return () => handWrittenStep(parameters, gradients, states, ++t);
}

const named = (at: StepCase, seed: number): Record<string, Float32Array> =>
  Object.fromEntries(arrays(at, seed).map((array, i) => [`parameter${i}`, array]));

/** Steps of the core on a backend of Float32Arrays. */
function byCore(
  at: StepCase,
  spec: OptimizerSpec,
  ops: TensorOps<Float32Array, number> = float32Ops,
): Stepper {
  const optimizer = createOptimizer(ops, spec);
  const gradients = named(at, 2);
  let parameters: Readonly<Record<string, Float32Array>> = named(at, 1);
  let state: OptimizerState<Float32Array> = optimizer.init(parameters);
  return () => {
    ({ parameters, state } = optimizer.update(parameters, gradients, state));
  };
}

/** Steps of the kernels in WebAssembly, parameters and state in an arena. */
function inArena(at: StepCase, spec: OptimizerSpec): Stepper {
  const initial = named(at, 1);
  const ops = createWasmOps({ arena: arenaSize(initial, spec) });
  const optimizer = createOptimizer(ops, spec);
  const gradients = named(at, 2);
  let parameters: Readonly<Record<string, Float32Array>> = Object.fromEntries(
    Object.entries(initial).map(([name, data]) => [name, ops.fromArray(data, [data.length])]),
  );
  let state: OptimizerState<Float32Array> = optimizer.init(parameters);
  return () => {
    ({ parameters, state } = optimizer.update(parameters, gradients, state));
  };
}

/** A copy of as many numbers: what memory gives. */
function byCopy(at: StepCase): Stepper {
  const [from, to] = [arrays(at, 1), arrays(at, 2)];
  return () => {
    for (const [i, array] of from.entries()) to[i]?.set(array);
  };
}

/**
 * Bytes that a step must move for each parameter at least. VRAdam: g, v and m are read, v and m written, then v, m and
 * theta read and theta written. AdamW has no norm to wait for: g, v, m and theta are read, v, m and theta written.
 */
const bytesPerParameter = (name: string): number =>
  name.includes('copy') ? 8 : name.includes('adamw') ? 28 : 36;

function time(step: Stepper): number {
  const begin = performance.now();
  step();
  return performance.now() - begin;
}

/**
 * Measures one case: in every round each stepper takes one step, so that whatever else the machine does meets them
 * all alike.
 *
 * @param rounds - measured rounds, after a fifth as many for warming up.
 */
export function measureSteps(at: StepCase, rounds: number): StepResult[] {
  const steppers: [string, Stepper][] = [
    ['hand-written VRAdam loop', byHand(at)],
    ['core-float32 vradam', byCore(at, vradam())],
    ['core-float32 vradam, unchecked', byCore(at, vradam({ nonFinite: 'propagate' }))],
    ['core-float32 adamw', byCore(at, adamw())],
    ['wasm vradam', inArena(at, vradam())],
    ['wasm vradam, unchecked', inArena(at, vradam({ nonFinite: 'propagate' }))],
    ['wasm vradam, arrays outside', byCore(at, vradam(), createWasmOps())],
    ['wasm adamw', inArena(at, adamw())],
    ['memory copy', byCopy(at)],
  ];
  for (let i = 0; i < Math.max(3, rounds / 5); i++) for (const [, step] of steppers) step();
  const times = steppers.map((): number[] => []);
  for (let i = 0; i < rounds; i++) for (const [s, [, step]] of steppers.entries()) times[s]?.push(time(step));
  const [reference = []] = times;
  return steppers.map(([name], s) => {
    const own = times[s] as number[];
    const ms = median(own);
    const bytes = at.tensors * at.elements * bytesPerParameter(name);
    const ratio = median(own.map((each, i) => each / (reference[i] as number)));
    return { ...at, name, ms, ratio, gigabytesPerSecond: bytes / ms / 1e6 };
  });
}

/**
 * Measures 1,000 tensors of 1,000 elements beside one of a million: each round takes a step of both, so that a slow
 * moment of the machine meets them alike.
 *
 * @param rounds - measured rounds, after a fifth as many for warming up.
 */
export function measureSpread(rounds: number): SpreadResult[] {
  const [whole, parts] = stepCases as [StepCase, StepCase];
  const specs: [string, OptimizerSpec][] = [
    ['wasm vradam', vradam()],
    ['wasm vradam, unchecked', vradam({ nonFinite: 'propagate' })],
    ['wasm adamw', adamw()],
  ];
  return specs.map(([name, spec]) => {
    const [one, many] = [inArena(whole, spec), inArena(parts, spec)];
    for (let i = 0; i < Math.max(3, rounds / 5); i++) for (const step of [one, many]) step();
    const pairs = Array.from({ length: rounds }, () => [time(one), time(many)] as const);
    return {
      name,
      oneMs: median(pairs.map(([ms]) => ms)),
      manyMs: median(pairs.map(([, ms]) => ms)),
      ratio: median(pairs.map(([oneMs, manyMs]) => manyMs / oneMs)),
    };
  });
}
