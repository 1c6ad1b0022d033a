/** The core's own backends pass the published suite. */

import { describe, it } from 'vitest';
import { coreBackends, testGolden, testOptimizer, testTensorOps } from '../src/index.ts';
import { loadGolden } from '../src/node.ts';

const golden = await loadGolden();

for (const backend of coreBackends) {
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend, 25);
  testGolden({ describe, it }, backend, golden);
}
