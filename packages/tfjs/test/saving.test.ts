/** Saved with a model, or as named weights, an optimizer goes on as if nothing had happened. */

import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { describe, expect, test, vi } from 'vitest';
import {
  AdamW,
  accumulateGradients,
  averageWeights,
  clipByGlobalNorm,
  exportState,
  type OptimizerSpec,
  registerTransforms,
  type TfjsOptimizer,
  VRAdam,
  warmupCosine,
} from '../src/index.ts';
import { freshName, makers, onEveryPath, values, variable, withGradients } from './setup.ts';

type Model = layers.LayersModel;

function makeModel(optimizer: tf.Optimizer): Model {
  const model = layers.sequential();
  const dense = (units: number, name: string, inputShape?: number[]) =>
    layers.layers.dense({
      units,
      name,
      activation: 'tanh',
      kernelInitializer: layers.initializers.heNormal({ seed: units }),
      ...(inputShape && { inputShape }),
    });
  model.add(dense(6, 'body_1', [3]));
  model.add(dense(1, 'head_2'));
  model.compile({ optimizer, loss: 'meanSquaredError' });
  return model;
}

const inputs = Array.from({ length: 12 }, (_, i) => [0, 1, 2].map((k) => Math.sin(i + 5 * k)));
const targets = inputs.map((row) => [Math.cos(row[0] as number)]);

async function train(model: Model, epochs: number): Promise<void> {
  const [x, y] = [tf.tensor2d(inputs), tf.tensor2d(targets)];
  await model.fit(x, y, { epochs, batchSize: 4, shuffle: false, verbose: 0 });
  tf.dispose([x, y]);
}

async function save(model: Model): Promise<tf.io.ModelArtifacts> {
  let saved: tf.io.ModelArtifacts | undefined;
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    saved = artifacts;
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  });
  await model.save(handler, { includeOptimizer: true });
  // as a file would hold it
  return { ...JSON.parse(JSON.stringify(saved)), weightData: saved?.weightData } as tf.io.ModelArtifacts;
}

const optimizerOf = (model: Model): TfjsOptimizer => model.optimizer as TfjsOptimizer;
const weightsOf = (model: Model): number[] => model.getWeights().flatMap(values);

function expectClose(actual: number[], expected: number[], tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs((actual[i] as number) - value)).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(value)),
    );
  });
}

