/** What `bench:tfjs` compares. */

import * as tf from '@tensorflow/tfjs';
import { AdamW, SGD, VRAdam } from '@vradam/tfjs';
import { openRandom } from '../random.ts';

/** A layout of variables on a backend, and how much of `tf.train.adam`'s time VRAdam may take. */
export interface TfjsCase {
  readonly backend: 'cpu' | 'wasm';
  readonly tensors: number;
  readonly elements: number;
  readonly limit: number;
}

const layouts = [
  [10, 100_000],
  [100, 10_000],
  [1, 1_000_000],
] as const;

/** The cases, with the limits of the project. */
export const tfjsCases: readonly TfjsCase[] = (
  [
    ['wasm', 0.25],
    ['cpu', 0.06],
  ] as const
).flatMap(([backend, limit]) =>
  layouts.map(([tensors, elements]) => ({ backend, tensors, elements, limit })),
);

/** What steps, by name; the first is what the others are compared with. */
export const optimizers: readonly (readonly [name: string, make: () => tf.Optimizer])[] = [
  ['tf.train.adam', () => tf.train.adam(1e-3)],
  ['VRAdam', () => new VRAdam()],
  ['AdamW', () => new AdamW()],
  ['SGD with Nesterov', () => new SGD({ momentum: 0.9, nesterov: true })],
  ['VRAdam, portable', () => new VRAdam({ fused: false })],
];

/** Variables with gradients, and an optimizer to step them. */
export interface Stepper {
  step(): void;
  dispose(): void;
}

/** Variables of numbers in [-1, 1), the same for every optimizer. */
export function openStepper(
  { tensors, elements }: Pick<TfjsCase, 'tensors' | 'elements'>,
  make: () => tf.Optimizer,
): Stepper {
  const random = openRandom(1, 0);
  const draw = () => tf.tensor1d(Float32Array.from({ length: elements }, () => random.uniform(-1, 1)));
  const variables = Array.from({ length: tensors }, () => {
    const initial = draw();
    const variable = tf.variable(initial);
    initial.dispose();
    return variable;
  });
  const gradients = Object.fromEntries(variables.map(({ name }) => [name, draw()]));
  const optimizer = make();
  return {
    step: () => optimizer.applyGradients(gradients),
    dispose: () => {
      optimizer.dispose();
      tf.dispose([variables, gradients]);
    },
  };
}
