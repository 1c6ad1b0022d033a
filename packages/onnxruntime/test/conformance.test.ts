/**
 * The traced step, and the core's step on gradients of onnxruntime, pass the published suite. In WebAssembly every
 * graph takes ten times as long to open, so that one random problem and the first steps of each trajectory are run
 * there; onnxruntime-node replays them whole through the same graphs.
 */

import { type ConformanceBackend, testGolden, testOptimizer, testTensorOps } from '@vradam/conformance';
import { loadGolden } from '@vradam/conformance/node';
import { describe, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import * as adapter from '../conformance.mjs';

const backends: readonly ConformanceBackend[] = adapter.backends;
const golden = await loadGolden();

/** The files with no more than the first steps of each trajectory. */
const firstSteps = (count: number): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(golden as Record<string, { steps?: unknown }>).map(([name, json]) => {
      return [name, Array.isArray(json.steps) ? { ...json, steps: json.steps.slice(0, count) } : json];
    }),
  );

for (const backend of backends) {
  const inWasm = backend.name.includes('web');
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend, inWasm ? 1 : 2);
  testGolden({ describe, it }, backend, inWasm ? firstSteps(4) : golden);
}
