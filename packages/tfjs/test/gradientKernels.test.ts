import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { batchNormTraining, registerGradientKernels } from '../src/gradientKernels/index.ts';
import { expectSameOnCpu, memory, noise, random } from './gradientKernels/harness.ts';

describe('a whole CNN', () => {
  const shapes: Record<string, number[]> = {
    conv0: [3, 3, 3, 4],
    bias0: [4],
    scale0: [4],
    offset0: [4],
    conv1: [3, 3, 4, 6],
    bias1: [6],
    scale1: [6],
    offset1: [6],
    dense: [24, 10],
    denseBias: [10],
  };

  /** [conv - bias - batch norm - relu - pool] twice, dense, cross-entropy: the loss of a batch of 8x8 images. */
  function cnnLoss(w: Record<string, tf.Tensor>, images: tf.Tensor, labels: tf.Tensor): tf.Scalar {
    let h = images;
    for (const i of [0, 1]) {
      h = tf.add(
        tf.conv2d(h as tf.Tensor4D, w[`conv${i}`] as tf.Tensor4D, 1, 'same'),
        w[`bias${i}`] as tf.Tensor,
      );
      h = batchNormTraining(h, w[`scale${i}`] as tf.Tensor1D, w[`offset${i}`] as tf.Tensor1D).output;
      h = tf.maxPool(tf.relu(h) as tf.Tensor4D, 2, 2, 'valid');
    }
    const flat = tf.reshape(h, [images.shape[0] as number, -1]);
    const logits = tf.add(tf.matMul(flat, w['dense'] as tf.Tensor), w['denseBias'] as tf.Tensor);
    return tf.losses.softmaxCrossEntropy(labels, logits) as tf.Scalar;
  }

  function batch(next: () => number): [images: tf.Tensor, labels: tf.Tensor] {
    return [random(next, [4, 8, 8, 3]), tf.oneHot(tf.tensor1d([1, 9, 0, 4], 'int32'), 10)];
  }

  it('has the gradients of the cpu backend', async () => {
    await expectSameOnCpu(
      () => {
        const next = noise(11);
        const names = Object.keys(shapes);
        const weights = names.map((name) => random(next, shapes[name] as number[]));
        const [images, labels] = batch(next);
        const loss = (...tensors: tf.Tensor[]): tf.Scalar =>
          cnnLoss(
            Object.fromEntries(names.map((name, i) => [name, tensors[i] as tf.Tensor])),
            images,
            labels,
          );
        const { value, grads } = tf.valueAndGrads(loss)(weights);
        // A bias in front of a batch norm has no gradient but rounding noise.
        const exact = grads.filter((_, i) => !/^bias/.test(names[i] as string));
        return [value, ...exact];
      },
      2e-6,
      1e-30,
    );
  });

  it('trains, and keeps no tensor from one step to the next', async () => {
    await tf.setBackend('wasm');
    const start = memory();
    const next = noise(12);
    const [images, labels] = tf.tidy(() => batch(next));
    const weights: Record<string, tf.Variable> = {};
    for (const [name, shape] of Object.entries(shapes)) {
      weights[name] = tf.tidy(() => tf.variable(tf.mul(random(next, shape), 0.5)));
    }
    const optimizer = tf.train.sgd(0.1);
    const step = (): number =>
      tf.tidy(() => {
        const variables = Object.values(weights);
        return (
          optimizer.minimize(() => cnnLoss(weights, images, labels), true, variables) as tf.Scalar
        ).dataSync()[0] as number;
      });
    const first = step();
    const before = memory();
    for (let i = 0; i < 10; i++) step();
    expect(memory()).toEqual(before);
    expect(step()).toBeLessThan(first / 2);
    tf.dispose([images, labels, ...Object.values(weights)]);
    optimizer.dispose();
    expect(memory()).toEqual(start);
  });
});

describe('registerGradientKernels', () => {
  afterEach(() => vi.restoreAllMocks());
  beforeEach(async () => {
    await tf.setBackend('wasm');
  });

  it('changes nothing and warns of nothing when called again', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const before = tf.getKernelsForBackend('wasm').map(({ kernelFunc }) => kernelFunc);
    registerGradientKernels();
    expect(tf.getKernelsForBackend('wasm').map(({ kernelFunc }) => kernelFunc)).toEqual(before);
    expect(warn).not.toHaveBeenCalled();
  });

  it('leaves the other backends alone', () => {
    expect(tf.getKernel('VRAdamBatchNormTraining', 'cpu')).toBeUndefined();
  });

  it('says what to import when the wasm backend is missing', () => {
    const { registryFactory } = tf.engine();
    const { wasm } = registryFactory;
    delete registryFactory['wasm'];
    try {
      expect(registerGradientKernels).toThrowError(
        expect.objectContaining({
          code: 'ERR_UNSUPPORTED',
          message: expect.stringMatching(/tfjs-backend-wasm/),
        }),
      );
    } finally {
      if (wasm !== undefined) registryFactory['wasm'] = wasm;
    }
  });

  it.each([
    ['dataIdMap', { dataIdMap: undefined }],
    ['wasm.HEAPU8', { wasm: {} }],
    ['makeOutput', { makeOutput: undefined }],
  ])('names %s when the backend does not have it', (name, lacking) => {
    const { registry } = tf.engine();
    const backend = registry['wasm'] as tf.KernelBackend;
    registry['wasm'] = Object.assign(Object.create(backend), lacking);
    try {
      expect(registerGradientKernels).toThrowError(
        expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining(`no ${name}`) }),
      );
    } finally {
      registry['wasm'] = backend;
    }
  });
});
