import type * as tf from '@tensorflow/tfjs-core';
import type { OptimizerSpec } from '@vradam/core';
import { fail } from './errors.ts';
import { fullFusion } from './fusions.ts';
import type { PathOptions } from './ops.ts';
import { TfjsOptimizer } from './optimizer.ts';

/**
 * Any optimizer of the core as a `tf.Optimizer`. Use it for specs of your own; the classes beside it are shorter, and
 * can be saved with a model.
 *
 * @example
 * ```ts
 * const optimizer = new SpecOptimizer(clipByGlobalNorm(vradam(), { maxNorm: 1 }));
 * model.compile({ optimizer, loss: 'meanSquaredError' });
 * ```
 */
export class SpecOptimizer extends TfjsOptimizer {
  /** Name for serialization. */
  static className = 'SpecOptimizer';

  /**
   * @param spec - from `vradam()`, `adamw()`, ..., perhaps wrapped by transforms.
   * @param options - which path a step may take.
   */
  constructor(spec: OptimizerSpec, options: PathOptions = {}) {
    super(spec, fullFusion, options);
  }

  /**
   * A spec holds functions, which no configuration can: only the classes beside this one can be saved with a model.
   *
   * @throws VRAdamError `ERR_UNSUPPORTED`.
   */
  override getConfig(): tf.serialization.ConfigDict {
    return fail(
      'ERR_UNSUPPORTED',
      'a SpecOptimizer has no configuration. Use a class such as VRAdam with options, or save the model without its ' +
        'optimizer and the optimizer by exportState.',
    );
  }
}
