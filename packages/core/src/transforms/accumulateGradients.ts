/** Several small batches, one step. */

import type { TensorOps } from '../ops.ts';
import { checkOptions, fail } from '../options.ts';
import { idle } from '../phases.ts';
import type { OptimizerSpec } from '../spec.ts';
import {
  type Gradients,
  type NamedTensors,
  type OptimizerState,
  type ParameterState,
  present,
} from '../state.ts';
import { around } from './transform.ts';

const slot = 'gradientSum';

/** Options of {@link accumulateGradients}. */
export interface AccumulateOptions {
  /** Batches for one step. An integer >= 1. */
  readonly steps: number;
}

type Parameters<T> = OptimizerState<T>['parameters'];

/** Adds `weight` times each gradient to its parameter's sum. */
function gather<T, S>(
  ops: TensorOps<T, S>,
  gradients: Gradients<T>,
  { parameters }: OptimizerState<T>,
  weight: number,
): Parameters<T> {
  const next = new Map(parameters);
  for (const [name, gradient] of present(gradients)) {
    const before = parameters.get(name) as ParameterState<T>;
    const old = before.slots[slot] ?? ops.zerosLike(gradient);
    const sum = ops.tidy(() => ops.replace(old, ops.axpby(1, old, weight, gradient)));
    next.set(name, { ...before, slots: { ...before.slots, [slot]: sum } });
  }
  return next;
}

/** Takes the sums out of the state. */
function harvest<T>(gathered: Parameters<T>): [sums: NamedTensors<T>, parameters: Parameters<T>] {
  const sums: [string, T][] = [];
  const parameters = new Map<string, ParameterState<T>>();
  for (const [name, parameter] of gathered) {
    const { [slot]: sum, ...slots } = parameter.slots;
    if (sum !== undefined) sums.push([name, sum]);
    parameters.set(name, { ...parameter, slots });
  }
  return [Object.fromEntries(sums), parameters];
}

/**
 * Takes one step with the mean of every `steps` gradients; in between, parameters stay. A gradient missing in
 * some of the batches counts as zero there; one missing in all of them is missing in the step.
 *
 * The sums live in the state (slot `gradientSum`), so a run resumes in the middle of a step. What is wrapped
 * outside of it, such as a clip, sees each batch's gradient; what is inside sees the mean. Sums of shards are not
 * exchanged: with a clip inside, add the gradients of the shards before the call.
 *
 * @throws VRAdamError `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_OPTION_UNKNOWN`.
 */
export function accumulateGradients(spec: OptimizerSpec, options: AccumulateOptions): OptimizerSpec {
  const { steps } = options;
  checkOptions('accumulateGradients', { ...options, steps }, { steps: '[1, Infinity)' });
  if (!Number.isInteger(steps)) {
    fail('ERR_OPTION_RANGE', `accumulateGradients: steps must be an integer. Received: ${steps}.`);
  }
  return around(spec, {
    kind: 'accumulateGradients',
    options: { steps },
    slots: [slot],
    wrap: (inner) => {
      const { ops } = inner;
      return {
        ...inner,

        measure: () => ({ nonFinite: [], squaredNorm: null }), // the mean is measured when it is whole

        accumulate(gradients, state) {
          const microStep = state.microStep + 1;
          const gathered = gather(ops, gradients, state, 1 / steps);
          if (microStep < steps) return idle({ ...state, microStep, parameters: gathered });
          const [means, parameters] = harvest(gathered);
          const measurement = inner.measure(means);
          const pending = inner.accumulate(means, { ...state, microStep: 0, parameters }, measurement);
          if (measurement.squaredNorm !== null) ops.dispose(measurement.squaredNorm);
          return { ...pending, owned: [...pending.owned, ...Object.values(means)] };
        },
      };
    },
  });
}
