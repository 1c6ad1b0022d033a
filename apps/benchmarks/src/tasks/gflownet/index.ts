/** A GFlowNet that draws patterns on an 8x8 grid: Table 3 of the paper. */

import type { Evaluation, Session } from '../../engines/engine.ts';
import type { Batch, HostTensor } from '../../nn/nn.ts';
import { openRandom } from '../../random.ts';
import { adamwOptions, type Rivals, taskOptimizers } from '../optimizers.ts';
import { streams } from '../streams.ts';
import type { GflownetLoss, Problem, Score, Task, TaskOptions } from '../task.ts';
import type { GridState } from './environment.ts';
import { meanEntropy, metricsOf } from './metrics.ts';
import { gflownet, trajectoryInputs } from './model.ts';
import { type GflownetPreset, presets } from './presets.ts';
import { batchOf, encodeStates, type Policy, type Sample, sampleTrajectories } from './trajectories.ts';

const rivals: Rivals = {
  adamw: adamwOptions,
  'sgd-nesterov': { momentum: 0.9, nesterov: true, weightDecay: 1e-5 },
  rmsprop: { alpha: 0.99, momentum: 0, epsilon: 1e-8, weightDecay: 1e-5 },
};

/** The policy of a session as it is now. The network asks for a trajectory, too: one of no steps. */
function policyOf(session: Session, maxSteps: number): Policy {
  const nothing = Object.entries(trajectoryInputs(maxSteps)).map(([name, { shape, dtype }]) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const data = dtype === 'int32' ? new Int32Array(length) : new Float32Array(length);
    return [name, { shape: [1, ...shape], data }] as [string, HostTensor];
  });
  const empty = Object.fromEntries(nothing);
  return async (states: readonly GridState[]) => {
    const { outputs } = await session.evaluate({ states: encodeStates(states), ...empty });
    return outputs['policy']?.data as Float32Array;
  };
}

/** Draws batches, and remembers what each was made from as long as it is in use. */
class Sampler {
  readonly #samples = new WeakMap<Batch, Sample>();
  readonly #preset: GflownetPreset;
  readonly #kind: GflownetLoss;
  readonly #seed: number;

  constructor(preset: GflownetPreset, kind: GflownetLoss, seed: number) {
    this.#preset = preset;
    this.#kind = kind;
    this.#seed = seed;
  }

  /** Batches by the policy that the session has when each is asked for. */
  async *batches(session: Session, stream: number, kind: 'training' | 'evaluation'): AsyncGenerator<Batch> {
    const { batchSize, evaluationBatchSize, updatesPerEpoch, maxSteps, temperature } = this.#preset;
    const isTraining = kind === 'training';
    const random = openRandom(this.#seed, stream);
    const count = isTraining ? batchSize : evaluationBatchSize;
    for (let i = 0; i < (isTraining ? updatesPerEpoch : 1); i++) {
      const sample = await sampleTrajectories(policyOf(session, maxSteps), count, maxSteps, random);
      const batch = batchOf(sample, this.#kind, maxSteps, isTraining ? temperature : 1);
      this.#samples.set(batch, sample);
      yield batch;
    }
  }

  /** Metrics of a batch; in training the flow loss too, which is the loss without its other terms. */
  metrics(batch: Batch, trainingLoss?: number): Record<string, number> {
    const sample = this.#samples.get(batch) as Sample;
    const metrics = metricsOf(sample);
    if (trainingLoss === undefined) return metrics;
    const { flow, entropy: weight } = this.#preset.weights;
    const entropy = meanEntropy(sample, this.#kind === 'corrected' ? 'length' : 'all');
    return { flowLoss: (trainingLoss + weight * entropy) / flow, entropy, ...metrics };
  }
}

/** Sum of the flow losses; there is nothing to be right about. */
function score(_: Batch, { outputs }: Evaluation): Score {
  const losses = outputs['flowLoss']?.data as Float32Array;
  return { count: losses.length, loss: losses.reduce((sum, loss) => sum + loss, 0), correct: null };
}

async function prepare(options: TaskOptions): Promise<Problem> {
  const { seed, schedule, gflownetLoss } = options;
  const preset = presets[options.preset];
  const { updatesPerEpoch } = preset;
  const epochs = options.epochs ?? preset.epochs;
  const sampler = new Sampler(preset, gflownetLoss, seed);
  return {
    network: gflownet(preset, gflownetLoss),
    dataLine: 'none: trajectories on an 8x8 grid, drawn by the policy in training',
    data: { name: 'grid-world' },
    config: { ...preset, epochs, schedule, gflownetLoss, stepsPerEpoch: updatesPerEpoch },
    epochs,
    stepsPerEpoch: updatesPerEpoch,
    batchesNeedModel: true,
    trainBatches: (epoch, session) => sampler.batches(session, streams.training(epoch), 'training'),
    validationBatches: (epoch, session) => sampler.batches(session, streams.validation(epoch), 'evaluation'),
    // no epoch validates with the stream of the one after the last
    testBatches: (session) => sampler.batches(session, streams.validation(epochs), 'evaluation'),
    score,
    metrics: (batch, trainingLoss) => sampler.metrics(batch, trainingLoss),
    optimizer: taskOptimizers(preset, rivals, updatesPerEpoch, { schedule, epochs }),
  };
}

/** The task. */
export const gflownetTask: Task = {
  name: 'gflownet',
  title: 'patterns on an 8x8 grid, a GFlowNet that learns to draw them (Table 3)',
  schedule: 'constant',
  ownOptions: ['gflownetLoss'],
  prepare,
};
