/** Binds a spec to a backend: state in, state out. */

import type { TensorOps } from './ops.ts';
import { fail, show } from './options.ts';
import {
  algorithmPhases,
  idle,
  type Measurement,
  type NonFiniteGradient,
  type Pending,
  type Phases,
  type StepResult,
} from './phases.ts';
import type { OptimizerSpec } from './spec.ts';
import {
  checkTensors,
  type Gradients,
  learningRatesOf,
  type NamedTensors,
  type OptimizerState,
} from './state.ts';

/**
 * A spec bound to a backend. It holds no state.
 *
 * Ownership: `accumulate` and `update` consume `state`, `apply` and `update` consume `parameters` (their tensors
 * are overwritten or released, as the backend can); gradients are only read. A call that throws a
 * {@link VRAdamError} consumed nothing.
 *
 * @typeParam T - tensor handle.
 * @typeParam S - scalar handle.
 */
export interface Optimizer<T, S> extends Phases<T, S> {
  /**
   * Phase one: new moments and this shard's norms.
   *
   * @param measurement - combined over all shards, and the caller's to release; default `measure(gradients)`.
   * @throws VRAdamError `ERR_PARAMETER_UNKNOWN`, `ERR_SHAPE_MISMATCH`, `ERR_NON_FINITE`; `ERR_OPTION_RANGE` if a
   *   schedule gives no legal learning rate.
   */
  accumulate(gradients: Gradients<T>, state: OptimizerState<T>, measurement?: Measurement<S>): Pending<T, S>;
  /**
   * Phase two: moves the parameters.
   *
   * @param norms - for each group the sum over all shards, returned in `stats`; default this shard's own.
   * @throws VRAdamError `ERR_PARAMETER_UNKNOWN`, `ERR_SHAPE_MISMATCH` if the parameters are not those of `init`.
   */
  apply(parameters: NamedTensors<T>, pending: Pending<T, S>, norms?: readonly (S | null)[]): StepResult<T, S>;
  /** One whole step: the phases in a row. Throws what they throw. */
  update(parameters: NamedTensors<T>, gradients: Gradients<T>, state: OptimizerState<T>): StepResult<T, S>;
}

/**
 * Binds a spec to a backend: its algorithm, then its transforms from the innermost to the outermost, then the
 * checks.
 *
 * @param ops - the backend.
 * @param spec - from `vradam()`, `adamw()`, ..., perhaps wrapped by transforms.
 * @throws VRAdamError `ERR_UNSUPPORTED` if `nonFinite` asks for what this backend cannot see.
 */
export function createOptimizer<T, S>(ops: TensorOps<T, S>, spec: OptimizerSpec): Optimizer<T, S> {
  const policy = spec.nonFinite ?? (ops.countNonFinite ? 'throw' : 'propagate');
  if (policy !== 'propagate' && !ops.countNonFinite) {
    fail('ERR_UNSUPPORTED', `nonFinite ${show(policy)} is not possible on ${ops.name}.`);
  }
  const inner = spec.transforms.reduce(
    (phases, transform) => transform.wrap(phases),
    algorithmPhases(ops, spec),
  );

  const optimizer: Optimizer<T, S> = {
    ...inner,

    measure(gradients) {
      const nonFinite: NonFiniteGradient[] = [];
      const names = Object.keys(gradients);
      Object.values(policy === 'propagate' ? {} : gradients).forEach((gradient, i) => {
        const count = gradient != null && ops.countNonFinite!(gradient);
        if (count) nonFinite.push({ name: names[i] as string, count });
      });
      return { ...inner.measure(gradients), nonFinite };
    },

    accumulate(gradients, state, given) {
      checkTensors('gradient', ops, gradients, state);
      const learningRates = learningRatesOf(spec, state);
      const measurement = given ?? optimizer.measure(gradients);
      const {
        nonFinite: [bad],
        squaredNorm,
      } = measurement;
      try {
        if (bad && policy !== 'skip') {
          fail(
            'ERR_NON_FINITE',
            `gradient ${show(bad.name)} must be finite. Received: ${bad.count} NaN or infinite elements in step ${state.step + 1}. ` +
              "Nothing changed. Lower the learning rate, clip, or set nonFinite: 'skip'.",
          );
        }
        return bad
          ? idle({ ...state, skippedSteps: state.skippedSteps + 1 })
          : { ...inner.accumulate(gradients, state, measurement), learningRates };
      } finally {
        if (!given && squaredNorm !== null) ops.dispose(squaredNorm);
      }
    },

    apply(parameters, pending, norms = pending.norms) {
      checkTensors('parameter', ops, parameters, pending.state);
      return inner.apply(parameters, pending, norms);
    },

    update(parameters, gradients, state) {
      checkTensors('parameter', ops, parameters, state); // before accumulate consumes the state
      const pending = optimizer.accumulate(gradients, state);
      return inner.apply(parameters, pending, pending.norms);
    },
  };
  return optimizer;
}
