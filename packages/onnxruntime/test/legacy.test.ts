/** The files are held against the training build of onnxruntime-web 1.19.2 itself. */

import {
  adamw,
  clipByGlobalNorm,
  linear,
  maskWeightDecay,
  type OptimizerSpec,
  sgd,
  type VRAdamOptions,
  vradam,
} from '@vradam/core';
import { crossEntropy, decodeModel, encodeModel, type Model } from '@vradam/onnx-autodiff';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createTrainingArtifacts,
  type TrainingArtifacts,
  type TrainingArtifactsOptions,
} from '../src/legacy/index.ts';
import { contiguousParameters } from './legacyChild.ts';
import { images, type LayerNames, modelOf, type Problem, perceptron, sentences } from './legacyModels.ts';
import { type Reference, trainReference } from './legacyReference.ts';
import { type Feeds, readLegacy, toLegacy, trainLegacy, withLegacy } from './legacySession.ts';

interface Trained {
  readonly artifacts: TrainingArtifacts;
  readonly losses: readonly number[];
  readonly parameters: readonly number[];
  readonly reference: Reference;
}

/** Trains by the artifacts, and by today's parts. */
async function trainBoth(
  { model, loss, batches }: Problem,
  optimizer: OptimizerSpec,
  steps: number,
  trainable?: readonly string[],
): Promise<Trained> {
  const chosen = trainable ? { trainable } : {};
  const artifacts = createTrainingArtifacts({ model, loss, optimizer, parameterOutputs: true, ...chosen });
  const names = artifacts.parameters.map(({ name }) => name);
  const reference = await trainReference({ model, loss, optimizer, names }, batches, steps);
  return withLegacy(artifacts, async (session) => {
    const losses = await trainLegacy(session, artifacts, batches, steps);
    const parameters = await readLegacy(session, artifacts, batches[0] as Feeds);
    return { artifacts, losses, parameters, reference };
  });
}

function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (x, i) => Math.abs(x - (b[i] as number))));
}

/** Tensors by name in one array. */
const joined = (
  { parameters }: TrainingArtifacts,
  tensors: Readonly<Record<string, Float32Array>>,
): number[] => parameters.flatMap(({ name }) => Array.from(tensors[name] as Float32Array));

const initial = ({ parameters }: TrainingArtifacts, { initializers }: Model): number[] =>
  parameters.flatMap(({ name }) => Array.from(initializers.get(name)?.data as Float32Array));

const learningRate = 0.02;

/** Optimizers, each with the share of its learning rate that it must have braked to in some step. */
const optimizers: [string, OptimizerSpec, number][] = [
  ['vradam', vradam({ learningRate }), 1],
  ['vradam that brakes hard', vradam({ learningRate, beta3: 300 }), 0.3],
  ['vradam at its cutoff', vradam({ learningRate, beta3: 1e6, lrCutoff: 3 }), 0.25],
  [
    'vradam by another norm',
    vradam({ learningRate, beta3: 3, power: 1.5, normGrad: true, weightDecay: 0.1 }),
    0.8,
  ],
  ['adamw', adamw({ learningRate, beta1: 0.8, beta2: 0.99, epsilon: 1e-3, weightDecay: 0.2 }), 1],
];
/** Trains both ways for 40 steps and compares. */
async function expectAlike(problem: Problem, optimizer: OptimizerSpec, share: number): Promise<void> {
  const { artifacts, losses, parameters, reference } = await trainBoth(problem, optimizer, 40);
  const first = 39 % problem.batches.length; // of the same batch as the last
  expect(losses.at(-1)).toBeLessThan(losses[first] as number);
  expect(Math.min(...reference.rates)).toBeLessThanOrEqual(learningRate * share);
  expect(farthest(losses, reference.losses)).toBeLessThan(1e-5);
  expect(farthest(parameters, joined(artifacts, reference.parameters))).toBeLessThan(1e-4);
}

