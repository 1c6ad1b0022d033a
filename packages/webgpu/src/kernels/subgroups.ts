/** Adding up a workgroup's sums by shuffles within subgroups: one barrier where the tree takes two. */

import { fail } from '../errors.ts';
import type { Reduction } from './kernel.ts';

/** Adds `value` over a subgroup: a butterfly, so that the order is fixed and every invocation has the same bits. */
const butterfly = (value: string): string =>
  `for (var k = 1u; k < subgroupSize; k *= 2u) { ${value} += subgroupShuffleXor(${value}, k); }`;

/**
 * For the option `reduction` of `createOptimizer`, on a device that was requested with the feature `subgroups`. Sums are
 * the same in every run on a device, and rounded otherwise than those of the tree.
 *
 * After the barrier each subgroup adds all sums, so nothing depends on which invocations a subgroup is made of.
 */
export const subgroups: Reduction = {
  check({ features, adapterInfo }, size) {
    if (!features.has('subgroups')) {
      fail(
        'ERR_UNSUPPORTED',
        'the device must have subgroups. Received: a device without. Ask the adapter for them: requestDevice({ requiredFeatures: ["subgroups"] }), or leave out reduction.',
      );
    }
    const most = adapterInfo.subgroupMaxSize;
    if (size % most !== 0) {
      fail(
        'ERR_OPTION_RANGE',
        `workgroupSize must be a multiple of ${most}, so that all subgroups are full. Received: ${size}.`,
      );
    }
  },
  write: (size, sum, place) => `var part = ${sum};
${butterfly('part')}
lanes[lane] = select(0f, part, subgroupLane == 0u);
workgroupBarrier();
var whole = 0f;
for (var k = subgroupLane; k < ${size}u; k += subgroupSize) { whole += lanes[k]; }
${butterfly('whole')}
if (lane == 0u) { ${place} = whole; }`,
};
