/** A page of its own, as far as modules go: trains a network for images, then one with rare operators. */

import * as ort from 'onnxruntime-web/wasm';
import { createTrainingSession, crossEntropy, type Model, vradam } from '../../src/index.ts';
import { images, layers, learn } from '../onDemandModels.ts';
import { loadedFrom } from './page.ts';

/** What a course of training found. */
export interface Course {
  readonly losses: readonly number[];
  /** Addresses of what has been loaded until then. */
  readonly loaded: readonly string[];
}

async function course(model: Model, dims: readonly number[]): Promise<Course> {
  const optimizer = vradam({ learningRate: 0.05 });
  const session = await createTrainingSession(ort, { model, loss: crossEntropy(), optimizer });
  const losses = await learn(session, dims);
  await session.dispose();
  return { losses, loaded: loadedFrom() };
}

declare const postMessage: (courses: readonly Course[]) => void;

ort.env.wasm.numThreads = 1;
const first = await course(images(), [1, 6, 6]);
postMessage([first, await course(layers('Einsum'), [36])]);
