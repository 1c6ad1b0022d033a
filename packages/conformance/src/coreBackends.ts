/** The core's own backends, as the suite sees them. */

import { float32Ops, float64Ops } from '@vradam/core';
import type { ConformanceBackend } from './backend.ts';
import { createTrackedOps } from './trackedOps.ts';

const tracked = createTrackedOps();

/** `core-float64`, `core-float32`, and `core-tracked`, which watches ownership. */
export const coreBackends: readonly ConformanceBackend[] = [
  { name: 'core-float64', create: () => float64Ops },
  { name: 'core-float32', create: () => float32Ops },
  { name: 'core-tracked', create: () => tracked.ops, liveTensors: tracked.liveTensors },
] as readonly ConformanceBackend[];
