/** Standard functions that samplers are measured by. */

import type { Space } from './space.ts';

/** A function with a known minimum. */
export interface TestFunction {
  readonly name: string;
  readonly space: Space;
  /** Deviation of the noise that a trial has; 0 for none. */
  readonly noise: number;
  readonly minimum: number;
  /** Without noise. */
  value(choices: Readonly<Record<string, number>>): number;
}

/** @see Picheny, Wagner and Ginsbourger, "A benchmark of kriging-based infill criteria for noisy optimization", 2013 */
function branin(x: number, y: number): number {
  const bend = y - (5.1 / (4 * Math.PI ** 2)) * x ** 2 + (5 / Math.PI) * x - 6;
  return bend ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;
}

interface Wells {
  readonly depths: readonly number[];
  readonly slopes: readonly (readonly number[])[];
  readonly centers: readonly (readonly number[])[];
}

/** @see Dixon and Szego, "Towards global optimisation 2", 1978 */
const hartmann3: Wells = {
  depths: [1, 1.2, 3, 3.2],
  slopes: [
    [3, 10, 30],
    [0.1, 10, 35],
    [3, 10, 30],
    [0.1, 10, 35],
  ],
  centers: [
    [0.3689, 0.117, 0.2673],
    [0.4699, 0.4387, 0.747],
    [0.1091, 0.8732, 0.5547],
    [0.0381, 0.5743, 0.8828],
  ],
};

const hartmann6: Wells = {
  depths: [1, 1.2, 3, 3.2],
  slopes: [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
  ],
  centers: [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
  ],
};

const wells = ({ depths, slopes, centers }: Wells, x: readonly number[]): number =>
  -depths.reduce((sum, depth, i) => {
    const distance = x.reduce(
      (total, value, j) => total + (slopes[i]?.[j] as number) * (value - (centers[i]?.[j] as number)) ** 2,
      0,
    );
    return sum + depth * Math.exp(-distance);
  }, 0);

const axes = (count: number, low: number, high: number, log = false): Space =>
  Array.from({ length: count }, (_, i) => ({ kind: 'float', name: `x${i + 1}`, low, high, log }) as const);

const inOrder = (choices: Readonly<Record<string, number>>): number[] => Object.values(choices);

/** Branin, Hartmann in three and six dimensions, and Hartmann's three with noise and axes that are logarithms. */
export const testFunctions: readonly TestFunction[] = [
  {
    name: 'branin',
    space: [
      { kind: 'float', name: 'x1', low: -5, high: 10 },
      { kind: 'float', name: 'x2', low: 0, high: 15 },
    ],
    noise: 0,
    minimum: 0.397887357729738,
    value: ({ x1 = 0, x2 = 0 }) => branin(x1, x2),
  },
  {
    name: 'hartmann-3',
    space: axes(3, 0, 1),
    noise: 0,
    minimum: -3.86278214782076,
    value: (choices) => wells(hartmann3, inOrder(choices)),
  },
  {
    name: 'hartmann-6',
    space: axes(6, 0, 1),
    noise: 0,
    minimum: -3.32236801141551,
    value: (choices) => wells(hartmann6, inOrder(choices)),
  },
  {
    name: 'hartmann-3, noisy, logarithmic',
    space: axes(3, 1e-5, 1e-1, true),
    noise: 0.05,
    minimum: -3.86278214782076,
    value: (choices) =>
      wells(
        hartmann3,
        inOrder(choices).map((x) => (Math.log10(x) + 5) / 4),
      ),
  },
];
