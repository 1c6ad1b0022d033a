/** An engine runs a network: its forward and backward pass, and an optimizer of the core on its parameters. */

import type { OptimizerSpec, StateDict } from '@vradam/core';
import type { Batch, HostTensor, Network } from '../nn/nn.ts';

/** What one training step was. */
export interface StepReport {
  /** Mean loss of the batch, before the update. */
  readonly loss: number;
  /** Base learning rate. */
  readonly learningRate: number;
  /** Learning rate the parameters moved by. */
  readonly effectiveLearningRate: number;
  /** Norm that braked it; null for an optimizer without one. */
  readonly norm: number | null;
  /** Wall time of the whole step, in milliseconds. */
  readonly stepMs: number;
  /** Part of it that the optimizer took, in milliseconds; null where the whole step is one run of one graph. */
  readonly optimizerMs: number | null;
}

/** What a network says of a batch, without training. */
export interface Evaluation {
  /** Loss of each example. */
  readonly losses: Float32Array;
  /** Outputs of the network by name. */
  readonly outputs: Readonly<Record<string, HostTensor>>;
}

/** Everything a session has learnt, as plain data; the same on every engine. */
export interface Snapshot {
  /** Parameters by name. */
  readonly parameters: Readonly<Record<string, HostTensor>>;
  /** Buffers by name: running statistics. */
  readonly buffers: Readonly<Record<string, HostTensor>>;
  /** State of the optimizer. */
  readonly optimizer: StateDict;
  /** Training steps taken: with the seed they decide the masks of dropout. */
  readonly passes: number;
}

/** A network in training on an engine. */
export interface Session {
  /** Takes one step. */
  trainStep(batch: Batch): Promise<StepReport>;
  /**
   * Adds the gradients of a batch to those of the batches before; a batch counts as much as another, however large.
   *
   * @returns mean loss of the batch.
   */
  accumulate(batch: Batch): Promise<number>;
  /** Takes one step with the mean of the gradients that were accumulated. */
  optimizerStep(): Promise<Omit<StepReport, 'loss'>>;
  /**
   * Product of the Hessian of a batch's mean loss with a vector, in training mode. Nothing changes.
   *
   * @param vector - as many numbers as each parameter has, by its name.
   * @returns the product, by parameter name.
   */
  hessianVectorProduct(
    batch: Batch,
    vector: Readonly<Record<string, Float32Array>>,
  ): Promise<Readonly<Record<string, Float32Array>>>;
  /** Looks at a batch with the running statistics. */
  evaluate(batch: Batch): Promise<Evaluation>;
  /** Copies everything out. */
  save(): Promise<Snapshot>;
  /** Continues from a snapshot of the same network and optimizer. */
  load(snapshot: Snapshot): Promise<void>;
  /** Releases everything. */
  dispose(): void;
}

/** What a session begins with. */
export interface SessionOptions {
  /** The model with its loss. */
  readonly network: Network;
  /** First values of the parameters. */
  readonly parameters: ReadonlyMap<string, HostTensor>;
  /** First values of the buffers. */
  readonly buffers: ReadonlyMap<string, HostTensor>;
  /** The optimizer. */
  readonly optimizer: OptimizerSpec;
  /** Seed of dropout's masks, a 32-bit integer. Default 0. */
  readonly seed?: number;
}

/** A way of running networks. */
export interface Engine {
  /** Name on the command line. */
  readonly name: string;
  /**
   * How it makes products of Hessians: `null` exactly, else by the difference of two gradients, and then how far apart
   * their parameters are, as a Euclidean distance.
   */
  readonly hessianStep: number | null;
  /** Versions of what it runs on, for the record. */
  readonly versions: Readonly<Record<string, string>>;
  /** Starts training a network. */
  createSession(options: SessionOptions): Promise<Session>;
  /** Ends it: a process of its own, if it has one, and with it what was in training. */
  close(): Promise<void>;
}
