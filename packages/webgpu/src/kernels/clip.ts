/** The factor of `clipByGlobalNorm`, of the partial sums of squares over all gradients. */

import { header } from '../layout.ts';
import { literal } from '../ops.ts';
import { assemble, type Kernel } from './kernel.ts';
import { total, totalSize } from './total.ts';

/** @param partials - how many there are. */
export const clipKernel = (maxNorm: number, partials: number): Kernel =>
  assemble(
    totalSize,
    ['control'],
    [],
    `let squares = total(lane, 0u, ${partials}u);
if (lane == 0u) {
  control[${header.factor}] = bitcast<u32>(lesser(1f, ${literal(maxNorm)} / sqrt(squares)));
}`,
    total,
  );
