/** The race: each optimizer trains the same network from the same weights on the same batches. */

import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { VRAdamError } from '@vradam/core';
import type { Engine, Session } from '../engines/engine.ts';
import { initialParameters, type NetworkSummary } from '../nn/shapes.ts';
import { streams } from '../tasks/streams.ts';
import type { Batches, OptimizerName, Problem, Score } from '../tasks/task.ts';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type RunProgress } from './checkpoint.ts';
import { writeAll } from './files.ts';
import type { EpochLine, FinalLine, Metrics, RunConfig, RunFolder, StepLine } from './records.ts';

/** Somebody who watches a race. */
export interface Watcher {
  /** An optimizer begins, or goes on after some epochs. */
  begin(optimizer: OptimizerName, stepsDone: number): void;
  /** A step was taken. */
  step(line: StepLine): void;
  /** An epoch is finished. */
  epoch(line: EpochLine): void;
  /** An optimizer is finished. */
  final(line: FinalLine): void;
  /** An optimizer could not go on. */
  failure(optimizer: OptimizerName, reason: string): void;
}

/** A race to run. */
export interface Race {
  /** What was asked for. */
  readonly config: RunConfig;
  /** The task with its data. */
  readonly problem: Problem;
  /** Its network, counted. */
  readonly network: NetworkSummary;
  /** Learning rates of the user's, by optimizer. */
  readonly learningRates: Readonly<Partial<Record<OptimizerName, number>>>;
  /** What it runs on. */
  readonly engine: Engine;
  /** Where it writes. */
  readonly folder: RunFolder;
  /** Who watches. */
  readonly watcher: Watcher;
  /** Asks the race to stop after the step in progress. */
  readonly signal: AbortSignal;
  /** A checkpoint after as many steps of an epoch, and at its end. */
  readonly checkpointSteps: number;
}

/** What some batches are judged to be. */
interface Judgement {
  readonly loss: number;
  readonly accuracy: number | null;
  readonly metrics: Metrics | undefined;
}

/** The mean of each number over all of some. */
function meanOf(all: readonly Metrics[]): Metrics | undefined {
  const names = Object.keys(all[0] ?? {});
  const mean = (name: string): number =>
    all.reduce((sum, each) => sum + (each[name] as number), 0) / all.length;
  return names.length > 0 ? Object.fromEntries(names.map((name) => [name, mean(name)])) : undefined;
}

async function judge(
  session: Session,
  problem: Problem,
  batches: Batches,
  signal: AbortSignal,
): Promise<Judgement> {
  let total: Score = { count: 0, loss: 0, correct: 0 };
  const all: Metrics[] = [];
  for await (const batch of batches) {
    signal.throwIfAborted();
    const { count, loss, correct } = problem.score(batch, await session.evaluate(batch));
    const right = correct === null || total.correct === null ? null : total.correct + correct;
    total = { count: total.count + count, loss: total.loss + loss, correct: right };
    all.push(problem.metrics?.(batch) ?? {});
    await setImmediate(); // lets a signal of the user in
  }
  const accuracy = total.correct === null ? null : total.correct / total.count;
  return { loss: total.loss / total.count, accuracy, metrics: meanOf(all) };
}

/** How far an epoch has come. */
type EpochProgress = Pick<RunProgress, 'steps' | 'lossSum'>;

const unbegun: EpochProgress = { steps: 0, lossSum: 0 };

/** A checkpoint within an epoch; none where batches need the model that made them. */
async function keep(
  { problem, folder }: Race,
  session: Session,
  progress: Omit<RunProgress, 'metricsBytes'>,
): Promise<void> {
  if (problem.batchesNeedModel) return;
  const metricsBytes = await folder.metricsBytes();
  const snapshot = await session.save();
  await folder.writeCheckpoint(encodeCheckpoint({ progress: { ...progress, metricsBytes }, snapshot }));
}

/**
 * The steps of an epoch, from where it was left.
 *
 * @param progress - moved on with each step.
 */
async function trainSteps(
  race: Race,
  session: Session,
  optimizer: OptimizerName,
  epoch: number,
  progress: { -readonly [Key in keyof EpochProgress]: number },
): Promise<void> {
  const { problem, folder, watcher, signal, checkpointSteps } = race;
  let [skip, asked] = [progress.steps, performance.now()];
  for await (const batch of problem.trainBatches(epoch, session)) {
    // batches follow from seed and epoch: those of before are drawn again, and left
    if (skip-- > 0) continue;
    const batchMs = performance.now() - asked;
    signal.throwIfAborted();
    const report = await session.trainStep(batch);
    const metrics = problem.metrics?.(batch, report.loss);
    const step = epoch * problem.stepsPerEpoch + progress.steps;
    const own = { kind: 'step', optimizer, epoch, step } as const;
    const line: StepLine = { ...own, ...report, batchMs, ...(metrics && { metrics }) };
    await folder.append(line);
    progress.lossSum += line.loss;
    progress.steps++;
    watcher.step(line);
    const isDue = progress.steps % checkpointSteps === 0 && progress.steps < problem.stepsPerEpoch;
    if (isDue) await keep(race, session, { optimizer, epochs: epoch, ...progress });
    await setImmediate();
    asked = performance.now();
  }
}

