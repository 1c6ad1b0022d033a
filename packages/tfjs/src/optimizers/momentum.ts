import * as tf from '@tensorflow/tfjs-core';
import { type MomentumOptions, momentum } from '@vradam/core';
import { ConfiguredOptimizer, type TfjsOptions } from '../configured.ts';
import { fullFusion } from '../fusions.ts';

// tfjs has its own Momentum in its registry, which sums gradients: ours is named apart there.
/** Momentum as an exponential average of gradients. Options: `momentum` of the core. */
export class Momentum extends ConfiguredOptimizer<MomentumOptions> {
  /** Name in saved models. */
  static className = 'AverageMomentum';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<MomentumOptions>) {
    super(momentum, fullFusion, options);
  }
}

// saved models find it by its name; a file for each, so that a bundle has only those it uses
tf.serialization.registerClass(Momentum);
