/** Replaying a training run: same weights, same batches, loss and learning rate step by step. */

import { createOptimizer, disposeState, type GroupStats, type OptimizerSpec } from '@vradam/core';
import { type ConformanceBackend, disposeAll, makeParameters } from '../backend.ts';
import { specOf } from '../golden/trajectory.ts';
import { hostProblem } from './hostProblem.ts';
import type { TrainFile, TrainRun } from './model.ts';

/** Outcome of one run. */
export interface TrainResult {
  /** Label of the run. */
  readonly label: string;
  /** Worst relative deviation of the loss. */
  readonly loss: number;
  /** Worst relative deviation of the effective learning rate; 0 where there is none. */
  readonly effectiveLearningRate: number;
  /** Worst share of a step's limit that was used: passed if <= 1. */
  readonly share: number;
  /** First step over its limit, or null. */
  readonly failedStep: number | null;
}

class Tracker {
  worst = 0;
  share = 0;
  failedStep: number | null = null;

  compare(step: number, actual: number, expected: number, limit: number): void {
    const deviation = Math.abs(actual - expected) / Math.abs(expected);
    const share = Number.isNaN(deviation) ? Number.POSITIVE_INFINITY : deviation / limit;
    this.worst = Math.max(this.worst, Number.isNaN(deviation) ? Number.POSITIVE_INFINITY : deviation);
    this.share = Math.max(this.share, share);
    if (share > 1) this.failedStep ??= step;
  }
}

async function replayRun<T, S>(
  backend: ConformanceBackend<T, S>,
  { model, batches }: TrainFile,
  run: TrainRun,
  spec: OptimizerSpec,
): Promise<TrainResult> {
  const ops = await backend.create();
  const problem = backend.trainProblem?.(model) ?? hostProblem(ops, model);
  const optimizer = createOptimizer(ops, spec);
  let parameters = makeParameters(backend, ops, model.initial);
  let state = optimizer.init(parameters);
  const [losses, rates] = [new Tracker(), new Tracker()];
  for (const [step, rows] of batches.entries()) {
    const { loss, gradients } = await problem.lossAndGradients(parameters, rows);
    losses.compare(step, loss, run.loss[step]!, run.lossTolerance[step]!);
    const result = optimizer.update(parameters, gradients, state);
    ({ parameters, state } = result);
    const [{ effectiveLearningRate: rate }] = result.stats as [GroupStats<S>];
    if (run.eta && run.etaTolerance) {
      rates.compare(step, await ops.readScalar(rate), run.eta[step]!, run.etaTolerance[step]!);
    }
    for (const { effectiveLearningRate, norm } of result.stats) {
      ops.dispose(effectiveLearningRate);
      if (norm !== null) ops.dispose(norm);
    }
    disposeAll(ops, gradients);
  }
  disposeState({ ops }, state);
  disposeAll(ops, parameters);
  return {
    label: run.label,
    loss: losses.worst,
    effectiveLearningRate: rates.worst,
    share: Math.max(losses.share, rates.share),
    failedStep: losses.failedStep ?? rates.failedStep,
  };
}

/** Replays every run of a file. */
export async function replayTraining<T, S>(
  backend: ConformanceBackend<T, S>,
  file: TrainFile,
): Promise<TrainResult[]> {
  const results: TrainResult[] = [];
  for (const run of file.runs) {
    const spec = specOf(run.optimizer, [{ ...run.options }], [Object.keys(file.model.initial)]);
    results.push(await replayRun(backend, file, run, spec));
  }
  return results;
}
