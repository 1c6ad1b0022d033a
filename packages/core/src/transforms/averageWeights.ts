/** An exponential moving average of the weights, for evaluation. */

import { checkOptions, fail, show } from '../options.ts';
import type { OptimizerSpec } from '../spec.ts';
import type { NamedTensors, OptimizerState, ParameterState } from '../state.ts';
import { around } from './transform.ts';

/** Options of {@link averageWeights}. */
export interface AverageOptions {
  /** Share of the old average kept in a step. Default 0.999. Range [0, 1). */
  readonly decay?: number;
}

/**
 * Keeps `average <- decay average + (1 - decay) theta` after every step, starting from a copy of the parameters
 * (slot `average`). All parameters are averaged in every step, also those without a gradient.
 *
 * @throws VRAdamError `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_OPTION_UNKNOWN`.
 */
export function averageWeights(spec: OptimizerSpec, options: AverageOptions = {}): OptimizerSpec {
  const { decay = 0.999 } = options;
  checkOptions('averageWeights', { ...options, decay }, { decay: '[0, 1)' });
  return around(spec, {
    kind: 'averageWeights',
    options: { decay },
    slots: ['average'],
    wrap: (inner) => {
      const { ops } = inner;
      return {
        ...inner,

        init(parameters) {
          const state = inner.init(parameters);
          const averaged = [...state.parameters].map(([name, parameter]) => {
            const value = parameters[name] as (typeof parameters)[string];
            const average = ops.tidy(() => ops.replace(ops.zerosLike(value), ops.affine(1, value, 0)));
            return [name, { ...parameter, slots: { ...parameter.slots, average } }] as const;
          });
          return { ...state, parameters: new Map(averaged) };
        },

        apply(parameters, pending, norms) {
          const result = inner.apply(parameters, pending, norms);
          if (!pending.stepping) return result;
          const averaged = new Map(result.state.parameters);
          for (const [name, value] of Object.entries(result.parameters)) {
            const before = averaged.get(name) as ParameterState<typeof value>;
            const old = before.slots['average'] as typeof value;
            const average = ops.tidy(() => ops.replace(old, ops.axpby(decay, old, 1 - decay, value)));
            averaged.set(name, { ...before, slots: { ...before.slots, average } });
          }
          return { ...result, state: { ...result.state, parameters: averaged } };
        },
      };
    },
  });
}

/**
 * The averaged weights, by parameter name. The tensors stay the state's: read or copy them before the next step.
 *
 * @throws VRAdamError `ERR_STATE_MISMATCH` if the state keeps no average.
 */
export function averagedWeights<T>(state: OptimizerState<T>): NamedTensors<T> {
  const averages = [...state.parameters].map(([name, { slots }]) => {
    const { average } = slots;
    return [
      name,
      average ?? fail('ERR_STATE_MISMATCH', `${show(name)} has no average. Use averageWeights().`),
    ];
  });
  return Object.fromEntries(averages) as NamedTensors<T>;
}
