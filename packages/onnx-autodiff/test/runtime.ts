/** Runs models of this package on onnxruntime-node. */

import * as ort from 'onnxruntime-node';
import { type DataType, encodeModel, type Model, type TensorData } from '../src/index.ts';

/** A tensor on the host. */
export interface HostTensor {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Feeds or results by name. */
export type Tensors = Readonly<Record<string, HostTensor>>;

const options: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
};

/** Opens a model; throws what onnxruntime throws. */
export async function openModel(model: Model): Promise<(feeds: Tensors) => Promise<Tensors>> {
  const session = await ort.InferenceSession.create(encodeModel(model), options);
  return async (feeds) => {
    const given = Object.entries(feeds).map(([name, { dtype, shape, data }]) => {
      return [name, new ort.Tensor(dtype as 'float32', data as Float32Array, shape)] as const;
    });
    const results = await session.run(Object.fromEntries(given));
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, dims, data }]) => [
        name,
        { dtype: type as DataType, shape: dims, data: data as TensorData },
      ]),
    );
  };
}

/** Opens a model and runs it once. */
export async function runModel(model: Model, feeds: Tensors): Promise<Tensors> {
  return (await openModel(model))(feeds);
}
