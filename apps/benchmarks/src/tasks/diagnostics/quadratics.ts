/** Quadratic problems: how curvatures, their spread, their scale and their number are coped with. */

import { type Diagnostic, filled, from, type Landscape, type Vector } from './problem.ts';

/** `sum c_i (x_i - o_i)^2 / 2`. */
export function quadratic(curvatures: Vector, optimum: Vector = []): Landscape {
  const offset = (x: Vector, i: number): number => x[i]! - (optimum[i] ?? 0);
  return {
    loss: (x) => curvatures.reduce((sum, curvature, i) => sum + (curvature * offset(x, i) ** 2) / 2, 0),
    gradient: (x) => curvatures.map((curvature, i) => curvature * offset(x, i)),
  };
}

/** Mirrors a vector at the hyperplane of (1, ..., 1), so that no curvature lies along an axis. */
function mirrored(x: Vector): number[] {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  return x.map((value) => value - 2 * mean);
}

/** A landscape turned by {@link mirrored}, which is its own inverse and its own transpose. */
function turned({ loss, gradient }: Landscape): Landscape {
  return {
    loss: (x, step) => loss(mirrored(x), step),
    gradient: (x, step) => mirrored(gradient(mirrored(x), step)),
  };
}

/** Curvatures from 1 down to 1 / condition, in equal ratios. */
const spread = (length: number, condition: number): number[] =>
  Array.from({ length }, (_, i) => condition ** (-i / (length - 1)));

/** All of them start at (1, ..., 1) unless they say otherwise. */
export const quadratics: readonly Diagnostic[] = [
  {
    name: 'sphere',
    asks: 'the easiest: ten equal curvatures',
    steps: 300,
    target: 5e-4,
    start: from(...filled(10, 1)),
    ...quadratic(filled(10, 1)),
  },
  {
    name: 'at-rest',
    asks: 'to stay where the gradient is 0',
    steps: 100,
    target: 0,
    start: from(0, 0, 0),
    ...quadratic([1, 10, 100]),
  },
  {
    name: 'many-weights',
    asks: 'the sphere in 1,000 dimensions',
    steps: 300,
    target: 0.05,
    start: from(...filled(1_000, 1)),
    ...quadratic(filled(1_000, 1)),
  },
  {
    name: 'ill-conditioned',
    asks: 'curvatures 1 to 1/10,000 along the axes',
    steps: 1000,
    target: 1e-3,
    start: from(...filled(10, 1)),
    ...quadratic(spread(10, 1e4)),
  },
  {
    name: 'ill-conditioned-turned',
    asks: 'curvatures 1 to 1/1,000 along no axis',
    steps: 1000,
    target: 1e-3,
    start: from(...filled(10, 1).map((value, i) => value * (i % 2 ? -1 : 0.5))),
    ...turned(quadratic(spread(10, 1e3))),
  },
  {
    name: 'large-scale',
    asks: 'a loss of millions',
    steps: 300,
    target: 500,
    start: from(...filled(10, 1)),
    ...quadratic(filled(10, 1e6)),
  },
  {
    name: 'small-scale',
    asks: 'a loss of millionths',
    steps: 300,
    target: 5e-10,
    start: from(...filled(10, 1)),
    ...quadratic(filled(10, 1e-6)),
  },
  {
    name: 'unequal-tensors',
    asks: 'one tensor with its optimum at 10, one at 0.1',
    steps: 2000,
    target: 1e-3,
    tensors: 2,
    start: from(0, 0),
    ...quadratic([1e-2, 1e2], [10, 0.1]),
  },
  {
    name: 'moving-optimum',
    asks: 'to follow an optimum that swings once in 600 steps',
    steps: 900,
    target: 5e-3,
    start: from(0),
    loss: ([x = 0], step) => (x - Math.sin(step / 95.5)) ** 2 / 2,
    gradient: ([x = 0], step) => [x - Math.sin(step / 95.5)],
  },
];
