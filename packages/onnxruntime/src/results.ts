/** What the calls of a session give. */

import type { OrtTensor } from './runtime.ts';
import type { GroupReport } from './update/update.ts';

/** Numbers with a shape. */
export interface HostTensor {
  /** Shape. */
  readonly dims: readonly number[];
  /** Elements, row-major. The caller's. */
  readonly data: Float32Array;
}

/** What a training step did. */
export interface TrainResult {
  /** Loss of the batch, before the step. */
  readonly loss: number;
  /** Steps taken so far, this one included. */
  readonly step: number;
  /** True if a non-finite gradient was skipped, or is still being accumulated, so that nothing moved. */
  readonly skipped: boolean;
  /** What the optimizer did, for each group of parameters; empty if nothing moved. */
  readonly groups: readonly GroupReport[];
}

/** What an evaluation found. */
export interface EvalResult {
  /** Loss of the batch. */
  readonly loss: number;
  /** Outputs of the model by name, as tensors of onnxruntime. */
  readonly outputs: Readonly<Record<string, OrtTensor>>;
}

/** Loss and gradients of a batch. */
export interface GradientResult {
  /** Loss of the batch. */
  readonly loss: number;
  /** Gradient by each parameter that the loss depends on. */
  readonly gradients: Readonly<Record<string, HostTensor>>;
}

/** A session's facts and the last step's numbers. */
export interface SessionStats {
  /** Where the optimizer runs. */
  readonly update: 'host' | 'graph' | 'device';
  /** Runtime and its version. */
  readonly runtime: string;
  /** Steps taken. */
  readonly step: number;
  /** Steps skipped because of non-finite gradients. */
  readonly skippedSteps: number;
  /** Trained elements. */
  readonly parameterCount: number;
  /** What the optimizer did in the last step. */
  readonly groups: readonly GroupReport[];
  /** Nodes of the training graph; 0 before the first step. */
  readonly nodes: number;
  /** Milliseconds to build the training graph. */
  readonly buildMs: number;
  /** Milliseconds that onnxruntime took to make a session of it. */
  readonly createMs: number;
}
