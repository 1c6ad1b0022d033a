/** What `applyGradients` is given, checked before anything changes. */

import * as tf from '@tensorflow/tfjs-core';
import { type Gradients, VRAdamError } from '@vradam/core';

/** Gradients by variable name, or an array of `{ name, tensor }`, as tfjs passes them. */
export type VariableGradients = Parameters<tf.Optimizer['applyGradients']>[0];

/** Variables by name. */
export type Variables = Readonly<Record<string, tf.Variable>>;

/** Throws `[@vradam/tfjs] ...` with this code. */
export function fail(code: VRAdamError['code'], message: string): never {
  throw new VRAdamError(code, `[@vradam/tfjs] ${message}`);
}

/** A live variable of this copy of tfjs-core, by name. */
function registered(name: string): tf.Variable {
  const variable = tf.engine().registeredVariables[name];
  if (variable && !variable.isDisposed) return variable;
  return fail(
    'ERR_PARAMETER_UNKNOWN',
    `there is no variable ${JSON.stringify(name)}: it was disposed, or made by another copy of tfjs-core ` +
      '(`npm ls @tensorflow/tfjs-core` must show one). Nothing changed.',
  );
}

/** Gradients by variable name, from the map form and from the array form. */
export function byName(gradients: VariableGradients): Gradients<tf.Tensor> {
  const pairs = Array.isArray(gradients)
    ? gradients.map(({ name, tensor }) => [name, tensor ?? null])
    : Object.entries(gradients);
  return Object.fromEntries(pairs) as Gradients<tf.Tensor>;
}

function checkGradient(name: string, gradient: tf.Tensor): void {
  const what = `the gradient of ${JSON.stringify(name)}`;
  if (!(gradient instanceof tf.Tensor)) {
    fail('ERR_OPTION_TYPE', `${what} must be a tensor. Received: ${typeof gradient}. Nothing changed.`);
  }
  if (gradient.isDisposed) {
    fail('ERR_PARAMETER_UNKNOWN', `${what} is disposed. Take the step before you dispose it.`);
  }
  if (!tf.engine().state.tensorInfo.has(gradient.dataId)) {
    fail(
      'ERR_UNSUPPORTED',
      `${what} was made by another copy of @tensorflow/tfjs-core. Nothing changed. See \`npm ls ` +
        '@tensorflow/tfjs-core`; `npm dedupe` leaves one copy.',
    );
  }
  if (gradient.dtype !== 'float32') {
    fail('ERR_UNSUPPORTED', `${what} must be float32. Received: ${gradient.dtype}. Nothing changed.`);
  }
}

function checkShape(name: string, { shape }: tf.Variable, known: readonly number[] | undefined): void {
  if (known === undefined || tf.util.arraysEqual(shape, [...known])) return;
  fail(
    'ERR_SHAPE_MISMATCH',
    `variable ${JSON.stringify(name)} had shape [${known}] and is now another one, of shape [${shape}]. Nothing ` +
      `changed. To begin anew with it, call optimizer.forget(${JSON.stringify(name)}).`,
  );
}

/**
 * The variables of a step.
 *
 * @param shapes - of the variables that the optimizer has a state for.
 * @throws VRAdamError `ERR_PARAMETER_UNKNOWN`, `ERR_SHAPE_MISMATCH`, `ERR_OPTION_TYPE`, `ERR_UNSUPPORTED`.
 */
export function variablesOf(
  gradients: Gradients<tf.Tensor>,
  shapes: (name: string) => readonly number[] | undefined,
): Variables {
  const pairs = Object.entries(gradients).map(([name, gradient]) => {
    const variable = registered(name);
    checkShape(name, variable, shapes(name));
    if (gradient != null) checkGradient(name, gradient);
    return [name, variable];
  });
  return Object.fromEntries(pairs) as Variables;
}