onEveryPath((fused) => {
  test.each(Object.entries(makers))(
    '%s: saved with its model and loaded, it equals training without a break',
    async (_, make) => {
      const straight = makeModel(make({ fused }));
      await train(straight, 4);
      const original = makeModel(make({ fused }));
      await train(original, 2);
      const saved = await save(original);
      // beside its original, so that tfjs gives its variables other names
      const loaded = await layers.loadLayersModel(tf.io.fromMemory(saved));
      expect(optimizerOf(loaded).getConfig()).toEqual(optimizerOf(original).getConfig());
      expect(optimizerOf(loaded).constructor).toBe(optimizerOf(original).constructor);
      const untouched = weightsOf(original);
      await train(loaded, 2);
      expectClose(weightsOf(loaded), weightsOf(straight), 1e-6);
      expect(weightsOf(original)).toEqual(untouched);
      expect(optimizerOf(loaded).steps.taken).toBe(optimizerOf(straight).steps.taken);
      for (const model of [straight, original, loaded]) {
        optimizerOf(model).dispose();
        model.dispose();
      }
    },
  );

  test('so it does with groups, masks, transforms and an infinite cutoff, and saving again at once changes nothing', async () => {
    const make = () =>
      new VRAdam({
        fused,
        learningRate: 0.05,
        lrCutoff: Number.POSITIVE_INFINITY,
        weightDecay: 0.1,
        transforms: [
          [clipByGlobalNorm, { maxNorm: 0.5 }],
          [accumulateGradients, { steps: 2 }],
          [averageWeights, { decay: 0.9 }],
        ],
        maskWeightDecay: true,
        nonFinite: 'skip',
        groups: [{ name: 'head_group', match: /HEAD_2/i, learningRate: 0.2, normGrad: true }],
      });
    const straight = makeModel(make());
    await train(straight, 5);
    const original = makeModel(make());
    await train(original, 2); // 6 batches
    await train(original, 1); // 3 more: in the middle of a step
    const first = await layers.loadLayersModel(tf.io.fromMemory(await save(original)));
    const second = await layers.loadLayersModel(tf.io.fromMemory(await save(first)));
    await train(second, 2);
    expectClose(weightsOf(second), weightsOf(straight), 1e-6);
    expect(optimizerOf(second).learningRateOf('head_group')).toBe(0.2);
    const averages = await Promise.all(
      [straight, second].map((model) => optimizerOf(model).withAverage(() => weightsOf(model))),
    );
    expectClose(averages[1] as number[], averages[0] as number[], 1e-6);
    for (const model of [straight, original, first, second]) {
      optimizerOf(model).dispose();
      model.dispose();
    }
  });

  test('saving and loading leave no tensor behind', async () => {
    const model = makeModel(new VRAdam({ fused, transforms: [[accumulateGradients, { steps: 2 }]] }));
    await train(model, 1);
    await save(model);
    const before = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) {
      const loaded = await layers.loadLayersModel(tf.io.fromMemory(await save(model)));
      await train(loaded, 1);
      await save(loaded);
      optimizerOf(loaded).dispose();
      loaded.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
    optimizerOf(model).dispose();
    model.dispose();
  });

  test('a learning rate that was set is saved; a schedule is given again', async () => {
    const schedule = warmupCosine({ learningRate: 0.1, warmup: 4, total: 12 });
    const straight = makeModel(new VRAdam({ fused, learningRate: schedule }));
    await train(straight, 4);
    const original = makeModel(new VRAdam({ fused, learningRate: schedule }));
    await train(original, 2);
    const loaded = await layers.loadLayersModel(tf.io.fromMemory(await save(original)));
    expect(optimizerOf(loaded).learningRate).toBe(schedule(6));
    optimizerOf(loaded).setLearningRate(schedule);
    await train(loaded, 2);
    expectClose(weightsOf(loaded), weightsOf(straight), 1e-6);
    for (const model of [straight, original, loaded]) {
      optimizerOf(model).dispose();
      model.dispose();
    }
  });

  test('weights come as iter, all first moments, all second moments, and are the live ones', async () => {
    const [a, b] = [variable([1], freshName()), variable([2, 3], freshName())];
    const optimizer = new VRAdam({ fused });
    const step = () => withGradients({ [a.name]: [1], [b.name]: [2, 3] }, (g) => optimizer.applyGradients(g));
    step();
    const weights = await optimizer.getWeights();
    const [m, v] = ['m', 'v'].map((slot) => [`${a.name}/${slot}`, `${b.name}/${slot}`]);
    expect(weights.map(({ name }) => name)).toEqual(['iter', ...(m as string[]), ...(v as string[])]);
    expect(weights[0]?.tensor.dtype).toBe('int32');
    expect(values(weights[0]?.tensor as tf.Tensor)).toEqual([1]);
    expectClose(values(weights[2]?.tensor as tf.Tensor), [0.2, 0.3], 1e-6);
    optimizer.dispose();
  });

  test('getWeights and setWeights leak nothing, however often they are called', async () => {
    const w = variable([1, 2], freshName());
    const optimizer = new VRAdam({ fused });
    const step = () => withGradients({ [w.name]: [1, 2] }, (g) => optimizer.applyGradients(g));
    const round = async () => {
      await optimizer.setWeights(await optimizer.getWeights());
      step();
    };
    step();
    await round();
    const before = tf.memory().numTensors;
    for (let i = 0; i < 10; i++) await round();
    expect(tf.memory().numTensors).toBe(before);
    expect(optimizer.iterations).toBe(12);
    optimizer.dispose();
  });

  test("a run of tfjs's own Adam goes on in ours", async () => {
    const step = (w: tf.Variable, optimizer: tf.Optimizer, i: number) =>
      withGradients({ [w.name]: [Math.sin(i), Math.cos(2 * i)] }, (g) => optimizer.applyGradients(g));
    const [straight, w] = [variable([1, 2], freshName()), variable([1, 2], freshName())];
    const [peer, first] = [tf.train.adam(0.1), tf.train.adam(0.1)];
    for (let i = 0; i < 20; i++) step(straight, peer, i);
    for (let i = 0; i < 10; i++) step(w, first, i);
    const ours = new AdamW({ fused, learningRate: 0.1, epsilon: 1e-7, weightDecay: 0 });
    const weights = await first.getWeights();
    await ours.setWeights(weights);
    for (let i = 10; i < 20; i++) step(w, ours, i);
    // tfjs computes 1 - beta2^t in float32
    expectClose(values(w), values(straight), 2e-5);
    weights[0]?.tensor.dispose();
    for (const optimizer of [peer, first, ours]) optimizer.dispose();
  });

  test('state that was loaded can wait for a variable through steps without it', async () => {
    const names = [freshName(), freshName()] as const;
    const run = async (restart: boolean) => {
      const [a, b] = names.map((name) => variable([1, 2], name)) as [tf.Variable, tf.Variable];
      let optimizer = new VRAdam({ fused, learningRate: 0.1 });
      const step = (...of: tf.Variable[]) =>
        withGradients(Object.fromEntries(of.map(({ name }) => [name, [1, -2]])), (g) =>
          optimizer.applyGradients(g),
        );
      step(a, b);
      step(b);
      if (restart) {
        const weights = await optimizer.getWeights();
        const next = new VRAdam({ fused, learningRate: 0.1 });
        await next.setWeights(weights);
        optimizer.dispose();
        optimizer = next;
      }
      step(a);
      const dict = await exportState(optimizer);
      step(b);
      step(b, a);
      const result = { values: [...values(a), ...values(b)], dict };
      optimizer.dispose();
      a.dispose();
      b.dispose();
      return result;
    };
    const [broken, whole] = [await run(true), await run(false)];
    expect(broken.values).toEqual(whole.values);
    expect(broken.dict.parameterSteps).toEqual(whole.dict.parameterSteps);
    expect(broken.dict.tensors).toEqual(whole.dict.tensors);
  });
});

