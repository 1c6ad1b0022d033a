/** What is refused is refused with a code and advice, and nothing has changed. */

import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import {
  accumulateGradients,
  averageWeights,
  clipByGlobalNorm,
  exportState,
  importState,
  type TfjsOptimizer,
  VRAdam,
  type VRAdamError,
} from '../src/index.ts';
import { freshName, makers, onEveryPath, values, variable, withGradients } from './setup.ts';

const clip = [clipByGlobalNorm, { maxNorm: 1 }] as const;
const average = [averageWeights, { decay: 0.9 }] as const;

/** All that a refused call could change. */
async function snapshot(optimizer: TfjsOptimizer, ...variables: tf.Variable[]): Promise<object> {
  const dict = await exportState(optimizer);
  const { numTensors, numDataBuffers } = tf.memory();
  const { iterations, steps, learningRate } = optimizer;
  return { dict, numTensors, numDataBuffers, iterations, steps, learningRate, now: variables.map(values) };
}

/** Expects `call` to throw with this code and words of advice, and to leave all as it was. */
async function expectRefused(
  optimizer: TfjsOptimizer,
  variables: tf.Variable[],
  call: () => unknown,
  code: string,
  advice: RegExp,
): Promise<void> {
  const before = await snapshot(optimizer, ...variables);
  await expect(async () => call()).rejects.toSatisfy((error: VRAdamError) => {
    expect(error).toMatchObject({ name: 'VRAdamError', code });
    expect(error.message).toMatch(/^\[@vradam\/(tfjs|core)\] /);
    expect(error.message).toMatch(advice);
    return true;
  });
  expect(await snapshot(optimizer, ...variables)).toEqual(before);
}

/** A second copy of tfjs-core with an engine of its own, as another version in a page would have. */
function secondCopy(): typeof tf {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@tensorflow/tfjs-core');
  const cpu = require.resolve('@tensorflow/tfjs-backend-cpu');
  const places = globalThis as unknown as Record<string, unknown>;
  const shared = ['_tfengine', '_tfGlobals'] as const;
  const ours = shared.map((key) => places[key]);
  const cached = [path, cpu].map((file) => require.cache[file]);
  for (const key of shared) delete places[key];
  for (const file of [path, cpu]) delete require.cache[file];
  const other = require(path) as typeof tf;
  require(cpu);
  shared.forEach((key, i) => {
    places[key] = ours[i];
  });
  [path, cpu].forEach((file, i) => {
    require.cache[file] = cached[i];
  });
  return other;
}

