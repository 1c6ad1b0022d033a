import * as tf from '@tensorflow/tfjs-core';
import { type RMSPropOptions, rmsprop } from '@vradam/core';
import { ConfiguredOptimizer, type TfjsOptions } from '../configured.ts';
import { fullFusion } from '../fusions.ts';

// tfjs has its own RMSProp in its registry: ours, which follows PyTorch, is named apart there.
/** RMSProp with epsilon outside the root, as in PyTorch. Options: `rmsprop` of the core. */
export class RMSProp extends ConfiguredOptimizer<RMSPropOptions> {
  /** Name in saved models. */
  static className = 'TorchRMSProp';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<RMSPropOptions>) {
    super(rmsprop, fullFusion, options);
  }
}

// saved models find it by its name; a file for each, so that a bundle has only those it uses
tf.serialization.registerClass(RMSProp);
