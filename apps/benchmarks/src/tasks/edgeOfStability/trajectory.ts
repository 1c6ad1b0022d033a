/** Full-batch training of one optimizer, with the sharpness every few steps: Figure 2 of the paper. */

import { setImmediate } from 'node:timers/promises';
import { adamw, type OptimizerSpec, VRAdamError, vradam } from '@vradam/core';
import type { Engine, Session, Snapshot } from '../../engines/engine.ts';
import type { Batch, HostTensor } from '../../nn/nn.ts';
import { initialParameters, summarize } from '../../nn/shapes.ts';
import { streams } from '../streams.ts';
import {
  type Flat,
  flatten,
  hessianOf,
  inverseRootOfPreconditioner,
  measureSharpness,
  randomStart,
} from './curvature.ts';
import type { EdgeData } from './data.ts';
import type { Ritz } from './lanczos.ts';
import { resnet } from './model.ts';
import { accuracyGoal, type EdgePreset, fixed, lossGoal } from './presets.ts';

/** The optimizers that are followed. */
export const edgeOptimizers = ['vradam', 'adam'] as const;

/** One of {@link edgeOptimizers}. */
export type EdgeOptimizer = (typeof edgeOptimizers)[number];

/** A step, from the parameters after `step` steps. */
export interface EdgeStep {
  readonly step: number;
  /** Mean loss over all images, before the step. */
  readonly loss: number;
  /** Learning rate that the parameters moved by. */
  readonly effectiveLearningRate: number;
  /** Norm that braked it; null for Adam. */
  readonly norm: number | null;
}

/** An eigenvalue, and how well it is known. */
export type Eigenvalue = Pick<Ritz, 'value' | 'residual' | 'products' | 'converged'>;

/** What was measured after `step` steps. */
export interface EdgeMeasurement {
  readonly step: number;
  /** Share of the training images that are told right. */
  readonly accuracy: number;
  /** Largest eigenvalue of `P^-1 H`. */
  readonly preconditioned: Eigenvalue;
  /** Largest eigenvalue of H. */
  readonly raw: Eigenvalue;
}

/** Why a trajectory ended: a goal was reached, all steps were taken, or the loss was no number any more. */
export type EdgeEnd = 'loss' | 'accuracy' | 'steps' | 'failure';

/** One optimizer's way. */
export interface Trajectory {
  readonly optimizer: EdgeOptimizer;
  readonly steps: readonly EdgeStep[];
  readonly measurements: readonly EdgeMeasurement[];
  /** Null while it goes on. */
  readonly end: EdgeEnd | null;
}

/** Where a trajectory goes on from. */
export interface EdgeStart {
  readonly trajectory: Trajectory;
  readonly snapshot: Snapshot;
}

/** Everything a trajectory needs. */
export interface EdgeProblem {
  readonly preset: EdgePreset;
  readonly data: EdgeData;
  readonly engine: Engine;
  /** Seed of the weights. */
  readonly seed: number;
  /** Asked to stop after the step in progress. */
  readonly signal: AbortSignal;
  /** Called after every step. */
  onStep(trajectory: Trajectory): void;
  /** Called after every measurement, with all that is needed to go on from there. */
  onMeasurement(start: EdgeStart): Promise<void>;
}

const specs: Readonly<Record<EdgeOptimizer, (learningRate: number) => OptimizerSpec>> = {
  vradam: (learningRate) => vradam({ ...fixed.vradam, learningRate }),
  adam: (learningRate) => adamw({ ...fixed.adam, learningRate }), // without decay the two are one
};

/** The largest sharpness at which Adam's step is stable: `(2 + 2 beta1) / ((1 - beta1) eta)`, 38 / eta for beta1 0.9. */
export const stabilityThreshold = (learningRate: number, { beta1 }: { readonly beta1: number }): number =>
  (2 + 2 * beta1) / ((1 - beta1) * learningRate);

const largest = (values: Float32Array | Int32Array): number => values.indexOf(Math.max(...values));

