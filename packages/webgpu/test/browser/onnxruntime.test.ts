/** onnxruntime-web on the same device: gradients come as buffers, parameters are updated where the session reads them. */

import { adamw, createOptimizer as bindCore, float64Ops } from '@vradam/core';
import { backward, buildModel, encodeModel, GraphBuilder } from '@vradam/onnx-autodiff';
import * as ort from 'onnxruntime-web/webgpu';
import { expect, test } from 'vitest';
import { createOrtOptimizer, sessionOptions } from '../../src/onnxruntime.ts';
import { expectNear } from '../twin.ts';
import { noise } from '../values.ts';

const [rows, inputs, outputs] = [16, 8, 3];
const spec = adamw({ learningRate: 0.05 });
const initial = {
  w: { data: noise(inputs * outputs, 1), shape: [inputs, outputs] },
  b: { data: noise(outputs, 2), shape: [outputs] },
};
const x = noise(rows * inputs, 3);

/** Gradients of `sum (x w + b)^2`. */
function gradientModel(): Uint8Array {
  const g = new GraphBuilder();
  const [features, w, b] = [
    g.input('x', 'float32', [rows, inputs]),
    g.input('w', 'float32', [inputs, outputs]),
    g.input('b', 'float32', [outputs]),
  ];
  const y = g.add(g.matMul(features, w), b);
  const [dw, db] = backward(g, g.reduceSum(g.mul(y, y)), [w, b]);
  return encodeModel(
    buildModel(g, {
      outputs: new Map([
        ['dw', dw as typeof w],
        ['db', db as typeof b],
      ]),
    }),
  );
}

/** The same on the host. */
function hostGradients(w: Float64Array, b: Float64Array): Record<string, Float64Array> {
  const gradients = { w: new Float64Array(w.length), b: new Float64Array(b.length) };
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < outputs; o++) {
      let y = b[o] as number;
      for (let i = 0; i < inputs; i++) y += (x[row * inputs + i] as number) * (w[i * outputs + o] as number);
      (gradients.b[o] as number) += 2 * y;
      for (let i = 0; i < inputs; i++)
        (gradients.w[i * outputs + o] as number) += 2 * y * (x[row * inputs + i] as number);
    }
  }
  return gradients;
}

test('eight steps come to what the core comes to, and nothing but the end is read', {
  timeout: 120_000,
}, async () => {
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  const device = (await (await navigator.gpu.requestAdapter())?.requestDevice()) as GPUDevice;
  const session = await ort.InferenceSession.create(
    gradientModel(),
    sessionOptions(device) as ort.InferenceSession.SessionOptions,
  );
  const training = await createOrtOptimizer(ort, device, spec, initial);
  const features = new ort.Tensor('float32', x, [rows, inputs]);
  const core = bindCore(float64Ops, spec);
  let parameters: Readonly<Record<string, Float64Array>> = {
    w: Float64Array.from(initial.w.data),
    b: Float64Array.from(initial.b.data),
  };
  let state = core.init(parameters);
  for (let t = 0; t < 8; t++) {
    const { dw, db } = (await session.run({ x: features, ...training.feeds })) as Record<string, ort.Tensor>;
    expect([dw?.location, db?.location]).toEqual(['gpu-buffer', 'gpu-buffer']);
    training.step({ w: dw, b: db });
    dw?.dispose();
    db?.dispose();
    const { w, b } = parameters as { w: Float64Array; b: Float64Array };
    ({ parameters, state } = core.update(parameters, hostGradients(w, b), state));
  }
  const read = await training.optimizer.read();
  expectNear('w', read['w'] as Float32Array, parameters['w'] as Float64Array, 1e-5);
  expectNear('b', read['b'] as Float32Array, parameters['b'] as Float64Array, 1e-5);

  expect(() => training.step({ w: features })).toThrow(expect.objectContaining({ code: 'ERR_OPTION_TYPE' }));
  training.dispose();
  await session.release();
});
