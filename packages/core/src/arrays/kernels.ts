/** Fused loops over Float32Array: two passes over memory a step, in place, without an allocation. */

import type { Entry, Kernel, Kernels } from '../algorithm.ts';
import type { Moments, VRAdamOptions } from '../vradam.ts';

type Options = Required<VRAdamOptions>;

/** A typed array that can be an optimizer's tensor. */
export type FloatArray = Float32Array | Float64Array;

/** `sum |x|^power`, in float64. */
export function sumPower(x: FloatArray, power: number): number {
  let sum = 0;
  if (power === 2) for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
  else for (let i = 0; i < x.length; i++) sum += Math.abs(x[i]!) ** power;
  return sum;
}

/** Both moments and `sum velocity^2`. */
function accumulate({ gradient, slots }: Entry<Float32Array, Moments>, { beta1, beta2 }: Options): number {
  const { velocity, secondMoment } = slots;
  const [gain1, gain2] = [1 - beta1, 1 - beta2];
  let squaredNorm = 0;
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i]!;
    const v = beta1 * velocity[i]! + gain1 * g;
    velocity[i] = v;
    secondMoment[i] = beta2 * secondMoment[i]! + gain2 * g * g;
    squaredNorm += v * v;
  }
  return squaredNorm;
}

/** `theta <- theta - eta (v^ / (sqrt(m^) + epsilon) + lambda theta)` */
function apply(
  parameter: Float32Array,
  { slots, step, weightDecay }: Entry<Float32Array, Moments>,
  learningRate: number,
  { beta1, beta2, epsilon }: Options,
): Float32Array {
  const { velocity, secondMoment } = slots;
  const stepSize = learningRate / (1 - beta1 ** step);
  const rootCorrection = 1 / Math.sqrt(1 - beta2 ** step);
  const keep = 1 - learningRate * weightDecay;
  for (let i = 0; i < parameter.length; i++) {
    const root = Math.sqrt(secondMoment[i]!) * rootCorrection + epsilon;
    parameter[i] = keep * parameter[i]! - (stepSize * velocity[i]!) / root;
  }
  return parameter;
}

const vradamKernel: Kernel<Float32Array, number> = {
  accumulate(entry, options) {
    const { normGrad, power } = options as Options;
    const squaredNorm = accumulate(entry as Entry<Float32Array, Moments>, options as Options);
    if (power === 2 && !normGrad) return squaredNorm;
    return sumPower(normGrad ? entry.gradient : (entry.slots['velocity'] as Float32Array), power);
  },
  apply: apply as Kernel<Float32Array, number>['apply'],
};

const adamwKernel: Kernel<Float32Array, number> = {
  accumulate(entry, options) {
    accumulate(entry as Entry<Float32Array, Moments>, options as Options);
    return null;
  },
  apply: vradamKernel.apply,
};

/** Kernels for `vradam` and `adamw`; the other algorithms are composed. */
export const arrayKernels: Kernels<Float32Array, number> = (algorithm) =>
  algorithm === 'vradam' ? vradamKernel : algorithm === 'adamw' ? adamwKernel : undefined;
