/** Sharpness: the largest eigenvalue of the Hessian of a loss, as it is and as an optimizer sees it. */

import type { StateDict } from '@vradam/core';
import type { Session } from '../../engines/engine.ts';
import type { Batch } from '../../nn/nn.ts';
import { openRandom } from '../../random.ts';
import { type LanczosOptions, largestEigenvalue, type Ritz, type SymmetricOperator } from './lanczos.ts';

/** Parameters one behind the other, as one vector. */
export interface Flat {
  /** Name and number of elements of each. */
  readonly parts: readonly (readonly [name: string, length: number])[];
  /** Elements of all. */
  readonly length: number;
}

/** Lays parameters one behind the other. */
export function flatten(lengths: ReadonlyMap<string, number>): Flat {
  const parts = [...lengths];
  return { parts, length: parts.reduce((sum, [, length]) => sum + length, 0) };
}

/** A vector by parameter name, in float32. */
export function unflat({ parts }: Flat, vector: Float64Array): Record<string, Float32Array> {
  let begin = 0;
  const named = parts.map(([name, length]) => {
    begin += length;
    return [name, Float32Array.from(vector.subarray(begin - length, begin))];
  });
  return Object.fromEntries(named);
}

/** Its reverse. */
export function flat(
  { parts, length }: Flat,
  named: Readonly<Record<string, ArrayLike<number>>>,
): Float64Array {
  const vector = new Float64Array(length);
  let begin = 0;
  for (const [name, size] of parts) {
    vector.set(named[name] as ArrayLike<number>, begin);
    begin += size;
  }
  return vector;
}

/** Products with the Hessian of the mean loss over several chunks of one size. */
export function hessianOf(
  session: Pick<Session, 'hessianVectorProduct'>,
  chunks: readonly Batch[],
  shape: Flat,
): SymmetricOperator {
  return async (vector) => {
    const named = unflat(shape, vector);
    const sum = new Float64Array(shape.length);
    for (const chunk of chunks) {
      const product = flat(shape, await session.hessianVectorProduct(chunk, named));
      for (let i = 0; i < sum.length; i++)
        sum[i] = (sum[i] as number) + (product[i] as number) / chunks.length;
    }
    return sum;
  };
}

/** `D A D` with D diagonal. */
function scaled(multiply: SymmetricOperator, diagonal: Float64Array): SymmetricOperator {
  const by = (vector: Float64Array) => vector.map((value, i) => value * (diagonal[i] as number));
  return async (vector) => by(await multiply(by(vector)));
}

/**
 * `P^(-1/2)` of Adam and its kin, P being `(1 - beta1^t) (sqrt(m / (1 - beta2^t)) + epsilon)`: a step divides the
 * velocity by P. Parameters without state have 1.
 *
 * @param state - with a slot `secondMoment`.
 * @see Cohen et al., "Adaptive gradient methods at the edge of stability", arXiv 2207.14484, equation 4
 */
export function inverseRootOfPreconditioner(
  { tensors, parameterSteps }: StateDict,
  shape: Flat,
  { beta1, beta2, epsilon }: { readonly beta1: number; readonly beta2: number; readonly epsilon: number },
): Float64Array {
  const named = shape.parts.map(([name, length]): [string, Float64Array] => {
    const moments = tensors[`secondMoment/${name}`]?.data;
    const step = parameterSteps[name] ?? 0;
    if (!moments || step === 0) return [name, new Float64Array(length).fill(1)];
    const p = (moment: number) => (1 - beta1 ** step) * (Math.sqrt(moment / (1 - beta2 ** step)) + epsilon);
    return [name, Float64Array.from(moments as Float32Array, (moment) => 1 / Math.sqrt(p(moment)))];
  });
  return flat(shape, Object.fromEntries(named));
}

/** A vector to begin with, the same for the same seed. */
export function randomStart({ length }: Flat, seed: number): Float64Array {
  const random = openRandom(seed, 0);
  return Float64Array.from({ length }, () => random.normal());
}

/** Sharpness of a session's network as it is, and as its optimizer sees it. */
export interface Sharpness {
  /** Largest eigenvalue of H. */
  readonly raw: Ritz;
  /** Largest eigenvalue of `P^-1 H`, which is that of `P^(-1/2) H P^(-1/2)`. */
  readonly preconditioned: Ritz;
}

/**
 * Measures both.
 *
 * @param starts - vectors to begin with: those of the measurement before.
 */
export async function measureSharpness(
  hessian: SymmetricOperator,
  inverseRoot: Float64Array,
  starts: { readonly raw: Float64Array; readonly preconditioned: Float64Array },
  options: LanczosOptions,
): Promise<Sharpness> {
  const preconditioned = await largestEigenvalue(
    scaled(hessian, inverseRoot),
    starts.preconditioned,
    options,
  );
  return { preconditioned, raw: await largestEigenvalue(hessian, starts.raw, options) };
}
