/** State dicts, by way of the core. Functions rather than methods, so that a page without checkpoints has none of it. */

import * as tf from '@tensorflow/tfjs-core';
import {
  createOptimizer as bindCore,
  exportState as exportCore,
  float32Ops,
  importState as importCore,
  type OptimizerState,
  type StateDict,
  type TensorOps,
} from '@vradam/core';
import { atomically, keep } from './journal.ts';
import type { TfjsOptimizer } from './optimizer.ts';

/** A tensor, or in the place of a parameter no more than its shape. */
type Held = Pick<tf.Tensor, 'shape'>;

/** As much of a backend as it takes to check and to describe a state; nothing is computed. */
const ops: TensorOps<Held, number> = {
  ...(float32Ops as unknown as TensorOps<Held, number>),
  fromArray: (data, shape) => keep(tf.tensor(Float32Array.from(data), [...shape], 'float32')),
  toArray: async (x) => Float32Array.from(await (x as tf.Tensor).data()),
  shape: ({ shape }) => shape,
  zerosLike: (x) => x,
  affine: (_, x) => x,
  replace: (_, next) => next,
  dispose() {},
};

/** Shapes of the parameters of a state dict: those of their state tensors. */
function shapesOf({ parameterSteps, tensors }: StateDict): Record<string, Held> {
  const shapes = Object.entries(tensors).map(([key, { shape }]) => [key.slice(key.indexOf('/') + 1), shape]);
  const known = Object.fromEntries(shapes) as Record<string, number[]>;
  const names = Object.keys(parameterSteps);
  return Object.fromEntries(names.map((name) => [name, { shape: known[name] ?? [] }]));
}

/**
 * The whole state of an optimizer as plain data; encode it with `encodeState`.
 *
 * @returns a copy that later steps do not change.
 */
export const exportState = (optimizer: TfjsOptimizer): Promise<StateDict> =>
  exportCore(bindCore(ops, optimizer.spec), optimizer.state);

/**
 * Continues from a state dict, as {@link TfjsOptimizer.continueFrom} does.
 *
 * @throws VRAdamError `ERR_STATE_VERSION`, `ERR_STATE_MISMATCH`. Then nothing has changed.
 */
export function importState(optimizer: TfjsOptimizer, dict: StateDict): void {
  const core = bindCore(ops, optimizer.spec);
  const state = atomically(() => importCore(core, dict, shapesOf(dict)));
  optimizer.continueFrom(state as OptimizerState<tf.Tensor>);
}
