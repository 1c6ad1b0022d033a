/** Arena, arrays of the caller's own, and the fallback pass the published suite. */

import { testGolden, testOptimizer, testTensorOps } from '@vradam/conformance';
import { loadGolden } from '@vradam/conformance/node';
import { describe, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { backends } from '../conformance.mjs';

const golden = await loadGolden();

for (const backend of backends) {
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend);
  testGolden({ describe, it }, backend, golden);
}
