/** All or nothing: what a step replaces is kept until the step has ended, and comes back if it fails. */

import * as tf from '@tensorflow/tfjs-core';

interface Journal {
  /** Made in this step; released if it fails. */
  readonly made: Set<tf.Tensor>;
  /** Replaced in this step; released when it has ended. */
  readonly replaced: tf.Tensor[];
  /** Variables, each with the value it had. */
  readonly assigned: Map<tf.Variable, tf.Tensor>;
  /** Scalars that several variables of this step share. */
  readonly shared: Map<string, tf.Tensor>;
}

let current: Journal | null = null;

/** A second handle on the same numbers, without a copy on any backend (`clone` copies on wasm). */
export function share(x: tf.Tensor): tf.Tensor {
  const engine = tf.engine();
  const second = engine.makeTensorFromTensorInfo({ dataId: x.dataId, shape: x.shape, dtype: x.dtype });
  engine.state.tensorInfo.get(x.dataId)?.backend.incRef(x.dataId);
  return tf.keep(second);
}

/** Keeps a tensor that a step made beyond the surrounding `tf.tidy`; a variable is the user's, and stays anyway. */
export function keep<T extends tf.Tensor>(x: T): T {
  if (x instanceof tf.Variable) return x;
  current?.made.add(x);
  return tf.keep(x);
}

/** Releases a tensor: at once if this step made it, else when the step has ended. */
export function release(x: tf.Tensor): void {
  if (current && !current.made.has(x)) current.replaced.push(x);
  else x.dispose();
}

/**
 * A scalar that is the same for several variables of a step: made once a step and released with it. Outside of a step it
 * is made anew, for the surrounding `tf.tidy`.
 *
 * @param of - what it is derived from.
 * @param key - what else it depends on.
 */
export function once(of: tf.Tensor, key: string, make: () => tf.Tensor): tf.Tensor {
  if (!current) return make();
  const name = `${of.id}/${key}`;
  const made = current.shared.get(name) ?? tf.keep(tf.tidy(make));
  current.shared.set(name, made);
  return made;
}

/** Gives a variable the value of `next`, which is consumed. */
export function assign(variable: tf.Variable, next: tf.Tensor): void {
  if (current && !current.assigned.has(variable)) current.assigned.set(variable, share(variable));
  variable.assign(next);
  next.dispose();
}

function undo({ made, assigned }: Journal): void {
  for (const tensor of made) tensor.dispose();
  for (const [variable, before] of assigned) {
    variable.assign(before);
    before.dispose();
  }
}

/**
 * Runs one step. If it throws, every tensor it made is released, and variables and replaced tensors are what they
 * were. What a fused kernel wrote in place stays written: such kernels check before they write.
 */
export function atomically<R>(step: () => R): R {
  const journal: Journal = { made: new Set(), replaced: [], assigned: new Map(), shared: new Map() };
  const outer = current;
  current = journal;
  let result: R | undefined;
  try {
    // an own scope: what a failing operation has allocated goes too
    tf.tidy(() => {
      result = step();
    });
  } catch (error) {
    undo(journal);
    throw error;
  } finally {
    current = outer;
    for (const scalar of journal.shared.values()) scalar.dispose();
  }
  for (const tensor of journal.replaced) tensor.dispose();
  for (const before of journal.assigned.values()) before.dispose();
  return result as R;
}
