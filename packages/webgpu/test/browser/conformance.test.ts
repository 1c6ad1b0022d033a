/** In Chromium: the operations pass the published suite. */

import { testOptimizer, testTensorOps } from '@vradam/conformance';
import { describe, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { backendsOn } from '../../conformance.mjs';

const newDevice = async () => (await navigator.gpu.requestAdapter())?.requestDevice();

for (const backend of backendsOn(newDevice)) {
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend, 1);
}
