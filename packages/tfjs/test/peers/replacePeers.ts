/** Our optimizers in place of `tf.train`'s, with the options that make them equal. */

import * as tf from '@tensorflow/tfjs-core';
import { AdamW, SGD, VRAdam } from '../../src/index.ts';

/** Which of ours stands in for Adam, and on which path. */
export interface Peer {
  readonly adam: 'AdamW' | 'VRAdam';
  readonly fused: 'auto' | false;
}

export const peers: [name: string, peer: Peer][] = [
  ['AdamW', { adam: 'AdamW', fused: 'auto' }],
  ['AdamW, portable', { adam: 'AdamW', fused: false }],
  ['VRAdam without brake', { adam: 'VRAdam', fused: 'auto' }],
  ['VRAdam without brake, portable', { adam: 'VRAdam', fused: false }],
];

let fused: 'auto' | false = 'auto';

/** In place of `SGDOptimizer`, which the specs of the base class construct. */
export class SGDOptimizer extends SGD {
  constructor(learningRate: number) {
    super({ learningRate, fused });
  }
}

/** Replaces the factories, and `fromConfig` of the classes that the specs name. */
export function replacePeers({ adam, fused: path }: Peer): void {
  fused = path;
  // tfjs's epsilon, and no decay: ours have other defaults
  const options = { epsilon: 1e-7, weightDecay: 0, fused };
  Object.assign(tf.train, {
    adam: (learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7) =>
      adam === 'AdamW'
        ? new AdamW({ ...options, learningRate, beta1, beta2, epsilon })
        : new VRAdam({ ...options, learningRate, beta1, beta2, epsilon, beta3: 0 }),
    sgd: (learningRate: number) => new SGDOptimizer(learningRate),
    momentum: (learningRate: number, momentum: number, nesterov = false) =>
      new SGD({ learningRate, momentum, nesterov, fused }),
  });
  const Adam = adam === 'AdamW' ? AdamW : VRAdam;
  Object.assign(tf.AdamOptimizer, {
    fromConfig: (_: unknown, config: never) => Adam.fromConfig(Adam as never, config),
  });
  for (const Class of [tf.SGDOptimizer, tf.MomentumOptimizer]) {
    Object.assign(Class, { fromConfig: (_: unknown, config: never) => SGD.fromConfig(SGD as never, config) });
  }
}
