/** A benchmark task: data, model, loss, metric, schedule and presets, in one folder. */

import type { OptimizerSpec } from '@vradam/core';
import type { Evaluation, Session } from '../engines/engine.ts';
import type { Batch, Network } from '../nn/nn.ts';
import type { Brake } from './preset.ts';

/** The optimizers of the paper's tables, which race unless others are asked for. */
export const defaultOptimizers = ['vradam', 'adamw', 'sgd-nesterov', 'rmsprop'] as const;

/** One of {@link defaultOptimizers}. */
export type DefaultOptimizer = (typeof defaultOptimizers)[number];

/**
 * All optimizers. `vradam-gradient-norm` brakes by the gradient, as the first published code does by default; `adam` has
 * its decay in the gradient, as what that code calls AdamW.
 */
export const optimizerNames = [...defaultOptimizers, 'vradam-gradient-norm', 'adam'] as const;

/** One of {@link optimizerNames}. */
export type OptimizerName = (typeof optimizerNames)[number];

/** How large a run is. */
export const presetNames = ['quick', 'medium', 'paper'] as const;

/** One of {@link presetNames}. */
export type PresetName = (typeof presetNames)[number];

/** Seeds of a comparison, unless a user says otherwise: one run decides nothing, but one at the paper's size takes days. */
export const usualSeeds: Readonly<Record<PresetName, number>> = { quick: 3, medium: 5, paper: 1 };

/** How the learning rate goes over the epochs; see the reproduction notes. */
export const scheduleNames = ['warmup-cosine', 'constant', 'constant-0.1'] as const;

/** One of {@link scheduleNames}. */
export type ScheduleName = (typeof scheduleNames)[number];

/**
 * What a position of the language model may look at. `causal`: itself and what comes before, everywhere.
 * `as-published`: only the decoder's own attention is masked, so that through the encoder a position sees the token that
 * it has to tell.
 */
export const maskings = ['causal', 'as-published'] as const;

/** One of {@link maskings}. */
export type Masking = (typeof maskings)[number];

/**
 * What a GFlowNet minimises. `corrected`: detailed balance of each transition up to the end of its trajectory.
 * `as-published`: what the paper's code computes, which compares every trajectory of the batch with every other, one
 * transition late, and beyond the end.
 */
export const gflownetLosses = ['corrected', 'as-published'] as const;

/** One of {@link gflownetLosses}. */
export type GflownetLoss = (typeof gflownetLosses)[number];

/** Options that not every task has, and that a record keeps. */
export interface OwnOptions {
  /** Augments the validation images too, as the paper's code does. */
  readonly augmentValidation: boolean;
  /** What a position of the language model may look at. */
  readonly masking: Masking;
  /** Never clears gradients, as the paper's code of the language model does. */
  readonly accumulateBug: boolean;
  /** What a GFlowNet minimises. */
  readonly gflownetLoss: GflownetLoss;
}

/** What they are unless a user says otherwise. */
export const ownDefaults: OwnOptions = {
  augmentValidation: false,
  masking: 'causal',
  accumulateBug: false,
  gflownetLoss: 'corrected',
};

/** What a user decides about a run of a task. */
export interface TaskOptions extends OwnOptions {
  /** Size. */
  readonly preset: PresetName;
  /** Seed of weights, batches, augmentation and generated data. */
  readonly seed: number;
  /** Folder of real data; undefined for generated data. */
  readonly data: string | undefined;
  /** Schedule. */
  readonly schedule: ScheduleName;
  /** Epochs; the preset's by default. */
  readonly epochs: number | undefined;
  /** A `tokenizer.json` for the language model; undefined for words. */
  readonly tokenizer: string | undefined;
}

/** Options that not every task has. */
export type OwnOption = keyof OwnOptions | 'tokenizer';

/** What a metric says of some examples. */
export interface Score {
  /** Examples. */
  readonly count: number;
  /** Sum of their losses. */
  readonly loss: number;
  /** Examples that were right; null where nothing can be. */
  readonly correct: number | null;
}

/** An optimizer of a task, ready to be bound. */
export interface TaskOptimizer {
  /** Peak learning rate. */
  readonly learningRate: number;
  /** Every hyper-parameter, for the record. */
  readonly options: Readonly<Record<string, unknown>>;
  /** With the task's schedule. */
  readonly spec: OptimizerSpec;
}

/** What a model without learning reaches, to compare with. */
export interface Baseline {
  /** What it is. */
  readonly name: string;
  /** Its loss on the validation examples. */
  readonly validationLoss: number;
  /** Its loss on the test examples. */
  readonly testLoss: number;
}

/** Batches one after another, each made when it is asked for. */
export type Batches = Iterable<Batch> | AsyncIterable<Batch>;

/** A task with its data in memory. */
export interface Problem {
  /** The model with its loss. */
  readonly network: Network;
  /** One plain line saying what data this is. */
  readonly dataLine: string;
  /** For the record: source, counts, checksums. */
  readonly data: Readonly<Record<string, unknown>>;
  /** For the record: every number of the preset. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What can be had without learning; none by default. */
  readonly baselines?: readonly Baseline[];
  /** Whether losses are nats a token, so that their exponentials are perplexities. Default false. */
  readonly perplexity?: boolean;
  /** Epochs of a run. */
  readonly epochs: number;
  /** Steps of an epoch. */
  readonly stepsPerEpoch: number;
  /**
   * Whether training batches depend on the model at the moment they are made, so that an epoch cannot be gone on with in
   * its middle. Default false.
   */
  readonly batchesNeedModel?: boolean;
  /**
   * Batches of an epoch: shuffled and augmented, or sampled, by seed and epoch.
   *
   * @param session - what a policy is asked of, where a model makes its own examples; nothing else depends on it.
   */
  trainBatches(epoch: number, session: Session): Batches;
  /** Batches of the validation examples, the same in every epoch unless they are augmented or sampled. */
  validationBatches(epoch: number, session: Session): Batches;
  /** Batches of the test examples. */
  testBatches(session: Session): Batches;
  /** Judges an evaluation. */
  score(batch: Batch, evaluation: Evaluation): Score;
  /**
   * What else is worth knowing of a batch, by name; nothing by default.
   *
   * @param trainingLoss - of a training step; undefined for batches of an evaluation.
   */
  metrics?(batch: Batch, trainingLoss?: number): Readonly<Record<string, number>>;
  /**
   * Pictures of what a session has learnt, as PNG files by name; none by default or if undefined.
   *
   * @param epoch - the one that is finished, from 0.
   */
  pictures?(
    epoch: number,
    optimizer: OptimizerName,
    session: Pick<Session, 'evaluate'>,
  ): Promise<Readonly<Record<string, Uint8Array>> | undefined>;
  /** The optimizer of this name, with a learning rate and a brake of the user's or the preset's. */
  optimizer(name: OptimizerName, learningRate?: number, brake?: Partial<Brake>): TaskOptimizer;
}

/** A task. */
export interface Task {
  /** Name on the command line. */
  readonly name: string;
  /** One line for `--help` and reports. */
  readonly title: string;
  /** Its schedule unless a user says otherwise. */
  readonly schedule: ScheduleName;
  /** Options that it has and others may not have. */
  readonly ownOptions: readonly OwnOption[];
  /** Loads or makes the data. */
  prepare(options: TaskOptions): Promise<Problem>;
}
