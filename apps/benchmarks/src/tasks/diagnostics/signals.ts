/** Gradients that are noisy, rare, missing, or wrong for once. */

import { type Diagnostic, filled, from } from './problem.ts';
import { quadratic } from './quadratics.ts';

const ten = { start: from(...filled(10, 1)), ...quadratic(filled(10, 1)) };
const times = (gradient: readonly number[], factor: number): number[] =>
  gradient.map((value) => factor * value);

/** All but the last are spheres. */
export const signals: readonly Diagnostic[] = [
  {
    name: 'noise',
    asks: 'noise as large as the gradient is at the start',
    steps: 1000,
    target: 0.1,
    random: true,
    ...ten,
    show: (gradient, _, random) => gradient.map((value) => value + random.normal()),
  },
  {
    name: 'heavy-tails',
    asks: 'noise that is a thousand times larger now and then',
    steps: 1000,
    target: 0.1,
    random: true,
    ...ten,
    show: (gradient, _, random) =>
      gradient.map((value) => value + (0.1 * random.normal()) / (random.next() + 1e-3)),
  },
  {
    name: 'sparse',
    asks: 'one of ten elements at a time, the others 0',
    steps: 2000,
    target: 5e-3,
    random: true,
    ...ten,
    show: (gradient, _, random) => {
      const shown = random.integer(gradient.length);
      return gradient.map((value, i) => (i === shown ? value : 0));
    },
  },
  {
    name: 'missing',
    asks: 'a gradient for one of five tensors at a time',
    steps: 1000,
    target: 5e-3,
    tensors: 5,
    ...ten,
    missing: (tensor, step) => step % 5 !== tensor,
  },
  {
    name: 'spike',
    asks: 'one gradient that is 1,000 too large, 300 steps before the end',
    steps: 500,
    target: 5e-3,
    ...ten,
    show: (gradient, step) => gradient.map((value) => value + (step === 200 ? 1000 : 0)),
  },
  {
    name: 'wrong-spikes',
    asks: 'a gradient of -100 times every 100 steps',
    steps: 550,
    target: 5e-3,
    ...ten,
    show: (gradient, step) => times(gradient, step % 100 === 99 ? -100 : 1),
  },
  {
    name: 'scale-change',
    asks: 'gradients a thousandth, then a thousand times as large',
    steps: 1000,
    target: 5e-3,
    ...ten,
    show: (gradient, step) => times(gradient, step < 500 ? 1e-3 : 1e3),
  },
  {
    name: 'decay-under-noise',
    asks: 'weight decay that works where gradients are only noise',
    steps: 2000,
    target: 0.1,
    random: true,
    weightDecay: 0.1,
    start: from(...filled(10, 1)),
    // the mean square of weights that the data say nothing about: only the decay can make them small
    loss: (x) => x.reduce((sum, value) => sum + value ** 2, 0) / x.length,
    gradient: (x) => x.map((value) => (2 * value) / x.length),
    show: (gradient, _, random) => gradient.map(() => 10 * random.normal()),
  },
];