/** One epoch: its steps, then the validation examples; a checkpoint where it was asked to stop. */
async function trainEpoch(
  race: Race,
  session: Session,
  optimizer: OptimizerName,
  epoch: number,
  from: EpochProgress,
): Promise<void> {
  const progress = { steps: from.steps, lossSum: from.lossSum };
  try {
    await trainSteps(race, session, optimizer, epoch, progress);
    await validate(race, session, optimizer, epoch, progress.lossSum);
  } catch (error) {
    if (race.signal.aborted) await keep(race, session, { optimizer, epochs: epoch, ...progress });
    throw error;
  }
}

/** What the validation examples say at the end of an epoch. */
async function validate(
  { problem, folder, watcher, signal }: Race,
  session: Session,
  optimizer: OptimizerName,
  epoch: number,
  lossSum: number,
): Promise<void> {
  const validation = problem.validationBatches(epoch, session);
  const { loss, accuracy, metrics } = await judge(session, problem, validation, signal);
  const line: EpochLine = {
    kind: 'epoch',
    optimizer,
    epoch,
    trainLoss: lossSum / problem.stepsPerEpoch,
    validationLoss: loss,
    validationAccuracy: accuracy,
    ...(metrics && { metrics }),
  };
  await folder.append(line);
  watcher.epoch(line);
}

/** What is left of one optimizer's epochs, with a checkpoint after each, then the test examples. */
async function train(race: Race, optimizer: OptimizerName, from: Checkpoint | null): Promise<void> {
  const { config, problem, network, learningRates, engine, folder, watcher, signal } = race;
  const session = await engine.createSession({
    network: problem.network,
    parameters: initialParameters(network, config.seed, streams.initial),
    buffers: network.buffers,
    optimizer: problem.optimizer(optimizer, learningRates[optimizer], config.brake).spec,
    seed: config.seed,
  });
  try {
    if (from?.snapshot) await session.load(from.snapshot);
    const done = from?.progress.epochs ?? 0;
    const { steps, lossSum } = from?.progress ?? unbegun;
    watcher.begin(optimizer, done * problem.stepsPerEpoch + steps);
    for (let epoch = done; epoch < problem.epochs; epoch++) {
      await trainEpoch(race, session, optimizer, epoch, epoch === done ? { steps, lossSum } : unbegun);
      const pictures = await problem.pictures?.(epoch, optimizer, session);
      if (pictures) await writeAll(join(folder.path, 'pictures'), pictures);
      const metricsBytes = await folder.metricsBytes();
      const progress = { optimizer, epochs: epoch + 1, ...unbegun, metricsBytes };
      await folder.writeCheckpoint(encodeCheckpoint({ progress, snapshot: await session.save() }));
    }
    const { loss, accuracy, metrics } = await judge(session, problem, problem.testBatches(session), signal);
    const line: FinalLine = {
      kind: 'final',
      optimizer,
      testLoss: loss,
      testAccuracy: accuracy,
      ...(metrics && { metrics }),
    };
    await folder.append(line);
    watcher.final(line);
  } finally {
    session.dispose();
  }
}

/** An optimizer whose gradients are no longer finite is out of the race; anything else is an error of ours. */
async function recordFailure(
  { folder, watcher, problem }: Race,
  optimizer: OptimizerName,
  error: unknown,
): Promise<void> {
  if (!(error instanceof VRAdamError && error.code === 'ERR_NON_FINITE')) throw error;
  const lines = await folder.readMetrics();
  const step = lines.filter((line) => line.kind === 'step' && line.optimizer === optimizer).length;
  const epoch = Math.floor(step / problem.stepsPerEpoch);
  await folder.append({ kind: 'failure', optimizer, epoch, step, reason: error.message });
  watcher.failure(optimizer, error.message);
}

/** Where a run stands: its checkpoint, with the metrics cut back to it. */
export async function restore(folder: RunFolder): Promise<Checkpoint | null> {
  const bytes = await folder.readCheckpoint();
  const checkpoint = bytes && decodeCheckpoint(bytes);
  await folder.truncateMetrics(checkpoint?.progress.metricsBytes ?? 0);
  return checkpoint;
}

/**
 * Runs all optimizers, one after another, from a checkpoint if there is one.
 *
 * @throws the signal's reason if it was asked to stop; what was measured is on disk.
 */
export async function runRace(race: Race, from: Checkpoint | null): Promise<void> {
  const { config, folder } = race;
  const first = from ? config.optimizers.indexOf(from.progress.optimizer) : 0;
  for (const [i, optimizer] of [...config.optimizers.entries()].slice(first)) {
    try {
      await train(race, optimizer, i === first ? from : null);
    } catch (error) {
      await recordFailure(race, optimizer, error);
    }
    const next = config.optimizers[i + 1];
    if (!next) break;
    const metricsBytes = await folder.metricsBytes();
    const progress = { optimizer: next, epochs: 0, ...unbegun, metricsBytes };
    await folder.writeCheckpoint(encodeCheckpoint({ progress, snapshot: null }));
  }
}