describe('trains as the core does', () => {
  test.each(optimizers)('a perceptron by %s', (_, optimizer, share) =>
    expectAlike(perceptron(), optimizer, share),
  );
  test.each(optimizers.filter(([name]) => /hard|adamw/.test(name)))(
    'sentences and images by %s',
    async (_, optimizer, share) => {
      await expectAlike(sentences(), optimizer, share);
      await expectAlike(images(), optimizer, share);
    },
  );
});

test('any options of vradam step as in the core', async () => {
  const options: fc.Arbitrary<VRAdamOptions> = fc.record({
    learningRate: fc.constantFrom(0, 1e-4, 0.01, 0.1),
    beta1: fc.constantFrom(0, 0.5, 0.9, 0.99),
    beta2: fc.constantFrom(0.5, 0.9, 0.999),
    beta3: fc.constantFrom(0, 0.1, 1, 1000),
    lrCutoff: fc.constantFrom(0, 1, 19, Number.POSITIVE_INFINITY),
    epsilon: fc.constantFrom(1e-8, 1e-4, 0.1),
    weightDecay: fc.constantFrom(0, 0.01, 1),
    power: fc.constantFrom(0.5, 1, 2, 3),
    normGrad: fc.boolean(),
  });
  const stepsAlike = async (given: VRAdamOptions): Promise<void> => {
    const { artifacts, parameters, reference } = await trainBoth(perceptron(), vradam(given), 3);
    expect(farthest(parameters, joined(artifacts, reference.parameters))).toBeLessThan(1e-5);
  };
  await fc.assert(fc.asyncProperty(options, stepsAlike), { numRuns: 20 });
});

const given = { ...perceptron(), optimizer: vradam() };

/** Examples of two batches in one. */
function together(a: Feeds, b: Feeds): Feeds {
  const join = (name: string): Feeds[string] => {
    const [first, second] = [a[name], b[name]] as [Feeds[string], Feeds[string]];
    const shape = [(first.shape[0] as number) + (second.shape[0] as number), ...first.shape.slice(1)];
    if (first.data instanceof Float32Array)
      return { shape, data: Float32Array.of(...first.data, ...(second.data as Float32Array)) };
    return { shape, data: BigInt64Array.of(...first.data, ...(second.data as BigInt64Array)) };
  };
  return Object.fromEntries(Object.keys(a).map((name) => [name, join(name)]));
}

describe('the session', () => {
  test("starts from the model's own weights", async () => {
    const artifacts = createTrainingArtifacts({ ...given, parameterOutputs: true });
    await withLegacy(artifacts, async (session) => {
      const weights = await readLegacy(session, artifacts, given.batches[0] as Feeds);
      expect(weights).toEqual(initial(artifacts, given.model));
    });
  });

  test('gives its parameters in the order of the artifacts', () => {
    const artifacts = createTrainingArtifacts(given);
    expect(contiguousParameters(artifacts)).toEqual(initial(artifacts, given.model));
  });

  test('is asked for the inputs of model and loss only', async () => {
    await withLegacy(createTrainingArtifacts(given), async (session) => {
      expect(session.trainingInputNames).toEqual(['x', 'labels']);
      expect(session.trainingOutputNames).toEqual(['loss']);
      expect(session.evalOutputNames).toEqual(['loss']);
    });
  });

  test('evaluates to the loss that it trains on, and to the outputs that were kept', async () => {
    const artifacts = createTrainingArtifacts({ ...given, keepOutputs: true });
    const feeds = toLegacy(given.batches[0] as Feeds);
    await withLegacy(artifacts, async (session) => {
      const [trained, evaluated] = [await session.runTrainStep(feeds), await session.runEvalStep(feeds)];
      expect(Object.keys(evaluated)).toEqual(['loss', 'logits']);
      expect(evaluated['loss']?.data).toEqual(trained['loss']?.data);
      expect(evaluated['logits']?.data).toEqual(trained['logits']?.data);
    });
  });

  test('adds gradients up until they are reset', async () => {
    const loss = crossEntropy({ reduction: 'sum' });
    const artifacts = createTrainingArtifacts({ ...given, loss, parameterOutputs: true });
    const after = (batches: readonly Feeds[]): Promise<number[]> =>
      withLegacy(artifacts, async (session) => {
        for (let step = 0; step < 3; step++) {
          for (const batch of batches) await session.runTrainStep(toLegacy(batch));
          await session.runOptimizerStep();
          await session.lazyResetGrad();
        }
        return readLegacy(session, artifacts, batches[0] as Feeds);
      });
    const [first, second] = given.batches as [Feeds, Feeds];
    const expected = await after([together(first, second)]);
    expect(farthest(await after([first, second]), expected)).toBeLessThan(1e-5);
    expect(farthest(await after([first]), expected)).toBeGreaterThan(1e-3);
  });
});

