/** The operations pass the published suite. The kernels of a step have tests of their own: golden and steps. */

import { testGolden, testOptimizer, testTensorOps } from '@vradam/conformance';
import { loadGolden } from '@vradam/conformance/node';
import { describe, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { backendsOn } from '../conformance.mjs';
import { needsDevice, sharedDevice } from './device.ts';

needsDevice();

const all = Object.entries(await loadGolden());
// an operation is a dispatch here: one file of each algorithm will do
const some = Object.fromEntries(
  all.filter(([name]) =>
    /^(adamw-missing|momentum|rmsprop-centered-m|sgd-momentum-n|vradam-two|vrmomentum-m)/.test(name),
  ),
);

for (const backend of backendsOn(sharedDevice)) {
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend, 1);
  testGolden({ describe, it }, backend, some);
}