onEveryPath((fused) => {
  test('counters of weights belong to their variables, also where one has received gradients and taken no step', async () => {
    const [late, early] = [variable([1, 2], freshName()), variable([3], freshName())];
    const make = () => new VRAdam({ fused, transforms: [[accumulateGradients, { steps: 2 }]] });
    const optimizer = make();
    const give = (of: TfjsOptimizer, ...variables: tf.Variable[]) =>
      withGradients(Object.fromEntries(variables.map((w) => [w.name, values(w)])), (g) =>
        of.applyGradients(g),
      );
    const next = make();
    // known from the first batch on, and without a gradient in it
    withGradients({ [early.name]: [1] }, (g) =>
      optimizer.applyGradients({ [late.name]: null, ...g } as never),
    );
    give(optimizer, early);
    give(optimizer, late, early);
    await next.setWeights(await optimizer.getWeights());
    const [ours, theirs] = [await exportState(optimizer), await exportState(next)];
    expect(theirs.parameterSteps).toEqual(ours.parameterSteps);
    expect(ours.parameterSteps).toEqual({ [late.name]: 0, [early.name]: 1 });
    expect(theirs.tensors).toEqual(ours.tensors);
    optimizer.dispose();
    next.dispose();
  });

  test('weights that lack a moment, or an average, are refused when a variable would take them', async () => {
    const w = variable([1, 2], freshName());
    const step = (optimizer: TfjsOptimizer) =>
      withGradients({ [w.name]: [1, 2] }, (g) => optimizer.applyGradients(g));
    const source = new VRAdam({ fused });
    step(source);
    const weights = await source.getWeights();
    const averaging = new VRAdam({ fused, transforms: [[averageWeights, { decay: 0.9 }]] });
    const lacking: [VRAdam, typeof weights][] = [
      [new VRAdam({ fused }), weights.slice(0, 2)],
      [averaging, weights],
    ];
    for (const [optimizer, given] of lacking) {
      await optimizer.setWeights(given);
      const before = [values(w), tf.memory().numTensors];
      expect(() => step(optimizer)).toThrow(expect.objectContaining({ code: 'ERR_STATE_MISMATCH' }));
      expect([values(w), tf.memory().numTensors]).toEqual(before);
      optimizer.dispose();
    }
    source.dispose();
  });

  test('weights are copied: the optimizer that gave them, and whoever changes them, does not disturb them', async () => {
    const names = [freshName(), freshName()] as const;
    const [a, b] = names.map((name) => variable([1, -2], name)) as [tf.Variable, tf.Variable];
    const step = (optimizer: TfjsOptimizer, w: tf.Variable) =>
      withGradients({ [w.name]: [1, 2] }, (g) => optimizer.applyGradients(g));
    const [source, next] = [new VRAdam({ fused }), new VRAdam({ fused })];
    step(source, a);
    await next.setWeights(await source.getWeights());
    const before = await exportState(next);
    for (let i = 0; i < 3; i++) step(source, a);
    source.dispose();
    expect(await exportState(next)).toEqual(before);
    step(next, b); // takes them by position
    expect((await exportState(next)).parameterSteps).toEqual({ [b.name]: 2 });
    next.dispose();
  });
});

