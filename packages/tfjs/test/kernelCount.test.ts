/** On a GPU each of tfjs's kernels is a dispatch: a portable step takes no more for a variable than Adam's. */

import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { AdamW, VRAdam } from '../src/index.ts';
import { onEveryPath } from './setup.ts';

async function kernelsOf(make: () => tf.Optimizer, count: number): Promise<number> {
  const variables = Array.from({ length: count }, () => tf.tidy(() => tf.variable(tf.ones([10]))));
  const gradients = Object.fromEntries(variables.map(({ name }) => [name, tf.ones([10])]));
  const optimizer = make();
  optimizer.applyGradients(gradients);
  const { kernels } = await tf.profile(() => optimizer.applyGradients(gradients) as never);
  optimizer.dispose();
  tf.dispose([variables, gradients]);
  return kernels.length;
}

/** Kernels for one more variable, and those that any number of variables share. */
async function kernels(make: () => tf.Optimizer): Promise<{ each: number; shared: number }> {
  const [ten, twenty] = [await kernelsOf(make, 10), await kernelsOf(make, 20)];
  return { each: (twenty - ten) / 10, shared: 2 * ten - twenty };
}

onEveryPath((fused) => {
  // a check of gradients for NaN, which Adam does not make, is not among them on a GPU
  const options = { fused, nonFinite: 'propagate' } as const;

  test('a step takes as many for a variable as tf.train.adam, one more with weight decay, and none if fused', async () => {
    const adam = await kernels(() => tf.train.adam());
    const vradam = await kernels(() => new VRAdam({ ...options, weightDecay: 0 }));
    const decayed = await kernels(() => new VRAdam(options));
    const adamw = await kernels(() => new AdamW(options));
    expect(adam).toEqual({ each: 14, shared: 4 });
    if (fused === 'auto') {
      for (const each of [vradam, decayed, adamw]) expect(each).toEqual({ each: 0, shared: 0 });
    } else {
      expect(vradam.each).toBeLessThanOrEqual(adam.each);
      expect(decayed.each).toBeLessThanOrEqual(adam.each + 1);
      expect(adamw.each).toBeLessThan(adam.each);
      for (const { shared } of [vradam, decayed, adamw]) expect(shared).toBeLessThan(10);
    }
  });
});
