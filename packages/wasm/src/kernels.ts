/** The kernels in place of the core's rules: two passes over memory a step, for every algorithm. */

import {
  type AdamWOptions,
  type Entry,
  float32Ops,
  type Kernel,
  type Kernels,
  type MomentumOptions,
  type RMSPropOptions,
  type SGDOptions,
  type VRAdamOptions,
  type VRMomentumOptions,
} from '@vradam/core';
import type { Arena } from './arena.ts';

type FusedKernel = Kernel<Float32Array, number>;
type At = readonly number[];

const slot = ({ slots }: Entry<Float32Array>, name: string): Float32Array => slots[name] as Float32Array;

/** `sum |x|^power`. */
function norm(
  { sweep, kernels }: Bound,
  entry: Entry<Float32Array>,
  { power, normGrad }: Required<VRMomentumOptions>,
  squares: number,
): number {
  if (power === 2 && !normGrad) return squares;
  const x = normGrad ? entry.gradient : slot(entry, 'velocity');
  if (power !== 2) return float32Ops.sumPower(x, power);
  return sweep([x], [false], ([at]: At, n) => kernels.sumSquares(at as number, n));
}

interface Bound {
  readonly sweep: Arena['sweep'];
  readonly kernels: Arena['kernels'];
}

/** Folds the gradient into both moments; sum of velocity^2. */
function accumulateMoments(
  { sweep, kernels }: Bound,
  entry: Entry<Float32Array>,
  { beta1, beta2 }: Required<AdamWOptions>,
): number {
  return sweep(
    [entry.gradient, slot(entry, 'velocity'), slot(entry, 'secondMoment')],
    [false, true, true],
    ([g, v, m]: At, n) =>
      kernels.moments(g as number, v as number, m as number, n, beta1, 1 - beta1, beta2, 1 - beta2),
  );
}

/** Folds the gradient into the velocity; sum of velocity^2. */
function accumulateVelocity(
  { sweep, kernels }: Bound,
  entry: Entry<Float32Array>,
  { beta1 }: Required<MomentumOptions>,
): number {
  return sweep([entry.gradient, slot(entry, 'velocity')], [false, true], ([g, v]: At, n) =>
    kernels.velocity(g as number, v as number, n, beta1, 1 - beta1),
  );
}

/** `theta <- theta - eta (v^ / (sqrt(m^) + epsilon) + lambda theta)` */
function descend(
  { sweep, kernels }: Bound,
  parameter: Float32Array,
  entry: Entry<Float32Array>,
  rate: number,
  { beta1, beta2, epsilon }: Required<AdamWOptions>,
): Float32Array {
  const size = rate / (1 - beta1 ** entry.step);
  const correction = 1 / Math.sqrt(1 - beta2 ** entry.step);
  const decay = rate * entry.weightDecay;
  sweep(
    [parameter, slot(entry, 'velocity'), slot(entry, 'secondMoment')],
    [true, false, false],
    ([p, v, m]: At, n) => {
      kernels.descend(p as number, v as number, m as number, n, size, correction, epsilon, decay);
      return 0;
    },
  );
  return parameter;
}

/** `theta <- theta - eta (d + lambda theta)` */
function glide(
  { sweep, kernels }: Bound,
  parameter: Float32Array,
  direction: Float32Array,
  { weightDecay }: Entry<Float32Array>,
  rate: number,
): Float32Array {
  sweep([parameter, direction], [true, false], ([p, d]: At, n) => {
    kernels.glide(p as number, d as number, n, rate, rate * weightDecay);
    return 0;
  });
  return parameter;
}

/** SGD as `torch.optim.SGD` has it; without momentum there is no buffer. */
function sgd(
  { sweep, kernels }: Bound,
  parameter: Float32Array,
  entry: Entry<Float32Array>,
  rate: number,
  { momentum, dampening, nesterov }: Required<SGDOptions>,
): Float32Array {
  const { gradient, step, weightDecay } = entry;
  if (momentum === 0) return glide({ sweep, kernels }, parameter, gradient, entry, rate);
  const gain = step === 1 ? 1 : 1 - dampening;
  const [own, along] = nesterov ? [1, momentum] : [0, 1];
  sweep([parameter, gradient, slot(entry, 'momentumBuffer')], [true, false, true], ([p, g, b]: At, n) => {
    kernels.sgd(p as number, g as number, b as number, n, rate, weightDecay, momentum, gain, own, along);
    return 0;
  });
  return parameter;
}

/** RMSProp as `torch.optim.RMSprop` has it. */
function rmsprop(
  { sweep, kernels }: Bound,
  parameter: Float32Array,
  entry: Entry<Float32Array>,
  rate: number,
  { alpha, centered, epsilon, momentum }: Required<RMSPropOptions>,
): Float32Array {
  const arrays = [parameter, entry.gradient, slot(entry, 'meanSquare')];
  if (centered) arrays.push(slot(entry, 'mean'));
  if (momentum !== 0) arrays.push(slot(entry, 'momentumBuffer'));
  sweep(arrays, [true, false, true, true, true], (at: At, n) => {
    const [p, g, s] = at as [number, number, number];
    const a = centered ? (at[3] as number) : 0;
    const b = momentum === 0 ? 0 : (at[centered ? 4 : 3] as number);
    kernels.rmsprop(p, g, s, a, b, n, rate, entry.weightDecay, alpha, 1 - alpha, epsilon, momentum);
    return 0;
  });
  return parameter;
}

/** Fused kernels for every algorithm of the core, over an arena. */
export function wasmKernels(arena: Arena): Kernels<Float32Array, number> {
  const bound: Bound = { kernels: arena.kernels, sweep: (...args) => arena.sweep(...args) };
  const nothing = (): null => null;
  const table: Readonly<Record<string, FusedKernel>> = {
    vradam: {
      accumulate: (entry, options) =>
        norm(
          bound,
          entry,
          options as Required<VRAdamOptions>,
          accumulateMoments(bound, entry, options as Required<VRAdamOptions>),
        ),
      apply: (parameter, entry, rate, options) =>
        descend(bound, parameter, entry, rate, options as Required<VRAdamOptions>),
    },
    adamw: {
      accumulate(entry, options) {
        accumulateMoments(bound, entry, options as Required<AdamWOptions>);
        return null;
      },
      apply: (parameter, entry, rate, options) =>
        descend(bound, parameter, entry, rate, options as Required<AdamWOptions>),
    },
    vrMomentum: {
      accumulate: (entry, options) =>
        norm(
          bound,
          entry,
          options as Required<VRMomentumOptions>,
          accumulateVelocity(bound, entry, options as Required<VRMomentumOptions>),
        ),
      apply: (parameter, entry, rate) => glide(bound, parameter, slot(entry, 'velocity'), entry, rate),
    },
    momentum: {
      accumulate(entry, options) {
        accumulateVelocity(bound, entry, options as Required<MomentumOptions>);
        return null;
      },
      apply: (parameter, entry, rate) => glide(bound, parameter, slot(entry, 'velocity'), entry, rate),
    },
    sgd: {
      accumulate: nothing,
      apply: (parameter, entry, rate, options) =>
        sgd(bound, parameter, entry, rate, options as Required<SGDOptions>),
    },
    rmsprop: {
      accumulate: nothing,
      apply: (parameter, entry, rate, options) =>
        rmsprop(bound, parameter, entry, rate, options as Required<RMSPropOptions>),
    },
  };
  return (algorithm) => table[algorithm];
}
