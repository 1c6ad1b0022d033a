import * as tf from '@tensorflow/tfjs-core';
import { type AdamWOptions, adamw } from '@vradam/core';
import { ConfiguredOptimizer, type TfjsOptions } from '../configured.ts';
import { momentFusion } from '../fusions.ts';

/** AdamW with decoupled weight decay. Options: `adamw` of the core. */
export class AdamW extends ConfiguredOptimizer<AdamWOptions> {
  /** Name in saved models. */
  static className = 'AdamW';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<AdamWOptions>) {
    super(adamw, momentFusion, options);
  }
}

// saved models find it by its name; a file for each, so that a bundle has only those it uses
tf.serialization.registerClass(AdamW);
