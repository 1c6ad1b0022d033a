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
type Fuse<O> = (arena: Arena, options: Required<O>) => FusedKernel;

const slot = ({ slots }: Entry<Float32Array>, name: string): Float32Array => slots[name] as Float32Array;

/** Sum of x^2. */
function sumSquares(arena: Arena, x: Float32Array): number {
  const span = arena.span(x);
  let sum = 0;
  for (let start = 0; start < x.length; start += span) {
    const n = Math.min(span, x.length - start);
    sum += arena.kernels.sumSquares(arena.load(0, x, start, n), n);
  }
  return sum;
}

/** `sum |x|^power`, of a velocity whose squares are added up already, or of the gradient. */
function norm(
  arena: Arena,
  entry: Entry<Float32Array>,
  { power, normGrad }: Required<VRMomentumOptions>,
  squares: number,
): number {
  if (power === 2) return normGrad ? sumSquares(arena, entry.gradient) : squares;
  return float32Ops.sumPower(normGrad ? entry.gradient : slot(entry, 'velocity'), power);
}

/** Folds the gradient into both moments; sum of velocity^2. */
function accumulateMoments(
  arena: Arena,
  entry: Entry<Float32Array>,
  { beta1, beta2 }: Required<AdamWOptions>,
): number {
  const [g, v, m] = [entry.gradient, slot(entry, 'velocity'), slot(entry, 'secondMoment')];
  const span = arena.span(g, v, m);
  let sum = 0;
  for (let start = 0; start < g.length; start += span) {
    const n = Math.min(span, g.length - start);
    const velocity = arena.load(1, v, start, n);
    const secondMoment = arena.load(2, m, start, n);
    const gradient = arena.load(0, g, start, n);
    sum += arena.kernels.moments(gradient, velocity, secondMoment, n, beta1, 1 - beta1, beta2, 1 - beta2);
    arena.store(1, v, start, n);
    arena.store(2, m, start, n);
  }
  return sum;
}

/** Folds the gradient into the velocity; sum of velocity^2. */
function accumulateVelocity(
  arena: Arena,
  entry: Entry<Float32Array>,
  { beta1 }: Required<MomentumOptions>,
): number {
  const [g, v] = [entry.gradient, slot(entry, 'velocity')];
  const span = arena.span(g, v);
  let sum = 0;
  for (let start = 0; start < g.length; start += span) {
    const n = Math.min(span, g.length - start);
    const velocity = arena.load(1, v, start, n);
    sum += arena.kernels.velocity(arena.load(0, g, start, n), velocity, n, beta1, 1 - beta1);
    arena.store(1, v, start, n);
  }
  return sum;
}

/** Bias corrections of one step. Mostly all tensors of a group are at the same, and a power takes as long as a kernel. */
type Corrections = (step: number) => { readonly velocity: number; readonly root: number };

function correctionsOf({ beta1, beta2 }: Required<AdamWOptions>): Corrections {
  const last = { step: 0, velocity: 1, root: 1 };
  return (step) => {
    if (step === last.step) return last;
    last.step = step;
    last.velocity = 1 / (1 - beta1 ** step);
    last.root = 1 / Math.sqrt(1 - beta2 ** step);
    return last;
  };
}

/** `theta <- theta - eta (v^ / (sqrt(m^) + epsilon) + lambda theta)` */
function descend(
  arena: Arena,
  p: Float32Array,
  entry: Entry<Float32Array>,
  rate: number,
  epsilon: number,
  corrections: Corrections,
): Float32Array {
  const [v, m] = [slot(entry, 'velocity'), slot(entry, 'secondMoment')];
  const { velocity: gain, root: correction } = corrections(entry.step);
  const size = rate * gain;
  const decay = rate * entry.weightDecay;
  const span = arena.span(p, v, m);
  for (let start = 0; start < p.length; start += span) {
    const n = Math.min(span, p.length - start);
    const parameter = arena.load(0, p, start, n);
    const velocity = arena.load(1, v, start, n);
    const secondMoment = arena.load(2, m, start, n);
    arena.kernels.descend(parameter, velocity, secondMoment, n, size, correction, epsilon, decay);
    arena.store(0, p, start, n);
  }
  return p;
}

/** `theta <- theta - eta (d + lambda theta)` */
function glide(
  arena: Arena,
  p: Float32Array,
  d: Float32Array,
  { weightDecay }: Entry<Float32Array>,
  rate: number,
): Float32Array {
  const span = arena.span(p, d);
  for (let start = 0; start < p.length; start += span) {
    const n = Math.min(span, p.length - start);
    const parameter = arena.load(0, p, start, n);
    arena.kernels.glide(parameter, arena.load(1, d, start, n), n, rate, rate * weightDecay);
    arena.store(0, p, start, n);
  }
  return p;
}

