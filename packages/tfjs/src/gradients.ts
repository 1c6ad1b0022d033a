/** What `applyGradients` is given, checked before anything changes. */

import * as tf from '@tensorflow/tfjs-core';
import type { Gradients } from '@vradam/core';
import { fail } from './errors.ts';

/** Gradients by variable name, or an array of `{ name, tensor }`, as tfjs passes them. */
export type VariableGradients = Parameters<tf.Optimizer['applyGradients']>[0];

/** Variables by name. */
export type Variables = Readonly<Record<string, tf.Variable>>;

/** Gradients by variable name, from the map form and from the array form. */
export function byName(gradients: VariableGradients): Gradients<tf.Tensor> {
  if (!Array.isArray(gradients)) return gradients;
  return Object.fromEntries(gradients.map(({ name, tensor }) => [name, tensor]));
}

function checkGradient(what: string, gradient: tf.Tensor): void {
  if (!(gradient instanceof tf.Tensor)) {
    fail('ERR_OPTION_TYPE', `${what} must be a tensor. Received: ${typeof gradient}.`);
  }
  if (gradient.isDisposed) {
    fail('ERR_PARAMETER_UNKNOWN', `${what} is disposed. Take the step before you dispose it.`);
  }
  if (!tf.engine().state.tensorInfo.has(gradient.dataId)) {
    fail('ERR_UNSUPPORTED', `${what} is of another copy of tfjs-core: \`npm dedupe\` leaves one.`);
  }
  if (gradient.dtype !== 'float32') {
    fail('ERR_UNSUPPORTED', `${what} must be float32. Received: ${gradient.dtype}.`);
  }
}

/** A live variable of this copy of tfjs-core, of the shape that it had. */
function variableOf(name: string, shape: readonly number[] | undefined): tf.Variable {
  const variable = tf.engine().registeredVariables[name];
  const what = `'${name}'`;
  if (!variable || variable.isDisposed) {
    return fail(
      'ERR_PARAMETER_UNKNOWN',
      `there is no variable ${what}: it was disposed, or is of another copy of tfjs-core (see \`npm ls\`).`,
    );
  }
  if (shape && !tf.util.arraysEqual(variable.shape, shape as number[])) {
    fail(
      'ERR_SHAPE_MISMATCH',
      `variable ${what} must have shape [${shape}]. Received: [${variable.shape}]. To begin anew, call optimizer.forget(${what}).`,
    );
  }
  return variable;
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
    const variable = variableOf(name, shapes(name));
    if (gradient != null) checkGradient(`the gradient of '${name}'`, gradient);
    return [name, variable];
  });
  return Object.fromEntries(pairs) as Variables;
}
