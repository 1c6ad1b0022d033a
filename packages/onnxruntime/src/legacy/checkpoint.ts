/**
 * Writes the checkpoint that a TrainingSession of onnxruntime 1.19 starts from: a flatbuffer with the first
 * weights. State of the optimizer is left out: the session makes moments of zeros.
 *
 * @see ort_training_checkpoint.fbs in the source of onnxruntime 1.19
 */

import type { Tensor } from '@vradam/onnx-autodiff';
import { Builder, type Offset } from 'flatbuffers';
import { fail } from '../errors.ts';

/** What the file begins with, after four bytes. */
const identifier = 'ODTC';
/** Version of the checkpoint format; 1.19 reads no other. */
const version = 2;
/** Number of float32 among ONNX's element types. */
const float32 = 1;
/** A flatbuffer's offsets are int32. Some of it is left for names and tables. */
const byteLimit = 2 ** 31 - 2 ** 26;

/** Fields of the schema's tables by their numbers. */
const fields = {
  tensor: { name: 0, dims: 2, dataType: 3, rawData: 4, count: 7 },
  module: { trainable: 0, frozen: 1, count: 4 },
  checkpoint: { version: 0, module: 1, count: 4 },
} as const;

/** A table; `fill` adds its fields, whose values are there already. */
function table(builder: Builder, fieldCount: number, fill: () => void): Offset {
  builder.startObject(fieldCount);
  fill();
  return builder.endObject();
}

/** A vector, which a flatbuffer writes from its end. */
function vector<E>(
  builder: Builder,
  width: number,
  elements: readonly E[],
  add: (element: E) => void,
): Offset {
  builder.startVector(width, elements.length, width);
  for (const element of elements.toReversed()) add(element);
  return builder.endVector();
}

const tables = (builder: Builder, offsets: readonly Offset[]): Offset =>
  vector(builder, 4, offsets, (offset) => builder.addOffset(offset));

function writeTensor(builder: Builder, name: string, { shape, data }: Tensor): Offset {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  const rawData = builder.createByteVector(new Uint8Array(buffer, byteOffset, byteLength));
  const dims = vector(builder, 8, shape, (dim) => builder.addInt64(BigInt(dim)));
  const named = builder.createString(name);
  const { tensor } = fields;
  return table(builder, tensor.count, () => {
    builder.addFieldOffset(tensor.name, named, 0);
    builder.addFieldOffset(tensor.dims, dims, 0);
    builder.addFieldInt32(tensor.dataType, float32, 0);
    builder.addFieldOffset(tensor.rawData, rawData, 0);
  });
}

function writeModule(builder: Builder, parameters: ReadonlyMap<string, Tensor>): Offset {
  const trainable = tables(
    builder,
    [...parameters].map(([name, tensor]) => writeTensor(builder, name, tensor)),
  );
  const frozen = tables(builder, []); // must be there, even empty
  const { module } = fields;
  return table(builder, module.count, () => {
    builder.addFieldOffset(module.trainable, trainable, 0);
    builder.addFieldOffset(module.frozen, frozen, 0);
  });
}

/**
 * Bytes of a checkpoint.
 *
 * @param parameters - first values, float32, by name.
 * @throws VRAdamError `ERR_LIMIT` over 2 GB, which the format cannot hold.
 */
export function encodeCheckpoint(parameters: ReadonlyMap<string, Tensor>): Uint8Array<ArrayBuffer> {
  const bytes = [...parameters.values()].reduce((sum, { data }) => sum + 4 * data.length, 0);
  if (bytes > byteLimit) {
    fail(
      'ERR_LIMIT',
      `a checkpoint holds up to ${byteLimit} bytes. Received: ${bytes}. Train fewer parameters.`,
    );
  }
  const builder = new Builder(bytes + 1024 * (parameters.size + 1));
  const module = writeModule(builder, parameters);
  const { checkpoint } = fields;
  const root = table(builder, checkpoint.count, () => {
    builder.addFieldInt32(checkpoint.version, version, 0);
    builder.addFieldOffset(checkpoint.module, module, 0);
  });
  builder.finish(root, identifier);
  return builder.asUint8Array().slice();
}
