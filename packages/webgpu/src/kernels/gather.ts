/** Adds a batch's gradient to the sum of several batches. */

import { flag, header } from '../layout.ts';
import { literal } from '../ops.ts';
import { assemble, type Kernel, loadFactor, loadGradient, type Setting, walk } from './kernel.ts';

/** @param weight - of each batch. */
export function gatherKernel(setting: Setting, weight: number): Kernel {
  const { layout, shape } = setting;
  const lines = [
    loadGradient(setting),
    `let share = ${literal(weight)} * gradient0;`,
    // a sum that begins forgets what it was, NaN too
    `if ((control[${layout.flags}u + tensor] & ${flag.adds}u) != 0u) { gradientSum[i] += share; } else { gradientSum[i] = share; }`,
  ];
  const body = [
    loadFactor(setting, header.factor),
    walk(setting, { alike: false, flag: flag.gathers, counted: false }, 'gradientSum', lines),
  ].join('\n');
  return assemble(shape.size, ['gradientSum'], ['gradientSum', 'gradient'], body);
}
