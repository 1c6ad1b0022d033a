/** Both paths, fused and portable, pass the published suite on the tfjs backends that Node has. */

import {
  backPropagate,
  expectClose,
  type TrainModel,
  testGolden,
  testOptimizer,
  testTensorOps,
} from '@vradam/conformance';
import { loadGolden } from '@vradam/conformance/node';
import { describe, it } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import { backends } from '../conformance.mjs';

const golden = await loadGolden();

for (const backend of backends) {
  testTensorOps({ describe, it }, backend);
  testOptimizer({ describe, it }, backend, 5);
  testGolden({ describe, it }, backend, golden);
}

/** 4 rows, 3 features, 5 hidden units, 2 classes. */
const wave = (shape: number[], seed: number) => ({
  shape,
  data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.9 * i + seed)),
});
const model: TrainModel = {
  layers: [
    ['a.weight', 'a.bias'],
    ['b.weight', 'b.bias'],
  ],
  initial: {
    'a.weight': wave([5, 3], 1),
    'a.bias': wave([5], 2),
    'b.weight': wave([2, 5], 3),
    'b.bias': wave([2], 4),
  },
  inputs: wave([4, 3], 5),
  labels: [0, 1, 1, 0],
};

for (const backend of backends) {
  it(`${backend.name}: the training model has the loss and gradients of the hand-written one`, async () => {
    await backend.create();
    const parameters = Object.fromEntries(
      Object.entries(model.initial).map(([name, { data, shape }]) => [name, backend.parameter(data, shape)]),
    );
    const { loss, gradients } = await backend.trainProblem(model).lossAndGradients(parameters, [0, 2, 3]);
    const byHand = Object.fromEntries(Object.entries(model.initial).map(([name, { data }]) => [name, data]));
    const expected = backPropagate(model, byHand, [0, 2, 3]);
    expectClose('loss', [loss], [expected.loss], 1e-6);
    for (const [name, gradient] of Object.entries(expected.gradients)) {
      expectClose(name, await gradients[name].data(), gradient, 2e-6);
    }
  });
}
