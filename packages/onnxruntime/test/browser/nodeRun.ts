/** What onnxruntime-node makes of the training, in the same run of the tests: browsers are held against it. */

import * as node from 'onnxruntime-node';
import type { TestProject } from 'vitest/node';
import { createTrainingSession, type TrainingSession, type TrainingSessionOptions } from '../../src/index.ts';
import { convolutional, images } from '../images.ts';
import { batch } from '../models.ts';
import { train, training } from '../training.ts';

/** Two courses. */
export interface NodeRun {
  /** Loss of each of ten steps of the perceptron. */
  readonly losses: readonly number[];
  /** Its checkpoint after the third. */
  readonly checkpoint: readonly number[];
  /** Its loss in evaluation after the last. */
  readonly evaluated: number;
  /** Loss of each of five steps of the convolutional network. */
  readonly imageLosses: readonly number[];
}

declare module 'vitest' {
  export interface ProvidedContext {
    nodeRun: NodeRun;
  }
}

const open = (options: Partial<TrainingSessionOptions> = {}): Promise<TrainingSession> =>
  createTrainingSession(node, training({ sessionOptions: { intraOpNumThreads: 1 }, ...options }));

/** Hands the courses to the browser. */
export async function setup({ provide }: TestProject): Promise<void> {
  const session = await open();
  const begin = await train(session, 3);
  const checkpoint = [...(await session.saveCheckpoint())];
  const losses = [...begin, ...(await train(session, 7, 3))];
  const { loss: evaluated } = await session.evalStep(batch(8, 1));
  const seeing = await open({ model: convolutional() });
  const imageLosses = await train(seeing, 5, 0, images);
  provide('nodeRun', { losses, checkpoint, evaluated, imageLosses });
  await session.dispose();
  await seeing.dispose();
}
