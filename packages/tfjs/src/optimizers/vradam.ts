import * as tf from '@tensorflow/tfjs-core';
import { type VRAdamOptions, vradam } from '@vradam/core';
import { ConfiguredOptimizer, type TfjsOptions } from '../configured.ts';
import { momentFusion } from '../fusions.ts';

/** VRAdam: AdamW whose learning rate brakes as the velocity grows. Options: `vradam` of the core. */
export class VRAdam extends ConfiguredOptimizer<VRAdamOptions> {
  /** Name in saved models. */
  static className = 'VRAdam';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<VRAdamOptions>) {
    super(vradam, momentFusion, options);
  }
}

// saved models find it by its name; a file for each, so that a bundle has only those it uses
tf.serialization.registerClass(VRAdam);
