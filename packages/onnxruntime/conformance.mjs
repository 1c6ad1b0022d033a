/** This adapter's backends, for the conformance suite and its command line. */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { float32Ops } from '@vradam/core';
import { backward, buildModel, crossEntropy, encodeModel, GraphBuilder } from '@vradam/onnx-autodiff';
import * as node from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { openRuntime } from './dist/index.js';
import { createLazyOps } from './dist/lazyOps.js';

// in Node, onnxruntime-web takes its WebAssembly from the package's own folder
const webFolder = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
web.env.wasm.numThreads = 1;
web.env.wasm.wasmBinary = await readFile(join(webFolder, 'ort-wasm-simd-threaded.wasm'));
web.env.wasm.wasmPaths = pathToFileURL(`${webFolder}/`).href;

const sessionOptions = { intraOpNumThreads: 1, logSeverityLevel: 3 };

/** The multi-layer perceptron of the training reference as a graph with its gradients. */
function trainGraph({ layers, initial, inputs }) {
  const g = new GraphBuilder();
  const parameters = Object.entries(initial).map(([name, { shape }]) => g.input(name, 'float32', shape));
  const byName = Object.fromEntries(parameters.map((value) => [value.name, value]));
  let y = g.input('x', 'float32', ['batch', inputs.shape[1]]);
  for (const [i, [weight, bias]] of layers.entries()) {
    const z = g.gemm(y, byName[weight], byName[bias], { transB: 1 });
    y = i < layers.length - 1 ? g.relu(z) : z;
  }
  const losses = crossEntropy({ reduction: 'mean' })(g, new Map([['logits', y]]));
  const rows = g.op('SoftmaxCrossEntropyLoss', [y, g.inputs.find(({ name }) => name === 'labels')], {
    reduction: 'none',
  });
  const gradients = backward(g, losses, parameters);
  const outputs = new Map([
    ['rows', rows],
    ...parameters.map(({ name }, i) => [`${name}.gradient`, gradients[i]]),
  ]);
  return encodeModel(buildModel(g, { outputs }));
}

/** Differentiated by this project, run by onnxruntime. `read` and `make` go between its tensors and the backend's. */
const trainProblemOn = (ort, ops) => (model) => {
  const session = ort.InferenceSession.create(trainGraph(model), sessionOptions);
  return {
    async lossAndGradients(parameters, batch) {
      const [, features] = model.inputs.shape;
      const rows = batch.flatMap((row) => model.inputs.data.slice(row * features, (row + 1) * features));
      const feeds = {
        x: new ort.Tensor('float32', Float32Array.from(rows), [batch.length, features]),
        labels: new ort.Tensor(
          'int64',
          BigInt64Array.from(batch, (row) => BigInt(model.labels[row])),
          [batch.length],
        ),
      };
      for (const [name, { shape }] of Object.entries(model.initial)) {
        feeds[name] = new ort.Tensor(
          'float32',
          Float32Array.from(await ops().toArray(parameters[name])),
          shape,
        );
      }
      const results = await (await session).run(feeds);
      const gradients = Object.entries(model.initial).map(([name, { shape }]) => {
        return [name, ops().fromArray(results[`${name}.gradient`].data, shape)];
      });
      // the mean is taken in float64: a float32 sum of a thousand terms is already off by the limit of the reference
      const loss = results.rows.data.reduce((sum, row) => sum + row / batch.length, 0);
      return { loss, gradients: Object.fromEntries(gradients) };
    },
  };
};

/** The traced step on one runtime. */
export const graphBackend = (name, ort) => {
  let ops;
  return {
    name,
    create() {
      ops = createLazyOps(openRuntime(ort, { sessionOptions }));
      return ops;
    },
    liveTensors: () => ops.liveTensors(),
    trainProblem: trainProblemOn(ort, () => ops),
  };
};

/** Gradients from onnxruntime, the core's own step on the host. */
export const hostBackend = (name, ort) => ({
  name,
  create: () => float32Ops,
  trainProblem: trainProblemOn(ort, () => float32Ops),
});

export const backends = [
  graphBackend('onnxruntime-node-graph', node),
  graphBackend('onnxruntime-web-graph', web),
  hostBackend('onnxruntime-node-host', node),
];
