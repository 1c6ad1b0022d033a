/** Gradients as users give them, checked. */

import { fail, show } from './errors.ts';
import { copySource } from './platform.ts';
import { type BufferRange, checkRange, isBuffer, rangeOf, type Tensor } from './tensors.ts';

/** A gradient: a buffer, a part of one, or none. */
export type Gradient = GPUBuffer | BufferRange | null | undefined;

/** Gradients by parameter name; a missing one may be left out, `null` or `undefined`. */
export type GPUGradients = Readonly<Record<string, Gradient>>;

/** Where a gradient is: in the arena already, elsewhere, or nowhere. */
export type Found = 'arena' | Required<BufferRange> | null;

/**
 * Finds each tensor's gradient.
 *
 * @param views - the arena's own gradients.
 * @throws VRAdamError `ERR_PARAMETER_UNKNOWN`, `ERR_OPTION_TYPE`, `ERR_SHAPE_MISMATCH`, `ERR_BUFFER`.
 */
export function findGradients(
  tensors: readonly Tensor[],
  gradients: Readonly<Record<string, Gradient>>,
  views: Readonly<Record<string, GPUBufferBinding>>,
): Found[] {
  if (gradients === views) return tensors.map(() => 'arena');
  for (const name of Object.keys(Object(gradients))) {
    if (!Object.hasOwn(views, name)) fail('ERR_PARAMETER_UNKNOWN', `gradient ${show(name)} is unknown.`);
  }
  return tensors.map(({ name, elements }) => {
    const given = Object.hasOwn(gradients, name) ? gradients[name] : null;
    if (given == null) return null;
    if (given === views[name]) return 'arena';
    const isPart = isBuffer(given) || (typeof given === 'object' && 'buffer' in given);
    if (!isPart)
      fail('ERR_OPTION_TYPE', `gradient ${show(name)} must be a GPUBuffer. Received: ${show(given)}.`);
    return checkRange(`gradient ${show(name)}`, rangeOf(given), 4 * elements, copySource);
  });
}
