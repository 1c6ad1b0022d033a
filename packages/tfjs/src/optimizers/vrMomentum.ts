import * as tf from '@tensorflow/tfjs-core';
import { type VRMomentumOptions, vrMomentum } from '@vradam/core';
import { ConfiguredOptimizer, type TfjsOptions } from '../configured.ts';
import { fullFusion } from '../fusions.ts';

/** Momentum with VRAdam's brake. Options: `vrMomentum` of the core. */
export class VRMomentum extends ConfiguredOptimizer<VRMomentumOptions> {
  /** Name in saved models. */
  static className = 'VRMomentum';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<VRMomentumOptions>) {
    super(vrMomentum, fullFusion, options);
  }
}

// saved models find it by its name; a file for each, so that a bundle has only those it uses
tf.serialization.registerClass(VRMomentum);
