/** The published code's loop, which never sets the gradients to zero. */

import type { Gradients, OptimizerSpec, OptimizerState, ParameterState, TensorOps } from '@vradam/core';

const slot = 'gradientSum';

/** Adds gradients to the sums of all before; gives the sums too. */
function addUp<T, S>(ops: TensorOps<T, S>, gradients: Gradients<T>, state: OptimizerState<T>) {
  const parameters = new Map(state.parameters);
  const sums: [string, T][] = [];
  for (const [name, gradient] of Object.entries(gradients)) {
    if (gradient == null) continue;
    const before = parameters.get(name) as ParameterState<T>;
    const old = before.slots[slot] ?? ops.zerosLike(gradient);
    const sum = ops.tidy(() => ops.replace(old, ops.axpby(1, old, 1, gradient)));
    sums.push([name, sum]);
    parameters.set(name, { ...before, slots: { ...before.slots, [slot]: sum } });
  }
  return { sums: Object.fromEntries(sums), state: { ...state, parameters } };
}

/**
 * The optimizer, given in each step the sum of all gradients since the first: what the published code of the language
 * task does, as it never clears them. Not for use; it shows what becomes of the baselines.
 */
export function neverZeroGradients(spec: OptimizerSpec): OptimizerSpec {
  const transform: OptimizerSpec['transforms'][number] = {
    kind: 'neverZeroGradients',
    options: {},
    slots: [slot],
    wrap: (inner) => ({
      ...inner,
      measure: () => ({ nonFinite: [], squaredNorm: null }), // the sum is measured when it is there
      accumulate(gradients, before) {
        const { sums, state } = addUp(inner.ops, gradients, before);
        const measurement = inner.measure(sums);
        const pending = inner.accumulate(sums, state, measurement);
        if (measurement.squaredNorm !== null) inner.ops.dispose(measurement.squaredNorm);
        return pending;
      },
    }),
  };
  return { ...spec, transforms: [...spec.transforms, transform] };
}
