/** One model trained in a process of its own, so that time and peak memory are its own. */

import { vradam } from '@vradam/core';
import { createTrainingSession, type UpdatePlacement } from '@vradam/onnxruntime';
import { median } from '../report/summary.ts';
import { type TrainingCase, trainingCases } from './cases.ts';

/** What a process measured. */
export interface WorkerResult {
  readonly name: string;
  readonly parameters: number;
  /** Where the optimizer ran. */
  readonly update: string;
  readonly firstLoss: number;
  readonly lastLoss: number;
  /** Milliseconds of a step. */
  readonly medianMs: number;
  readonly minMs: number;
  /** Nodes of the training graph; milliseconds to build it, and for onnxruntime to open it. */
  readonly nodes: number;
  readonly buildMs: number;
  readonly createMs: number;
  /** Resident memory after the imports, and its peak. */
  readonly importedMiB: number;
  readonly peakMiB: number;
  /** Growth of resident memory over the second half of the steps, in KiB a step. */
  readonly growthKiBPerStep: number;
}

/** Least-squares slope of y over x. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (axis: 0 | 1) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [x0, y0] = [mean(0), mean(1)];
  const above = points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0);
  return above / points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
}

/** Trains one case. */
export async function measureCase(
  name: string,
  { steps, update = 'auto' }: { readonly steps?: number; readonly update?: UpdatePlacement },
): Promise<WorkerResult> {
  const ort = await import('onnxruntime-node');
  const importedMiB = process.memoryUsage.rss() / 2 ** 20;
  const at = trainingCases[name] as TrainingCase;
  const session = await createTrainingSession(ort, {
    model: at.graph(),
    loss: at.loss,
    optimizer: vradam({ learningRate: 1e-3 }),
    update,
    sessionOptions: { intraOpNumThreads: 1, interOpNumThreads: 1 },
  });
  const feeds = at.feeds();
  const measured = steps ?? at.steps;
  const losses: number[] = [];
  const times: number[] = [];
  const memory: [number, number][] = [];
  for (let i = 0; i < at.warmup + measured; i++) {
    const begin = performance.now();
    losses.push((await session.trainStep(feeds)).loss);
    if (i >= at.warmup) times.push(performance.now() - begin);
    if (i >= at.warmup + measured / 2) memory.push([i, process.memoryUsage.rss() / 2 ** 10]);
  }
  const { nodes, buildMs, createMs, parameterCount, update: placement } = session.stats();
  return {
    name,
    parameters: parameterCount,
    update: placement,
    firstLoss: losses[0] as number,
    lastLoss: losses.at(-1) as number,
    medianMs: median(times),
    minMs: Math.min(...times),
    nodes,
    buildMs,
    createMs,
    importedMiB,
    peakMiB: process.resourceUsage().maxRSS / 2 ** 10,
    growthKiBPerStep: slope(memory),
  };
}
