/** What onnxruntime-node makes of the training, in the same run of the tests: browsers are held against it. */

import * as node from 'onnxruntime-node';
import type { TestProject } from 'vitest/node';
import { createTrainingSession } from '../../src/index.ts';
import { batch } from '../models.ts';
import { train, training } from '../training.ts';

/** A course of ten steps. */
export interface NodeRun {
  /** Loss of each step. */
  readonly losses: readonly number[];
  /** Checkpoint after the third. */
  readonly checkpoint: readonly number[];
  /** Loss in evaluation after the last. */
  readonly evaluated: number;
}

declare module 'vitest' {
  export interface ProvidedContext {
    nodeRun: NodeRun;
  }
}

/** Hands the course to the browser. */
export async function setup({ provide }: TestProject): Promise<void> {
  const session = await createTrainingSession(node, training({ sessionOptions: { intraOpNumThreads: 1 } }));
  const begin = await train(session, 3);
  const checkpoint = [...(await session.saveCheckpoint())];
  const losses = [...begin, ...(await train(session, 7, 3))];
  const { loss: evaluated } = await session.evalStep(batch(8, 1));
  provide('nodeRun', { losses, checkpoint, evaluated });
  await session.dispose();
}
