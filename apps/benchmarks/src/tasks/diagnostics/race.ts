/** Every optimizer on every problem, with the same learning rates, seeds and noise. */

import { createOptimizer, float64Ops, type Gradients, type OptimizerSpec } from '@vradam/core';
import { openRandom, type Random } from '../../random.ts';
import { type ContenderName, contenders } from './optimizers.ts';
import type { Diagnostic, Vector } from './problem.ts';

/** The budget of each optimizer on each problem: two learning rates for each power of ten. */
export const learningRates: readonly number[] = Array.from({ length: 13 }, (_, i) =>
  Number((10 ** (i / 2 - 4)).toPrecision(3)),
);

/** What an optimizer did on a problem. */
export interface Cell {
  readonly problem: string;
  readonly optimizer: ContenderName;
  /** For each learning rate, for each seed, the loss after the last step; null where it is not finite. */
  readonly losses: readonly (readonly (number | null)[])[];
  /** How many learning rates passed: the loss is at most the target with every seed. */
  readonly passedRates: number;
  /** The learning rate whose worst seed is best; null if none kept the loss finite. */
  readonly bestRate: number | null;
}

type Tensors = Readonly<Record<string, Float64Array>>;

/** Cuts a vector into the tensors of a problem. */
function cut(x: Vector, tensors: number): Tensors {
  const whole = new Float64Array(x);
  const length = x.length / tensors;
  const part = (i: number) => [`x${i}`, whole.slice(i * length, (i + 1) * length)] as const;
  return Object.fromEntries(Array.from({ length: tensors }, (_, i) => part(i)));
}

function joined(tensors: Tensors): number[] {
  const x: number[] = [];
  // a loop: spreading takes longer than the step
  for (const part of Object.values(tensors)) for (let i = 0; i < part.length; i++) x.push(part[i]!);
  return x;
}

/** What the optimizer is shown at this point. */
function shown(problem: Diagnostic, x: Vector, step: number, random: Random): Gradients<Float64Array> {
  const { tensors = 1, show, missing } = problem;
  const exact = problem.gradient(x, step);
  const seen = show ? show(exact, step, random) : exact;
  const entries = Object.entries(cut(seen, tensors));
  return Object.fromEntries(entries.map(([name, part], i) => [name, missing?.(i, step) ? null : part]));
}

/**
 * Takes the steps of a problem.
 *
 * @param seed - of start and noise, which are the same for all optimizers and learning rates.
 * @returns the loss after the last step; null as soon as it is not finite.
 */
export function attempt(problem: Diagnostic, spec: OptimizerSpec, seed: number): number | null {
  const optimizer = createOptimizer(float64Ops, spec);
  const noise = openRandom(seed, 1);
  let x = problem.start(openRandom(seed, 0));
  let parameters = cut(x, problem.tensors ?? 1);
  let state = optimizer.init(parameters);
  for (let step = 0; step < problem.steps; step++) {
    const gradients = shown(problem, x, step, noise);
    ({ parameters, state } = optimizer.update(parameters, gradients, state));
    x = joined(parameters);
    if (!x.every(Number.isFinite)) return null;
  }
  const loss = problem.loss(x, problem.steps);
  return Number.isFinite(loss) ? loss : null;
}

/** Whether a loss passes; one that is not finite does not. */
const passes = (loss: number | null, { target }: Diagnostic): boolean => loss !== null && loss <= target;

/** The loss of the worst seed. */
const worst = (losses: readonly (number | null)[]): number =>
  Math.max(...losses.map((loss) => loss ?? Number.POSITIVE_INFINITY));

/**
 * Tries all learning rates on a problem.
 *
 * @param seeds - tried one after another; a problem that is not random is tried with the first only.
 */
export function tryAll(problem: Diagnostic, optimizer: ContenderName, seeds: readonly number[]): Cell {
  const needed = problem.random ? seeds : seeds.slice(0, 1);
  const losses = learningRates.map((learningRate) => {
    const contender = contenders[optimizer](learningRate, problem.weightDecay ?? 0);
    return needed.map((seed) => attempt(problem, contender, seed));
  });
  const best = Math.min(...losses.map(worst));
  return {
    problem: problem.name,
    optimizer,
    losses,
    passedRates: losses.filter((each) => each.every((loss) => passes(loss, problem))).length,
    bestRate: Number.isFinite(best) ? learningRates[losses.findIndex((each) => worst(each) === best)]! : null,
  };
}
