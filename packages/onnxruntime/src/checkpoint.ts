/** A session as one safetensors file. */

import {
  decodeSafetensors,
  decodeState,
  encodeSafetensors,
  encodeState,
  type SafeTensor,
  VRAdamError,
} from '@vradam/core';
import { fail, show } from './kit.ts';
import type { Learnt } from './update/update.ts';

/** Version of the layout below. */
const schema = 'vradam-session/1';

/** What a session continues from. */
export interface Checkpoint extends Learnt {
  /** Seed of the masks. */
  readonly seed: number;
  /** Training passes so far. */
  readonly passes: number;
}

/** Shapes of parameters and buffers by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Writes a checkpoint: `parameter/NAME`, `buffer/NAME`, and the state of the optimizer as the core encodes it. */
export function encodeCheckpoint(checkpoint: Checkpoint, shapes: Shapes): Uint8Array<ArrayBuffer> {
  const { parameters, buffers, optimizer, seed, passes } = checkpoint;
  const tensors: Record<string, SafeTensor> = {};
  const put = (kind: string, values: ReadonlyMap<string, Float32Array>): void => {
    for (const [name, data] of values) {
      tensors[`${kind}/${name}`] = { dtype: 'F32', shape: shapes.get(name) as readonly number[], data };
    }
  };
  put('parameter', parameters);
  put('buffer', buffers);
  const state = encodeState(optimizer);
  tensors['optimizer'] = { dtype: 'U8', shape: [state.length], data: state };
  return encodeSafetensors({ tensors, metadata: { schema, session: JSON.stringify({ seed, passes }) } });
}

function numbersOf(text: string | undefined): { seed: number; passes: number } {
  try {
    const { seed, passes } = JSON.parse(text ?? '');
    if (!Number.isInteger(seed) || !Number.isSafeInteger(passes) || passes < 0)
      throw new RangeError(`${text}`);
    return { seed, passes };
  } catch (cause) {
    return fail('ERR_FILE_FORMAT', `not a valid checkpoint. Received: session ${show(text)}.`, cause);
  }
}

/** All tensors of a kind, which must be those of the session. */
function take(
  kind: string,
  tensors: Readonly<Record<string, SafeTensor>>,
  names: readonly string[],
  shapes: Shapes,
): Map<string, Float32Array> {
  const taken = new Map<string, Float32Array>();
  for (const name of names) {
    const tensor = tensors[`${kind}/${name}`];
    const shape = shapes.get(name);
    if (tensor?.dtype !== 'F32' || String(tensor.shape) !== String(shape)) {
      fail(
        'ERR_STATE_MISMATCH',
        `the checkpoint must hold the ${kind} ${show(name)} as F32[${shape}]. Received: ${tensor ? `${tensor.dtype}[${tensor.shape}]` : 'none'}.`,
      );
    }
    taken.set(name, tensor.data as Float32Array);
  }
  return taken;
}

/**
 * Reads what {@link encodeCheckpoint} wrote.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT`, `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH` if it is of another model.
 */
export function decodeCheckpoint(
  bytes: Uint8Array,
  parameterNames: readonly string[],
  bufferNames: readonly string[],
  shapes: Shapes,
): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes);
  if (metadata['schema'] !== schema) {
    throw new VRAdamError(
      'ERR_STATE_VERSION',
      `[@vradam/onnxruntime] a checkpoint must be of schema ${schema}. Received: ${show(metadata['schema'])}.`,
    );
  }
  const known = new Set([
    ...parameterNames.map((name) => `parameter/${name}`),
    ...bufferNames.map((name) => `buffer/${name}`),
    'optimizer',
  ]);
  const extra = Object.keys(tensors).find((name) => !known.has(name));
  if (extra !== undefined)
    fail('ERR_STATE_MISMATCH', `the checkpoint holds what this session has not. Received: ${show(extra)}.`);
  const state =
    tensors['optimizer']?.data ??
    fail('ERR_FILE_FORMAT', 'a checkpoint must hold the state of the optimizer. Received: none.');
  return {
    ...numbersOf(metadata['session']),
    parameters: take('parameter', tensors, parameterNames, shapes),
    buffers: take('buffer', tensors, bufferNames, shapes),
    optimizer: decodeState(new Uint8Array(state.buffer, state.byteOffset, state.byteLength)),
  };
}
