/** The suite in a test runner: three calls, a dozen lines for a new backend. */

import type { ConformanceBackend } from './backend.ts';
import { type Check, declare, type TestHooks, violated } from './check.ts';
import { optimizerChecks } from './checks/optimizer.ts';
import { tensorOpsChecks } from './checks/tensorOps.ts';
import { replay, replaySchedule } from './golden/replay.ts';
import { parseSchedule, parseTrajectory } from './golden/trajectory.ts';

/** Declares the claims about a backend's operations. */
export function testTensorOps<T, S>(hooks: TestHooks, backend: ConformanceBackend<T, S>): void {
  declare(hooks, `${backend.name}: tensor operations`, tensorOpsChecks(backend));
}

/**
 * Declares the properties of every optimizer on a backend.
 *
 * @param numRuns - random problems for each property. Default 10.
 */
export function testOptimizer<T, S>(
  hooks: TestHooks,
  backend: ConformanceBackend<T, S>,
  numRuns?: number,
): void {
  declare(hooks, `${backend.name}: optimizers`, optimizerChecks(backend, numRuns));
}

/**
 * The golden files as checks; a file that the backend's element type cannot hold is skipped.
 *
 * @param files - parsed JSON by file name, e.g. from `loadGolden()`.
 */
export function goldenChecks<T, S>(
  backend: ConformanceBackend<T, S>,
  files: Readonly<Record<string, unknown>>,
): Check[] {
  const replayable = Object.entries(files).filter(([, json]) => schemaOf(json) !== 'vradam-index/1');
  return replayable.map(([name, json]) => ({
    name,
    async run() {
      const isSchedule = schemaOf(json) === 'vradam-schedule/1';
      const result = isSchedule
        ? replaySchedule(parseSchedule(json))
        : await replay(backend, parseTrajectory(json));
      if (result.failures.length > 0) violated(result.failures.join('; '));
      return result.skipped ? result.excuses.map(({ reason }) => reason).join('; ') : undefined;
    },
  }));
}

/** Declares one test for each golden file. */
export function testGolden<T, S>(
  hooks: TestHooks,
  backend: ConformanceBackend<T, S>,
  files: Readonly<Record<string, unknown>>,
): void {
  declare(hooks, `${backend.name}: golden trajectories`, goldenChecks(backend, files));
}

/** The schema a file names, or undefined. */
export function schemaOf(json: unknown): unknown {
  return typeof json === 'object' && json !== null ? (json as { schema?: unknown }).schema : undefined;
}
