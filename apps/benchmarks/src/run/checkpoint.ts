/** Checkpoints: a safetensors file with the model, the optimizer, and how far the run has come. */

import {
  decodeSafetensors,
  decodeState,
  encodeSafetensors,
  encodeState,
  type SafeTensor,
  VRAdamError,
} from '@vradam/core';
import type { Snapshot } from '../engines/engine.ts';
import { benchmarkError } from '../errors.ts';
import type { HostTensor } from '../nn/nn.ts';
import type { OptimizerName } from '../tasks/task.ts';

/** How far a run has come. */
export interface RunProgress {
  /** The optimizer in training, or the next one. */
  readonly optimizer: OptimizerName;
  /** Its finished epochs. */
  readonly epochs: number;
  /** Steps taken of the epoch in progress. */
  readonly steps: number;
  /** Sum of their losses. */
  readonly lossSum: number;
  /** Bytes of `metrics.jsonl` that belong to what is finished. */
  readonly metricsBytes: number;
}

/** A point from which a run can go on. */
export interface Checkpoint {
  /** How far it has come. */
  readonly progress: RunProgress;
  /** What the session has learnt; null before its first epoch is finished. */
  readonly snapshot: Snapshot | null;
}

/** The first version had no steps within an epoch; it is still read. */
const schemas = ['vradam-checkpoint/2', 'vradam-checkpoint/1'];

type Tensors = Record<string, SafeTensor>;

const prefixed = (prefix: string, tensors: Readonly<Record<string, HostTensor>>): Tensors =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, data }]) => [
      `${prefix}/${name}`,
      { dtype: 'F32', shape, data },
    ]),
  );

function unprefixed(prefix: string, tensors: Readonly<Tensors>): Record<string, HostTensor> {
  const own = Object.entries(tensors).filter(([name]) => name.startsWith(`${prefix}/`));
  return Object.fromEntries(
    own.map(([name, { shape, data }]) => [
      name.slice(prefix.length + 1),
      { shape, data: data as Float32Array },
    ]),
  );
}

/** Encodes a checkpoint. */
export function encodeCheckpoint({ progress, snapshot }: Checkpoint): Uint8Array {
  let tensors: Tensors = {};
  if (snapshot) {
    const optimizer = encodeState(snapshot.optimizer);
    tensors = {
      ...prefixed('parameter', snapshot.parameters),
      ...prefixed('buffer', snapshot.buffers),
      optimizer: { dtype: 'U8', shape: [optimizer.length], data: optimizer },
    };
  }
  const passes = String(snapshot?.passes ?? 0);
  return encodeSafetensors({
    tensors,
    metadata: { schema: schemas[0] as string, progress: JSON.stringify(progress), passes },
  });
}

/**
 * Decodes a checkpoint.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT`, `ERR_STATE_VERSION`.
 */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes);
  if (!schemas.includes(metadata['schema'] ?? '')) {
    throw benchmarkError('ERR_STATE_VERSION', {
      wrong: `a checkpoint must be of schema ${schemas.join(' or ')}`,
      received: metadata['schema'],
      action: 'Continue the run with the version that began it.',
    });
  }
  try {
    const progress = { steps: 0, lossSum: 0, ...JSON.parse(metadata['progress'] ?? '') } as RunProgress;
    const { optimizer } = tensors;
    if (!optimizer) return { progress, snapshot: null };
    const snapshot = {
      parameters: unprefixed('parameter', tensors),
      buffers: unprefixed('buffer', tensors),
      optimizer: decodeState(optimizer.data as Uint8Array),
      // checkpoints from before there was dropout do not say
      passes: Number(metadata['passes'] ?? 0),
    };
    return { progress, snapshot };
  } catch (cause) {
    if (cause instanceof VRAdamError) throw cause;
    throw benchmarkError('ERR_FILE_FORMAT', {
      wrong: 'the checkpoint is damaged',
      received: cause,
      action: 'Remove it and start the run again.',
      cause,
    });
  }
}
