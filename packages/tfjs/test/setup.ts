/** What the tests of the optimizers share: both paths on both backends of Node, and variables that go after a test. */

import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe } from 'vitest';
import { AdamW, Momentum, RMSProp, SGD, VRAdam, VRMomentum } from '../src/index.ts';

/** Every class with the options under which it keeps the most state. */
export const makers = {
  VRAdam: (options = {}) => new VRAdam({ learningRate: 0.05, weightDecay: 0.01, ...options }),
  AdamW: (options = {}) => new AdamW({ learningRate: 0.05, ...options }),
  SGD: (options = {}) => new SGD({ learningRate: 0.05, momentum: 0.9, nesterov: true, ...options }),
  RMSProp: (options = {}) => new RMSProp({ momentum: 0.5, centered: true, ...options }),
  Momentum: (options = {}) => new Momentum({ learningRate: 0.05, ...options }),
  VRMomentum: (options = {}) => new VRMomentum({ learningRate: 0.05, ...options }),
};

export type Fused = 'auto' | false;

/** Runs the tests on each backend and path. */
export function onEveryPath(tests: (fused: Fused, backend: string) => void): void {
  for (const backend of ['cpu', 'wasm']) {
    for (const fused of ['auto', false] as const) {
      describe(`on ${backend}, fused: ${fused}`, () => {
        beforeAll(async () => {
          await tf.setBackend(backend);
          await tf.ready();
        });
        tests(fused, backend);
      });
    }
  }
}

let made: tf.Variable[] = [];

afterEach(() => {
  for (const one of made) one.dispose();
  made = [];
});

/** A variable of numbers, disposed after the test. */
export function variable(data: readonly number[], name?: string): tf.Variable {
  const initial = tf.tensor1d([...data]);
  const result = tf.variable(initial, true, name);
  initial.dispose();
  made.push(result);
  return result;
}

export const values = (x: tf.Tensor): number[] => [...x.dataSync()];

/** Gives gradients to `apply`, and releases them. */
export function withGradients(
  gradients: Readonly<Record<string, readonly number[] | null>>,
  apply: (tensors: Record<string, tf.Tensor>) => void,
): void {
  const pairs = Object.entries(gradients).map(([name, data]) => [name, data && tf.tensor1d([...data])]);
  const tensors = Object.fromEntries(pairs) as Record<string, tf.Tensor>;
  try {
    apply(tensors);
  } finally {
    tf.dispose(tensors);
  }
}

let names = 0;

/** A name that no variable has had. */
export const freshName = (stem = 'w'): string => `${stem}${names++}`;
