/** The golden trajectories, by the kernels that users run. */

import { parseTrajectory } from '@vradam/conformance';
import { loadGolden } from '@vradam/conformance/node';
import { describe, expect, test } from 'vitest';
import { adapterName, needsDevice, sharedDevice } from './device.ts';
import { replayOn } from './trajectory.ts';

needsDevice();

const isTrajectory = (json: unknown): boolean =>
  (json as { schema?: string } | null)?.schema === 'vradam-trajectory/1';
const files = Object.entries(await loadGolden()).filter(([, json]) => isTrajectory(json));

describe(`golden trajectories on ${adapterName}`, () => {
  test('are found', () => expect(files.length).toBeGreaterThan(20));

  test.each(files)('%s', async (_, json) => {
    const { failures, skipped } = await replayOn(await sharedDevice(), parseTrajectory(json));
    expect(failures).toEqual([]);
    if (skipped !== undefined) expect(skipped).toMatch(/float32/);
  });
});
