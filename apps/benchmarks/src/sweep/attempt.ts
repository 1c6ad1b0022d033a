/** One training run without a folder: a task at one setting of an optimizer. */

import { type OptimizerSpec, VRAdamError } from '@vradam/core';
import type { Engine, Session } from '../engines/engine.ts';
import { initialParameters, summarize } from '../nn/shapes.ts';
import { streams } from '../tasks/streams.ts';
import type { Problem } from '../tasks/task.ts';

/** What came of it, up to where it could not go on. */
export interface Attempt {
  /** Loss of each training step. */
  readonly trainLosses: readonly number[];
  /** Loss on the validation examples after each epoch. */
  readonly validationLosses: readonly number[];
  /** Why it could not go on; null if it could. */
  readonly failure: string | null;
}

/** Mean loss of the validation examples. */
async function validate(problem: Problem, session: Session, epoch: number): Promise<number> {
  let [sum, all] = [0, 0];
  for await (const batch of problem.validationBatches(epoch, session)) {
    const { loss, count } = problem.score(batch, await session.evaluate(batch));
    sum += loss;
    all += count;
  }
  return sum / all;
}

/** A loss that is no number ends the attempt; anything else is an error of ours. */
function reasonOf(error: unknown): string {
  if (error instanceof VRAdamError && error.code === 'ERR_NON_FINITE') return error.message;
  throw error;
}

/**
 * Trains from the weights and with the batches that a run of this seed has.
 *
 * @param seed - the one that the problem was prepared with.
 * @param signal - asks to stop after the step in progress; then its reason is thrown.
 */
export async function attempt(
  problem: Problem,
  engine: Engine,
  optimizer: OptimizerSpec,
  seed: number,
  signal: AbortSignal,
): Promise<Attempt> {
  const { network } = problem;
  const summary = summarize(network);
  const parameters = initialParameters(summary, seed, streams.initial);
  const session = await engine.createSession({
    network,
    parameters,
    buffers: summary.buffers,
    optimizer,
    seed,
  });
  const [trainLosses, validationLosses]: [number[], number[]] = [[], []];
  try {
    for (let epoch = 0; epoch < problem.epochs; epoch++) {
      for await (const batch of problem.trainBatches(epoch, session)) {
        signal.throwIfAborted();
        trainLosses.push((await session.trainStep(batch)).loss);
      }
      validationLosses.push(await validate(problem, session, epoch));
    }
    return { trainLosses, validationLosses, failure: null };
  } catch (error) {
    return { trainLosses, validationLosses, failure: reasonOf(error) };
  } finally {
    session.dispose();
  }
}