onEveryPath((fused) => {
  const begin = (make: (options: object) => TfjsOptimizer = makers.VRAdam, options = {}) => {
    const [a, b] = [variable([1, 2], freshName('a')), variable([3], freshName('b'))];
    const optimizer = make({ fused, ...options });
    withGradients({ [a.name]: [1, 1], [b.name]: [1] }, (g) => optimizer.applyGradients(g));
    return { a, b, optimizer };
  };

  test.each(Object.entries(makers))('%s refuses a gradient with NaN', async (_, make) => {
    const { a, b, optimizer } = begin(make);
    const call = () =>
      withGradients({ [a.name]: [1, 1], [b.name]: [Number.NaN] }, (g) => optimizer.applyGradients(g));
    await expectRefused(optimizer, [a, b], call, 'ERR_NON_FINITE', /skip/);
  });

  test.each([{}, { transforms: [clip, [accumulateGradients, { steps: 2 }], average] }])(
    'a NaN in the first step leaves nothing: %o',
    async (options) => {
      const [a, optimizer] = [variable([1, 2]), makers.VRAdam({ fused, ...options })];
      const before = tf.memory().numTensors;
      const bad = () => withGradients({ [a.name]: [1, Number.NaN] }, (g) => optimizer.applyGradients(g));
      // with accumulation the mean is checked, so that the last batch throws
      expect(() => [bad(), bad()]).toThrow();
      optimizer.dispose();
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test('a gradient of another shape, of another type, a disposed one, and one that is no tensor', async () => {
    const { a, b, optimizer } = begin();
    const give = (tensor: unknown) => () => optimizer.applyGradients({ [a.name]: tensor as tf.Tensor });
    const [wrong, ints, gone] = [tf.tensor1d([1]), tf.tensor1d([1, 2], 'int32'), tf.tensor1d([1, 2])];
    gone.dispose();
    await expectRefused(optimizer, [a, b], give(wrong), 'ERR_SHAPE_MISMATCH', /must have shape \[2\]/);
    await expectRefused(optimizer, [a, b], give(ints), 'ERR_UNSUPPORTED', /float32/);
    await expectRefused(optimizer, [a, b], give(gone), 'ERR_PARAMETER_UNKNOWN', /before you dispose/);
    await expectRefused(optimizer, [a, b], give([1, 2]), 'ERR_OPTION_TYPE', /must be a tensor/);
    tf.dispose([wrong, ints]);
  });

  test('a variable that nobody knows, and one that was disposed', async () => {
    const { a, b, optimizer } = begin();
    const give = (name: string) => () =>
      withGradients({ [b.name]: [1], [name]: [1, 2] }, (g) => optimizer.applyGradients(g));
    await expectRefused(optimizer, [a, b], give('nobody'), 'ERR_PARAMETER_UNKNOWN', /npm ls/);
    a.dispose();
    await expectRefused(optimizer, [b], give(a.name), 'ERR_PARAMETER_UNKNOWN', /was disposed/);
  });

  test("a disposed variable whose average goes on; forgotten, it is in nobody's way", async () => {
    const { a, b, optimizer } = begin(makers.VRAdam, { transforms: [average] });
    a.dispose();
    const call = () => withGradients({ [b.name]: [1] }, (g) => optimizer.applyGradients(g));
    await expectRefused(optimizer, [b], call, 'ERR_PARAMETER_UNKNOWN', /optimizer\.forget/);
    optimizer.forget(a.name);
    call();
    expect(Object.keys((await exportState(optimizer)).parameterSteps)).toEqual([b.name]);
    expect(() => optimizer.forget(a.name)).toThrow(
      expect.objectContaining({ code: 'ERR_PARAMETER_UNKNOWN' }),
    );
  });

  test('a variable whose shape is another now', async () => {
    const { a, b, optimizer } = begin();
    a.dispose();
    const c = variable([1, 2, 3], a.name);
    const call = () => withGradients({ [c.name]: [1, 2, 3] }, (g) => optimizer.applyGradients(g));
    await expectRefused(optimizer, [b, c], call, 'ERR_SHAPE_MISMATCH', /optimizer\.forget/);
    optimizer.forget(c.name);
    call();
    expect(values(c)[0]).toBeLessThan(1);
  });

  test('a tensor of another copy of tfjs-core', async () => {
    const { a, b, optimizer } = begin();
    const other = secondCopy();
    expect(other.engine()).not.toBe(tf.engine());
    await other.setBackend('cpu');
    const stranger = other.tensor1d([1, 2]);
    const call = () => optimizer.applyGradients({ [a.name]: stranger as unknown as tf.Tensor });
    await expectRefused(optimizer, [a, b], call, 'ERR_UNSUPPORTED', /npm dedupe/);
    const w = other.variable(stranger, true, freshName('theirs')) as unknown as tf.Variable;
    const train = () => optimizer.applyGradients({ [w.name]: stranger as unknown as tf.Tensor });
    await expectRefused(optimizer, [a, b], train, 'ERR_PARAMETER_UNKNOWN', /npm ls/);
  });

  test('loaded state of other variables, of another algorithm, of another version', async () => {
    const { a, b, optimizer } = begin();
    const dict = await exportState(optimizer);
    const [x, y] = [variable([1, 2], freshName()), variable([1, 2], freshName())];
    const other = makers.VRAdam({ fused });
    importState(other, dict);
    const call = () => withGradients({ [x.name]: [1, 1], [y.name]: [1, 1] }, (g) => other.applyGradients(g));
    await expectRefused(other, [a, b, x, y], call, 'ERR_STATE_MISMATCH', /saved with this model/);
    const mixed = { ...dict, algorithm: 'sgd' };
    await expectRefused(
      optimizer,
      [a, b],
      () => importState(optimizer, mixed),
      'ERR_STATE_MISMATCH',
      /vradam/,
    );
    const old = { ...dict, schema: 'vradam-state/0' };
    await expectRefused(
      optimizer,
      [a, b],
      () => importState(optimizer, old),
      'ERR_STATE_VERSION',
      /vradam-state\/1/,
    );
  });

  test('weights of another class, in another order, or with counters that cannot be', async () => {
    const { a, b, optimizer } = begin();
    const foreign = begin(makers.SGD).optimizer;
    const [theirs, ours] = [await foreign.getWeights(), await optimizer.getWeights()];
    const counters = { name: 'counters', tensor: tf.tensor1d([-1, 0, 0, 1, 1], 'int32') };
    const refuse = (weights: typeof ours, advice: RegExp) =>
      expectRefused(optimizer, [a, b], () => optimizer.setWeights(weights), 'ERR_STATE_MISMATCH', advice);
    await refuse(theirs, /same class/);
    await refuse(ours.slice(1), /'iter'/);
    await refuse([...ours, counters], /counters/);
    counters.tensor.dispose();
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('a learning rate of %s', async (rate) => {
    const { a, b, optimizer } = begin();
    const set = () => optimizer.setLearningRate(rate);
    await expectRefused(optimizer, [a, b], set, 'ERR_OPTION_RANGE', /\[0, Infinity\)/);
    const group = () => optimizer.setLearningRate(1, 'nobody');
    await expectRefused(optimizer, [a, b], group, 'ERR_PARAMETER_UNKNOWN', /no group/);
  });

  test('a schedule that gives no rate stops the step', async () => {
    const { a, b, optimizer } = begin(makers.VRAdam, {
      learningRate: (step: number) => (step < 1 ? 0.1 : -1),
    });
    const call = () => withGradients({ [a.name]: [1, 1] }, (g) => optimizer.applyGradients(g));
    await expectRefused(optimizer, [a, b], call, 'ERR_OPTION_RANGE', /\[0, Infinity\)/);
  });
});

describe('a call that fails in its middle', () => {
  /** Replaces a kernel of the current backend by one that fails at its n-th call. */
  function breaking(kernelName: string, at: number, body: () => void): void {
    const backendName = tf.getBackend();
    const stock = tf.getKernel(kernelName, backendName);
    let calls = 0;
    const kernelFunc: tf.KernelFunc = (params) => {
      if (++calls === at) throw new Error('the device is lost');
      return stock.kernelFunc(params);
    };
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({ ...stock, kernelFunc });
    try {
      body();
    } finally {
      tf.unregisterKernel(kernelName, backendName);
      tf.registerKernel(stock);
    }
  }

  const options = { transforms: [clip, average] };
  test.each(
    ['cpu', 'wasm'].flatMap((backend) => Object.keys(makers).map((name) => [backend, name] as const)),
  )(
    'on the portable path of %s, %s takes back what it did and leaks nothing, wherever it fails',
    async (backend, name) => {
      await tf.setBackend(backend);
      const make = makers[name as keyof typeof makers];
      const [a, b] = [variable([1, 2], freshName()), variable([3], freshName())];
      const optimizer = make({ fused: false, ...options });
      const step = () =>
        withGradients({ [a.name]: [1, -1], [b.name]: [2] }, (g) => optimizer.applyGradients(g));
      step();
      for (const kernel of ['Multiply', 'Add']) {
        const before = await snapshot(optimizer, a, b);
        let failures = 0;
        const { taken } = optimizer.steps;
        while (optimizer.steps.taken === taken) {
          expect(await snapshot(optimizer, a, b)).toEqual(before);
          breaking(kernel, failures + 1, () => {
            try {
              step();
            } catch (error) {
              expect(error).toMatchObject({ message: 'the device is lost' });
              failures++;
            }
          });
        }
        expect(failures).toBeGreaterThan(5);
      }
      optimizer.dispose();
    },
  );

  test.each(['cpu', 'wasm'])('on the fused path of %s it leaks nothing', async (backend) => {
    await tf.setBackend(backend);
    const [a, b] = [variable([1, 2], freshName()), variable([3], freshName())];
    const optimizer = new VRAdam(options);
    const step = () =>
      withGradients({ [a.name]: [1, -1], [b.name]: [2] }, (g) => optimizer.applyGradients(g));
    step();
    const [before, weights] = [tf.memory(), values(a)];
    const { assign } = tf.Variable.prototype;
    let calls = 0;
    tf.Variable.prototype.assign = function (this: tf.Variable, next) {
      if (++calls === 2) throw new Error('the device is lost');
      assign.call(this, next);
    };
    try {
      expect(step).toThrow('the device is lost');
    } finally {
      tf.Variable.prototype.assign = assign;
    }
    expect(tf.memory()).toEqual(before);
    expect(values(a)).toEqual(weights);
    step();
    optimizer.dispose();
  });
});
