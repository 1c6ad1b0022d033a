/** Gradient clipping by the norm over all parameters. */

import { checkOptions } from '../options.ts';
import type { OptimizerSpec } from '../spec.ts';
import { present } from '../state.ts';
import { around } from './transform.ts';

/** Options of {@link clipByGlobalNorm}. */
export interface ClipOptions {
  /** Largest Euclidean norm over all gradients of all groups. Range (0, Infinity). */
  readonly maxNorm: number;
}

/**
 * Scales all gradients by `min(1, maxNorm / norm)`, with the Euclidean norm over all parameters of all groups.
 *
 * Unlike `torch.nn.utils.clip_grad_norm_` it adds no 1e-6 to the norm: gradients at the limit stay as they are.
 * On several shards pass the combined measurement to `accumulate`.
 *
 * @throws VRAdamError `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`, `ERR_OPTION_UNKNOWN`.
 */
export function clipByGlobalNorm(spec: OptimizerSpec, options: ClipOptions): OptimizerSpec {
  const { maxNorm } = options;
  checkOptions('clipByGlobalNorm', { ...options, maxNorm }, { maxNorm: '(0, Infinity)' });
  return around(spec, {
    kind: 'clipByGlobalNorm',
    options: { maxNorm },
    slots: [],
    wrap: (inner) => {
      const { ops } = inner;
      return {
        ...inner,

        measure(gradients) {
          const measurement = inner.measure(gradients);
          if (measurement.squaredNorm !== null) return measurement; // a clip further in wants the same
          const squaredNorm = ops.tidy(() => {
            const terms = present(gradients).map(([, gradient]) => ops.sumPower(gradient, 2));
            return terms.length > 0 ? ops.scalars.sum(terms) : ops.scalars.of(0, 'squaredNorm');
          });
          return { ...measurement, squaredNorm };
        },

        accumulate(gradients, state, measurement) {
          const norm = measurement.squaredNorm;
          if (norm === null) return inner.accumulate(gradients, state, measurement);
          const factor = ops.tidy(() => ops.scalars.min(1, ops.scalars.div(maxNorm, ops.scalars.sqrt(norm))));
          const clipped = Object.fromEntries(
            present(gradients).map(([name, gradient]) => [
              name,
              ops.tidy(() => ops.affine(factor, gradient, 0)),
            ]),
          );
          // what a clip further in must see is the norm after this one
          const squaredNorm = ops.tidy(() => ops.scalars.mul(norm, ops.scalars.mul(factor, factor)));
          ops.dispose(factor);
          const pending = inner.accumulate(clipped, state, {
            ...measurement,
            squaredNorm,
          });
          ops.dispose(squaredNorm);
          return { ...pending, owned: [...pending.owned, ...Object.values(clipped)] };
        },
      };
    },
  });
}
