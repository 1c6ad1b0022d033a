import * as tf from '@tensorflow/tfjs-core';
import { type SGDOptions, sgd } from '@vradam/core';
import { ConfiguredOptimizer, type TfjsOptions } from '../configured.ts';
import { fullFusion } from '../fusions.ts';

// tfjs has its own SGD in its registry: ours, which follows PyTorch, is named apart there.
/** SGD with momentum, Nesterov's look-ahead and L2 weight decay, as in PyTorch. Options: `sgd` of the core. */
export class SGD extends ConfiguredOptimizer<SGDOptions> {
  /** Name in saved models. */
  static className = 'TorchSGD';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<SGDOptions>) {
    super(sgd, fullFusion, options);
  }
}

// saved models find it by its name; a file for each, so that a bundle has only those it uses
tf.serialization.registerClass(SGD);
