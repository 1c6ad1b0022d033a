/** The verdict on a batch: whether it is skipped, and else whether it completes a step. One workgroup. */

import { flag, header, type Layout } from '../layout.ts';
import { assemble, type Kernel } from './kernel.ts';
import { totalSize } from './total.ts';

/**
 * Sets each tensor's flags anew: the host does not know which batches were skipped, so neither what has been gathered.
 *
 * @param batches - of a step.
 */
export function judgeKernel({ tensors, flags, skips, gathered }: Layout, batches: number): Kernel {
  const body = `let bad = atomicLoad(&alarm) != 0u;
let batch = control[${header.batch}] + u32(!bad);
let isStep = !bad && batch == ${batches}u;
storageBarrier();
for (var tensor = lane; tensor < ${tensors}u; tensor += ${totalSize}u) {
  let found = u32((control[${flags}u + tensor] & ${flag.gathers}u) != 0u);
  let had = control[${gathered}u + tensor];
  let has = had | found;
  control[${skips}u + tensor] += found & (had | u32(bad));
  control[${flags}u + tensor] = select(found * ${flag.gathers}u + had * ${flag.adds}u + select(0u, has, isStep), 0u, bad);
  control[${gathered}u + tensor] = select(select(has, 0u, isStep), had, bad);
}
if (lane == 0u) {
  control[${header.batch}] = select(batch, 0u, isStep);
  control[${header.skipped}] += u32(bad);
  control[${header.verdict}] = u32(!isStep);
  atomicStore(&alarm, 0u);
}`;
  return assemble(totalSize, ['control', 'alarm'], [], body);
}