/** SGD with a buffer, as `torch.optim.SGD` has it. */
function heavyBall(
  arena: Arena,
  p: Float32Array,
  entry: Entry<Float32Array>,
  rate: number,
  { momentum, dampening, nesterov }: Required<SGDOptions>,
): Float32Array {
  const [g, b] = [entry.gradient, slot(entry, 'momentumBuffer')];
  const gain = entry.step === 1 ? 1 : 1 - dampening;
  const [own, along] = nesterov ? [1, momentum] : [0, 1];
  const span = arena.span(p, g, b);
  for (let start = 0; start < p.length; start += span) {
    const n = Math.min(span, p.length - start);
    const parameter = arena.load(0, p, start, n);
    const gradient = arena.load(1, g, start, n);
    const buffer = arena.load(2, b, start, n);
    arena.kernels.sgd(parameter, gradient, buffer, n, rate, entry.weightDecay, momentum, gain, own, along);
    arena.store(0, p, start, n);
    arena.store(2, b, start, n);
  }
  return p;
}

/** RMSProp as `torch.optim.RMSprop` has it; address 0 is no mean, or no buffer. */
function descendByRoot(
  arena: Arena,
  p: Float32Array,
  entry: Entry<Float32Array>,
  rate: number,
  { alpha, centered, epsilon, momentum }: Required<RMSPropOptions>,
): Float32Array {
  const [g, s] = [entry.gradient, slot(entry, 'meanSquare')];
  const mean = centered ? slot(entry, 'mean') : null;
  const buffer = momentum === 0 ? null : slot(entry, 'momentumBuffer');
  const span = arena.span(p, g, s, mean ?? p, buffer ?? p);
  for (let start = 0; start < p.length; start += span) {
    const n = Math.min(span, p.length - start);
    arena.kernels.rmsprop(
      arena.load(0, p, start, n),
      arena.load(1, g, start, n),
      arena.load(2, s, start, n),
      mean ? arena.load(3, mean, start, n) : 0,
      buffer ? arena.load(4, buffer, start, n) : 0,
      n,
      rate,
      entry.weightDecay,
      alpha,
      1 - alpha,
      epsilon,
      momentum,
    );
    arena.store(0, p, start, n);
    arena.store(2, s, start, n);
    if (mean) arena.store(3, mean, start, n);
    if (buffer) arena.store(4, buffer, start, n);
  }
  return p;
}

const nothing = (): null => null;

const fuseAdamW: Fuse<AdamWOptions> = (arena, options) => {
  const corrections = correctionsOf(options);
  return {
    accumulate(entry) {
      accumulateMoments(arena, entry, options);
      return null;
    },
    apply: (parameter, entry, rate) => descend(arena, parameter, entry, rate, options.epsilon, corrections),
  };
};

const fuseVRAdam: Fuse<VRAdamOptions> = (arena, options) => ({
  ...fuseAdamW(arena, options),
  accumulate: (entry) => norm(arena, entry, options, accumulateMoments(arena, entry, options)),
});

const fuseVRMomentum: Fuse<VRMomentumOptions> = (arena, options) => ({
  accumulate: (entry) => norm(arena, entry, options, accumulateVelocity(arena, entry, options)),
  apply: (parameter, entry, rate) => glide(arena, parameter, slot(entry, 'velocity'), entry, rate),
});

const fuseMomentum: Fuse<MomentumOptions> = (arena, options) => ({
  accumulate(entry) {
    accumulateVelocity(arena, entry, options);
    return null;
  },
  apply: (parameter, entry, rate) => glide(arena, parameter, slot(entry, 'velocity'), entry, rate),
});

const fuseSGD: Fuse<SGDOptions> = (arena, options) => ({
  accumulate: nothing,
  apply: (parameter, entry, rate) =>
    options.momentum === 0
      ? glide(arena, parameter, entry.gradient, entry, rate) // keeps no buffer
      : heavyBall(arena, parameter, entry, rate, options),
});

const fuseRMSProp: Fuse<RMSPropOptions> = (arena, options) => ({
  accumulate: nothing,
  apply: (parameter, entry, rate) => descendByRoot(arena, parameter, entry, rate, options),
});

const table: Readonly<Record<string, Fuse<never>>> = {
  vradam: fuseVRAdam,
  adamw: fuseAdamW,
  vrMomentum: fuseVRMomentum,
  momentum: fuseMomentum,
  sgd: fuseSGD,
  rmsprop: fuseRMSProp,
};

/** Fused kernels for every algorithm of the core, over an arena. */
export function wasmKernels(arena: Arena): Kernels<Float32Array, number> {
  return (algorithm, options) => table[algorithm]?.(arena, options as never);
}

/** Whether all elements are finite. */
export function allFinite(arena: Arena, x: Float32Array): boolean {
  const span = arena.span(x);
  let sum = 0;
  for (let start = 0; start < x.length; start += span) {
    const n = Math.min(span, x.length - start);
    sum += arena.kernels.nonFinite(arena.load(0, x, start, n), n);
  }
  return sum === 0;
}