async function accuracyOf(session: Session, chunks: readonly Batch[]): Promise<number> {
  let [right, count] = [0, 0];
  for (const chunk of chunks) {
    const { outputs } = await session.evaluate(chunk);
    const { shape, data } = outputs['outputs'] as HostTensor;
    const [rows = 0, classes = 0] = shape;
    const targets = (chunk['targets'] as HostTensor).data;
    for (let i = 0; i < rows; i++) {
      const of = (all: HostTensor['data']) => largest(all.subarray(i * classes, (i + 1) * classes));
      right += Number(of(data) === of(targets));
    }
    count += rows;
  }
  return right / count;
}

/** Loss and gradient of all chunks; NaN where the engine refuses the gradients. */
async function fullGradient(session: Session, chunks: readonly Batch[]): Promise<number> {
  let loss = 0;
  for (const chunk of chunks) loss += (await session.accumulate(chunk)) / chunks.length;
  return loss;
}

/** A step; null if the optimizer refuses gradients that are no numbers. */
async function stepOf(session: Session) {
  try {
    return await session.optimizerStep();
  } catch (error) {
    if (error instanceof VRAdamError && error.code === 'ERR_NON_FINITE') return null;
    throw error;
  }
}

/** Measures after every `every` steps, from where the measurement before has arrived. */
function instrument({ preset, data, seed }: EdgeProblem, session: Session, shape: Flat) {
  const hessian = hessianOf(session, data.hessianChunks, shape);
  let starts = { preconditioned: randomStart(shape, seed), raw: randomStart(shape, seed) };
  return async (step: number, snapshot: Snapshot): Promise<EdgeMeasurement> => {
    const inverseRoot = inverseRootOfPreconditioner(snapshot.optimizer, shape, fixed.adam);
    const { preconditioned, raw } = await measureSharpness(hessian, inverseRoot, starts, preset);
    starts = { preconditioned: preconditioned.vector, raw: raw.vector };
    const known = ({ vector: _, ...rest }: Ritz): Eigenvalue => rest;
    const accuracy = await accuracyOf(session, data.chunks);
    return { step, accuracy, preconditioned: known(preconditioned), raw: known(raw) };
  };
}

/** Why it ends here, if it does. */
function endOf(loss: number, last: EdgeMeasurement | undefined, step: number, steps: number): EdgeEnd | null {
  if (!Number.isFinite(loss)) return 'failure';
  if (loss < lossGoal) return 'loss';
  if (last && last.accuracy > accuracyGoal) return 'accuracy';
  return step >= steps ? 'steps' : null;
}

/**
 * Follows one optimizer to the end.
 *
 * @param from - where it was interrupted; null for the beginning.
 * @throws the signal's reason if it was asked to stop.
 */
export async function follow(
  problem: EdgeProblem,
  optimizer: EdgeOptimizer,
  from: EdgeStart | null,
): Promise<Trajectory> {
  const { preset, data, engine, seed, signal } = problem;
  const network = resnet(preset, data.size, data.classes);
  const summary = summarize(network);
  const parameters = initialParameters(summary, seed, streams.initial);
  const spec = specs[optimizer](preset.learningRate);
  const session = await engine.createSession({
    network,
    parameters,
    buffers: summary.buffers,
    optimizer: spec,
  });
  try {
    if (from) await session.load(from.snapshot);
    const lengths = new Map([...parameters].map(([name, { data: values }]) => [name, values.length]));
    const measure = instrument(problem, session, flatten(lengths));
    const steps = [...(from?.trajectory.steps ?? [])];
    const measurements = [...(from?.trajectory.measurements ?? [])];
    const soFar = (end: EdgeEnd | null): Trajectory => ({ optimizer, steps, measurements, end });
    for (let step = steps.length; ; step++) {
      signal.throwIfAborted();
      await setImmediate(); // lets a signal of the user in
      const isDue = step > 0 && (step % preset.every === 0 || step === preset.steps);
      if (isDue && measurements.at(-1)?.step !== step) {
        const snapshot = await session.save();
        measurements.push(await measure(step, snapshot));
        await problem.onMeasurement({ trajectory: soFar(null), snapshot });
      }
      const loss = await fullGradient(session, data.chunks);
      const end = endOf(loss, measurements.at(-1), step, preset.steps);
      const report = end === null ? await stepOf(session) : null;
      if (report === null) return soFar(end ?? 'failure');
      const { effectiveLearningRate, norm } = report;
      steps.push({ step, loss, effectiveLearningRate, norm });
      problem.onStep(soFar(null));
    }
  } finally {
    session.dispose();
  }
}