describe('what is trained', () => {
  test('can be chosen: the rest stays where it is', async () => {
    const { model } = given;
    const { artifacts, losses, reference, parameters } = await trainBoth(given, vradam(), 10, ['w2', 'b2']);
    expect(artifacts.parameters).toContainEqual({ name: 'w2', shape: [8, 3] });
    expect(artifacts.parameters).toHaveLength(2);
    expect(farthest(losses, reference.losses)).toBeLessThan(1e-6);
    expect(farthest(parameters, initial(artifacts, model))).toBeGreaterThan(1e-3);
    for (const bytes of [artifacts.trainingModel, artifacts.evalModel]) {
      const { initializers } = decodeModel(bytes);
      expect(initializers.get('w1')?.data).toEqual(model.initializers.get('w1')?.data);
      expect(initializers.has('w2')).toBe(false);
    }
  });

  test('can be a number without axes', async () => {
    const { artifacts, losses, reference, parameters } = await trainBoth(sentences(), vradam(), 10, [
      'sharpness',
    ]);
    expect(artifacts.parameters).toEqual([{ name: 'sharpness', shape: [] }]);
    expect(farthest(losses, reference.losses)).toBeLessThan(1e-6);
    expect(parameters[0]).not.toBe(Math.fround(0.7));
  });

  test('is nothing that the loss does not depend on', () => {
    const model = modelOf((g, x) => {
      g.output(
        'other',
        g.mul(x, g.parameter('unused', { dtype: 'float32', shape: [1], data: Float32Array.of(2) })),
      );
      return x;
    });
    const artifacts = createTrainingArtifacts({
      model,
      loss: 'loss',
      optimizer: adamw(),
      keepOutputs: true,
    });
    expect(artifacts.parameters.map(({ name }) => name)).toEqual(['w']);
    expect(decodeModel(artifacts.evalModel).initializers.has('unused')).toBe(true);
  });

  test('may have any name', async () => {
    const names: LayerNames = ['encoder/0:weight', `a "b" 'c'\\\n`, 'größe.重み.😀', 'w_grad'];
    const { artifacts, losses, reference } = await trainBoth(perceptron(names), vradam(), 5);
    expect(artifacts.parameters.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect(farthest(losses, reference.losses)).toBeLessThan(1e-6);
  });
});

describe('the files', () => {
  test('are the same from bytes as from a model', () => {
    const fromBytes = createTrainingArtifacts({ ...given, model: encodeModel(given.model) });
    expect(fromBytes).toEqual(
      createTrainingArtifacts({ ...given, model: decodeModel(encodeModel(given.model)) }),
    );
  });

  test('have a checkpoint that says so, little longer than its weights', () => {
    const { checkpoint } = createTrainingArtifacts(given);
    expect(new TextDecoder().decode(checkpoint.subarray(4, 8))).toBe('ODTC');
    expect(checkpoint.length).toBeLessThan(4 * 75 + 400);
    expect(checkpoint.buffer.byteLength).toBe(checkpoint.length);
  });

  test('name the loss as the model does', () => {
    const artifacts = createTrainingArtifacts({ model: modelOf(), loss: 'loss', optimizer: adamw() });
    expect(artifacts.loss).toBe('loss');
    expect(decodeModel(artifacts.evalModel).outputs.map(({ name }) => name)).toEqual(['loss']);
  });

  test('hold a mask of weight decay that exempts all parameters', async () => {
    const optimizer = maskWeightDecay(adamw({ weightDecay: 10 }), /./);
    const { losses, reference } = await trainBoth(perceptron(), optimizer, 10);
    expect(farthest(losses, reference.losses)).toBeLessThan(1e-6);
  });
});

describe('refuses', () => {
  const groups = [{ match: 'w1', learningRate: 0.1 }];
  const refused: [string, Partial<TrainingArtifactsOptions>, RegExp][] = [
    ['other algorithms', { optimizer: sgd() }, /vradam or adamw.*Received: sgd/],
    ['schedules', { optimizer: vradam({ learningRate: linear({ from: 1, to: 0, steps: 9 }) }) }, /a number/],
    ['groups', { optimizer: vradam({ groups }) }, /one group.*"group0", "default"/],
    [
      'transforms',
      { optimizer: clipByGlobalNorm(adamw(), { maxNorm: 1 }) },
      /no transforms.*clipByGlobalNorm/,
    ],
    ['a mask for some', { optimizer: maskWeightDecay(adamw(), /^b/) }, /all parameters or none/],
    ['looks at gradients', { optimizer: adamw({ nonFinite: 'skip' }) }, /nonFinite.*"skip"/],
    ['new operator sets', { model: modelOf(undefined, { opset: 22 }), loss: 'loss' }, /up to 21.*22/],
    ['float64', { model: modelOf(undefined, { dtype: 'float64' }), loss: 'loss' }, /float32.*"w" of float64/],
    [
      'an input ending in _grad',
      { model: modelOf(undefined, { input: 'x_grad' }), loss: 'loss' },
      /"x_grad"/,
    ],
    [
      "the session's own input",
      { model: modelOf((g, x) => g.add(x, g.input('lazy_reset_grad', 'float32', [3]))), loss: 'loss' },
      /"lazy_reset_grad"/,
    ],
    ['Dropout that drops', { model: dropping(), loss: 'loss' }, /Dropout in training mode/],
    ['statistics that move', { model: normalizing(), loss: 'loss' }, /BatchNormalization in training mode/],
  ];
  test.each(refused)('%s', (_, options, message) => {
    const make = (): TrainingArtifacts => createTrainingArtifacts({ ...given, ...options });
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED', name: 'VRAdamError' }));
    expect(make).toThrow(message);
  });

  test.each([[() => false], [['w3']]])('to train nothing: %s', (trainable) => {
    const make = (): TrainingArtifacts => createTrainingArtifacts({ ...given, trainable });
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_PARAMETER_UNKNOWN' }));
  });

  test('but takes groups of which only one is trained', () => {
    const optimizer = vradam({ groups });
    const artifacts = createTrainingArtifacts({ ...given, optimizer, trainable: ['w1'] });
    expect(artifacts.optimizerModel).toEqual(
      createTrainingArtifacts({ ...given, optimizer: vradam({ learningRate: 0.1 }), trainable: ['w1'] })
        .optimizerModel,
    );
  });
});

function dropping(): Model {
  return modelOf((g, x) => g.op('Dropout', [x, g.scalar(0.5), g.constant([1], [], 'bool')]));
}

function normalizing(): Model {
  return modelOf((g, x) => {
    const [one, zero] = [g.constant([1, 1, 1]), g.constant([0, 0, 0])];
    return g.ops('BatchNormalization', [x, one, zero, zero, one], { training_mode: 1 }, 3)[0] as typeof x;
  });
}