describe('a configuration', () => {
  const { fromConfig } = VRAdam;
  const copyOf = (optimizer: VRAdam) =>
    fromConfig<VRAdam>(VRAdam as never, {
      ...JSON.parse(JSON.stringify(optimizer.getConfig())),
      customObjects: {},
    });

  test('is numbers, booleans and null only, so that tfjs can spell nothing otherwise', () => {
    const optimizer = new VRAdam({
      maskWeightDecay: 'dense_1/bias',
      groups: [{ name: 'a_b', match: ['x_y'] }],
    });
    const plain = (value: unknown): boolean =>
      value === null ||
      ['number', 'boolean'].includes(typeof value) ||
      (Array.isArray(value) && value.every(plain));
    expect(Object.values(optimizer.getConfig()).every(plain)).toBe(true);
  });

  test('brings names, rules and rates of groups back', () => {
    const optimizer = new VRAdam({
      maskWeightDecay: ['dense_1/bias'],
      nonFinite: 'propagate',
      groups: [{ name: 'a_b', match: /^x_y/u, lrCutoff: Number.POSITIVE_INFINITY }],
    });
    optimizer.setLearningRate(0.25);
    const copy = copyOf(optimizer);
    expect(copy.getConfig()).toEqual(optimizer.getConfig());
    expect(copy.spec.groups.map(({ name }) => name)).toEqual(['a_b', 'default']);
    expect(copy.spec.groups[0]?.match('x_y/kernel')).toBe(true);
    expect(copy.spec.groups[0]?.options).toMatchObject({ lrCutoff: Number.POSITIVE_INFINITY });
    expect(copy.spec.decays('dense_1/bias')).toBe(false);
    expect(copy.spec.decays('dense_1/kernel')).toBe(true);
    expect(copy.spec.nonFinite).toBe('propagate');
    expect(copy.learningRate).toBe(0.25);
  });

  test('cannot hold a function, and says so', () => {
    const optimizer = new VRAdam({ maskWeightDecay: (name) => name.endsWith('bias') });
    expect(() => optimizer.getConfig()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });

  test('brings transforms back in their order, with their options', () => {
    const optimizer = new VRAdam({
      transforms: [
        [accumulateGradients, { steps: 3 }],
        [clipByGlobalNorm, { maxNorm: 0.5 }],
        [averageWeights],
      ],
    });
    const named = ({ spec }: VRAdam) => spec.transforms.map(({ kind, options }) => [kind, options]);
    expect(named(copyOf(optimizer))).toEqual([
      ['accumulateGradients', { steps: 3 }],
      ['clipByGlobalNorm', { maxNorm: 0.5 }],
      ['averageWeights', { decay: 0.999 }],
    ]);
    expect(copyOf(optimizer).getConfig()).toEqual(optimizer.getConfig());
  });

  test('holds a transform of your own that is registered, and refuses one that is not', () => {
    const never = (spec: OptimizerSpec): OptimizerSpec => ({ ...spec, decays: () => false });
    const optimizer = new VRAdam({ transforms: [[clipByGlobalNorm, { maxNorm: 1 }], [never]] });
    expect(() => optimizer.getConfig()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    registerTransforms({ never });
    const copy = copyOf(optimizer);
    expect(copy.spec.decays('kernel')).toBe(false);
    expect(copy.spec.transforms.map(({ kind }) => kind)).toEqual(['clipByGlobalNorm']);
  });

  test('with a transform that nobody has imported says how to get it', async () => {
    const config = new VRAdam({ transforms: [[clipByGlobalNorm, { maxNorm: 0.5 }]] }).getConfig();
    // as in a page that has only loaded the class
    vi.resetModules();
    const page = await import('../src/index.ts');
    const load = () => page.VRAdam.fromConfig(page.VRAdam as never, config) as unknown as VRAdam;
    expect(load).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    expect(load).toThrow(/registerTransforms\(\{ clipByGlobalNorm \}\)/);
    page.registerTransforms({ clipByGlobalNorm: page.clipByGlobalNorm });
    expect(load().spec.transforms[0]?.options).toEqual({ maxNorm: 0.5 });
  });
});
