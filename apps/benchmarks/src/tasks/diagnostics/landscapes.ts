/** Curved, flat, steep and rippled ground. */

import { type Diagnostic, from } from './problem.ts';

/** `log(1 + e^z)` without overflow. */
const softplus = (z: number): number => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const total = (x: readonly number[], each: (value: number) => number): number =>
  x.reduce((sum, value) => sum + each(value), 0);

/** `1.5 - x + x y` and its siblings, whose squares Beale's function sums. */
const beale = (x: number, y: number): [residual: number, byX: number, byY: number][] =>
  [1.5, 2.25, 2.625].map((constant, i) => {
    const power = y ** (i + 1);
    return [constant - x + x * power, power - 1, x * (i + 1) * y ** i];
  });

/** Two-dimensional mostly, from the usual starts. */
export const landscapes: readonly Diagnostic[] = [
  {
    name: 'rosenbrock',
    asks: 'a narrow bent valley',
    steps: 2000,
    target: 1e-3,
    start: from(-1.2, 1),
    loss: ([x = 0, y = 0]) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
    gradient: ([x = 0, y = 0]) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
  },
  {
    name: 'beale',
    asks: 'a flat valley between steep corners',
    steps: 1000,
    target: 1e-3,
    start: from(1, 1),
    loss: ([x = 0, y = 0]) => beale(x, y).reduce((sum, [residual]) => sum + residual ** 2, 0),
    gradient: ([x = 0, y = 0]) => {
      const terms = beale(x, y);
      return [
        terms.reduce((sum, [residual, byX]) => sum + 2 * residual * byX, 0),
        terms.reduce((sum, [residual, , byY]) => sum + 2 * residual * byY, 0),
      ];
    },
  },
  {
    name: 'himmelblau',
    asks: 'one of four minima, from the hill between them',
    steps: 500,
    target: 1e-3,
    start: from(0, 0),
    loss: ([x = 0, y = 0]) => (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2,
    gradient: ([x = 0, y = 0]) => [
      4 * x * (x * x + y - 11) + 2 * (x + y * y - 7),
      2 * (x * x + y - 11) + 4 * y * (x + y * y - 7),
    ],
  },
  {
    name: 'saddle',
    asks: 'to leave a saddle, from a millionth beside its ridge',
    steps: 500,
    target: 1e-2,
    start: from(1, 1e-6),
    loss: ([x = 0, y = 0]) => x ** 2 / 2 - y ** 2 / 2 + y ** 4 / 4 + 1 / 4,
    gradient: ([x = 0, y = 0]) => [x, y ** 3 - y],
  },
  {
    name: 'flat-minimum',
    asks: 'a minimum without curvature: x^4',
    steps: 500,
    target: 1e-4,
    start: from(2, -1),
    loss: (x) => total(x, (value) => value ** 4),
    gradient: (x) => x.map((value) => 4 * value ** 3),
  },
  {
    name: 'plateau',
    asks: 'to cross a plateau with gradients of thousandths',
    steps: 1000,
    target: 1e-2,
    start: from(4, 1),
    loss: (x) => 1 - Math.exp(-total(x, (value) => value ** 2) / 2),
    gradient: (x) => x.map((value) => value * Math.exp(-total(x, (each) => each ** 2) / 2)),
  },
  {
    name: 'kink',
    asks: 'a gradient that does not get small: |x|',
    steps: 1000,
    target: 0.05,
    start: from(1, -0.7),
    loss: (x) => total(x, Math.abs),
    gradient: (x) => x.map(Math.sign),
  },
  {
    name: 'cliff',
    asks: 'to come down a cliff and stop',
    steps: 500,
    target: 1e-3,
    start: from(2),
    loss: ([x = 0]) => softplus(30 * (x - 1)) + (x + 1) ** 2 / 2,
    gradient: ([x = 0]) => [30 * sigmoid(30 * (x - 1)) + x + 1],
  },
  {
    name: 'ripples',
    asks: 'a bowl with many small minima',
    steps: 1000,
    target: 0.1,
    start: from(3, -2),
    loss: (x) => total(x, (value) => value ** 2 / 2 + (1 - Math.cos(8 * value)) / 2),
    gradient: (x) => x.map((value) => value + 4 * Math.sin(8 * value)),
  },
];
