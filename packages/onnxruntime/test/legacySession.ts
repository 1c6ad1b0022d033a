/** The training build of onnxruntime-web 1.19, which Node may load by its path only. */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { TrainingArtifacts } from '../src/legacy/index.ts';

/** A tensor of onnxruntime-web. */
interface OrtTensor {
  readonly data: Float32Array;
}
/** Named tensors. */
type OrtTensors = Readonly<Record<string, OrtTensor>>;

/** What is used of `ort.TrainingSession`. */
export interface LegacySession {
  readonly trainingInputNames: readonly string[];
  readonly trainingOutputNames: readonly string[];
  readonly evalOutputNames: readonly string[];
  runTrainStep(feeds: OrtTensors): Promise<OrtTensors>;
  runEvalStep(feeds: OrtTensors): Promise<OrtTensors>;
  runOptimizerStep(): Promise<void>;
  lazyResetGrad(): Promise<void>;
  release(): Promise<void>;
}

/** Values for an input. */
export interface Feed {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}
/** Values for all inputs. */
export type Feeds = Readonly<Record<string, Feed>>;

const entry = createRequire(import.meta.url).resolve('onnxruntime-web-legacy');
const folder = new URL('./', pathToFileURL(entry)).href;
const ort = await import(/* @vite-ignore */ `${folder}ort.training.wasm.min.mjs`);
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = folder;

/** Opens a session on artifacts, for as long as it is used. */
export async function withLegacy<R>(
  artifacts: TrainingArtifacts,
  use: (session: LegacySession) => Promise<R>,
): Promise<R> {
  const { trainingModel: trainModel, evalModel, optimizerModel, checkpoint: checkpointState } = artifacts;
  const session = await ort.TrainingSession.create({
    trainModel,
    evalModel,
    optimizerModel,
    checkpointState,
  });
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

/** Tensors of that runtime. */
export function toLegacy(feeds: Feeds): OrtTensors {
  const tensors = Object.entries(feeds).map(([name, { shape, data }]) => {
    return [name, new ort.Tensor(data instanceof Float32Array ? 'float32' : 'int64', data, shape)];
  });
  return Object.fromEntries(tensors);
}

/** Losses of some steps, one batch after another. */
export async function trainLegacy(
  session: LegacySession,
  { loss }: TrainingArtifacts,
  batches: readonly Feeds[],
  steps: number,
): Promise<number[]> {
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const results = await session.runTrainStep(toLegacy(batches[step % batches.length] as Feeds));
    losses.push(results[loss]?.data[0] as number);
    await session.runOptimizerStep();
    await session.lazyResetGrad();
  }
  return losses;
}

/** Parameters in one array, from artifacts with `parameterOutputs`. */
export async function readLegacy(
  session: LegacySession,
  { parameters }: TrainingArtifacts,
  feeds: Feeds,
): Promise<number[]> {
  const results = await session.runEvalStep(toLegacy(feeds));
  return parameters.flatMap(({ name }) => Array.from(results[`${name}.value`]?.data as Float32Array));
}
