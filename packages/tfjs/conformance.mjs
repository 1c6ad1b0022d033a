/** This adapter's backends, for the conformance suite and its command line. */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-layers'; // registers all gradients
import { createTfjsOps } from './dist/index.js';

/** The multi-layer perceptron of the training reference, differentiated by tfjs. */
function trainProblem({ layers, inputs, labels }) {
  return {
    async lossAndGradients(parameters, batch) {
      const [, features] = inputs.shape;
      const x = tf.tensor2d(
        Float32Array.from(batch.flatMap((row) => inputs.data.slice(row * features, (row + 1) * features))),
        [batch.length, features],
      );
      const classes = parameters[layers.at(-1)[1]].size;
      const classesOf = batch.map((row) => labels[row]);
      const targets = tf.tidy(() => tf.oneHot(tf.tensor1d(classesOf, 'int32'), classes));
      let rows;
      const loss = () => {
        let y = x;
        for (const [i, [weight, bias]] of layers.entries()) {
          const z = tf.add(tf.matMul(y, parameters[weight], false, true), parameters[bias]);
          y = i < layers.length - 1 ? tf.relu(z) : z;
        }
        rows = tf.keep(tf.neg(tf.sum(tf.mul(tf.logSoftmax(y), targets), 1)));
        return tf.mean(rows);
      };
      const { value, grads } = tf.variableGrads(loss, Object.values(parameters));
      const gradients = Object.entries(parameters).map(([name, variable]) => [name, grads[variable.name]]);
      // the mean is read in float64: a float32 sum of a thousand terms is already off by the limit of the reference
      const mean = (await rows.data()).reduce((sum, row) => sum + row / batch.length, 0);
      tf.dispose([x, targets, value, rows]);
      return { loss: mean, gradients: Object.fromEntries(gradients) };
    },
  };
}

/** One tfjs backend, with the fused path where it has one, or `fused: false`. */
export const tfjsBackend = (backendName, { fused = 'auto' } = {}) => ({
  name: fused === 'auto' ? `tfjs-${backendName}` : `tfjs-${backendName}-portable`,
  async create() {
    await tf.setBackend(backendName);
    await tf.ready();
    return createTfjsOps({ fused });
  },
  parameter(data, shape) {
    const initial = tf.tensor(Float32Array.from(data), shape, 'float32');
    const variable = tf.variable(initial);
    initial.dispose();
    return variable;
  },
  liveTensors: () => tf.memory().numTensors,
  trainProblem,
});

export const backends = ['cpu', 'wasm'].flatMap((name) => [
  tfjsBackend(name),
  tfjsBackend(name, { fused: false }),
]);
