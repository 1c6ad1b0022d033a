/** Models of a few weights. */

import { type Diagnostic, filled, from, type Landscape, type Vector } from './problem.ts';

const corners = [
  [-1, -1, -1],
  [-1, 1, 1],
  [1, -1, 1],
  [1, 1, -1],
] as const;

/** A network of four tanh units on the exclusive or: `x` has 8 weights, 4 biases, 4 weights, 1 bias. */
const exclusiveOr: Landscape = {
  loss: (x) => corners.reduce((sum, corner) => sum + forward(x, corner).error ** 2 / 8, 0),
  gradient: (x) => {
    const gradient = filled(17, 0);
    for (const corner of corners) {
      const { hidden, error } = forward(x, corner);
      const out = error / 4;
      gradient[16]! += out;
      hidden.forEach((h, i) => {
        const inner = out * x[12 + i]! * (1 - h * h);
        gradient[12 + i]! += out * h;
        gradient[8 + i]! += inner;
        gradient[2 * i]! += inner * corner[0];
        gradient[2 * i + 1]! += inner * corner[1];
      });
    }
    return gradient;
  },
};

function forward(x: Vector, [a, b, wanted]: (typeof corners)[number]): { hidden: number[]; error: number } {
  const hidden = [0, 1, 2, 3].map((i) => Math.tanh(x[2 * i]! * a + x[2 * i + 1]! * b + x[8 + i]!));
  const out = hidden.reduce((sum, h, i) => sum + x[12 + i]! * h, x[16]!);
  return { hidden, error: out - wanted };
}

/** Points on two sides of a line, and how far from it. */
const points = Array.from({ length: 20 }, (_, i) => {
  const angle = 2.4 * i;
  const side = i % 2 ? 1 : -1;
  return { at: [side + 0.6 * Math.cos(angle), 3 * Math.sin(angle), 1], side };
});
const margin = (x: Vector, { at, side }: (typeof points)[number]): number =>
  side * at.reduce((sum, value, i) => sum + value * x[i]!, 0);

const logistic: Landscape = {
  loss: (x) => points.reduce((sum, p) => sum + Math.log1p(Math.exp(-margin(x, p))), 0) / points.length,
  gradient: (x) =>
    x.map(
      (_, i) =>
        points.reduce((sum, p) => sum - (p.side * p.at[i]!) / (1 + Math.exp(margin(x, p))), 0) /
        points.length,
    ),
};

/** A product of five weights that should be 1. */
const chain: Landscape = {
  loss: (x) => (x.reduce((product, value) => product * value) - 1) ** 2 / 2,
  gradient: (x) => {
    const without = (i: number) => x.reduce((product, value, j) => (j === i ? product : product * value), 1);
    const error = without(-1) - 1;
    return x.map((_, i) => error * without(i));
  },
};

const size = 5;
const wanted = (row: number, column: number): number => (row === column ? 1 : 0) + (row + column) / size;
const entry = (x: Vector, row: number, column: number): number =>
  [0, 1, 2].reduce((sum, k) => sum + x[3 * row + k]! * x[3 * (size + column) + k]!, -wanted(row, column));

/**
 * A 5 by 5 matrix as a product of two with three columns. Its singular values are 5.45, 1, 1, 1 and 0.55, so that
 * at least (1 + 0.55^2) / 2 = 0.65 is left over.
 */
const factorization: Landscape = {
  loss: (x) => {
    let sum = 0;
    for (let cell = 0; cell < size * size; cell++) {
      sum += entry(x, Math.floor(cell / size), cell % size) ** 2 / 2;
    }
    return sum;
  },
  gradient: (x) => {
    const gradient = filled(x.length, 0);
    for (let cell = 0; cell < size * size; cell++) {
      const [row, column] = [Math.floor(cell / size), cell % size];
      const error = entry(x, row, column);
      for (const k of [0, 1, 2]) {
        gradient[3 * row + k]! += error * x[3 * (size + column) + k]!;
        gradient[3 * (size + column) + k]! += error * x[3 * row + k]!;
      }
    }
    return gradient;
  },
};

/** Regression, classification and factorization. */
export const models: readonly Diagnostic[] = [
  {
    name: 'logistic',
    asks: 'two classes that a line parts',
    steps: 500,
    target: 0.05,
    start: from(0, 0, 0),
    ...logistic,
  },
  {
    name: 'exclusive-or',
    asks: 'a network of 17 weights',
    steps: 1000,
    target: 0.01,
    random: true,
    start: (random) => filled(17, 0).map(() => random.normal()),
    ...exclusiveOr,
  },
  {
    name: 'vanishing',
    asks: 'a product of five weights, from 0.3: gradients of hundredths',
    steps: 1000,
    target: 1e-3,
    tensors: 5,
    start: from(...filled(5, 0.3)),
    ...chain,
  },
  {
    name: 'factorization',
    asks: 'a matrix as a product of two, from near 0',
    steps: 1000,
    target: 0.7,
    random: true,
    tensors: 2,
    start: (random) => filled(6 * size, 0).map(() => 0.1 * random.normal()),
    ...factorization,
  },
];
