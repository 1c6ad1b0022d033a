/** One class for each algorithm of the core, registered with tfjs so that saved models find it. */

import * as tf from '@tensorflow/tfjs-core';
import {
  type AdamWOptions,
  adamw,
  type MomentumOptions,
  momentum,
  type RMSPropOptions,
  rmsprop,
  type SGDOptions,
  sgd,
  type VRAdamOptions,
  type VRMomentumOptions,
  vradam,
  vrMomentum,
} from '@vradam/core';
import { ConfiguredOptimizer, type TfjsOptions } from './configured.ts';

// tfjs has its own SGD, RMSProp and Momentum in its registry: ours, which follow PyTorch, are named apart there.

/** VRAdam: AdamW whose learning rate brakes as the velocity grows. Options: `vradam` of the core. */
export class VRAdam extends ConfiguredOptimizer<VRAdamOptions> {
  /** Name in saved models. */
  static override className = 'VRAdam';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<VRAdamOptions>) {
    super(vradam, options);
  }
}

/** AdamW with decoupled weight decay. Options: `adamw` of the core. */
export class AdamW extends ConfiguredOptimizer<AdamWOptions> {
  /** Name in saved models. */
  static override className = 'AdamW';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<AdamWOptions>) {
    super(adamw, options);
  }
}

/** SGD with momentum, Nesterov's look-ahead and L2 weight decay, as in PyTorch. Options: `sgd` of the core. */
export class SGD extends ConfiguredOptimizer<SGDOptions> {
  /** Name in saved models. */
  static override className = 'TorchSGD';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<SGDOptions>) {
    super(sgd, options);
  }
}

/** RMSProp with epsilon outside the root, as in PyTorch. Options: `rmsprop` of the core. */
export class RMSProp extends ConfiguredOptimizer<RMSPropOptions> {
  /** Name in saved models. */
  static override className = 'TorchRMSProp';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<RMSPropOptions>) {
    super(rmsprop, options);
  }
}

/** Momentum as an exponential average of gradients. Options: `momentum` of the core. */
export class Momentum extends ConfiguredOptimizer<MomentumOptions> {
  /** Name in saved models. */
  static override className = 'AverageMomentum';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<MomentumOptions>) {
    super(momentum, options);
  }
}

/** Momentum with VRAdam's brake. Options: `vrMomentum` of the core. */
export class VRMomentum extends ConfiguredOptimizer<VRMomentumOptions> {
  /** Name in saved models. */
  static override className = 'VRMomentum';
  /** @param options - hyper-parameters, groups, `nonFinite`, and the transforms. */
  constructor(options?: TfjsOptions<VRMomentumOptions>) {
    super(vrMomentum, options);
  }
}

for (const optimizer of [VRAdam, AdamW, SGD, RMSProp, Momentum, VRMomentum]) {
  tf.serialization.registerClass(optimizer);
}
