/** What a user of a TrainingSession in Node relies on. */

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  accumulateGradients,
  adamw,
  averageWeights,
  clipByGlobalNorm,
  createOptimizer,
  float32Ops,
  type OptimizerSpec,
  rmsprop,
  sgd,
  VRAdamError,
  vradam,
  vrMomentum,
  warmupCosine,
} from '@vradam/core';
import { buildModel, crossEntropy, decodeModel, encodeModel } from '@vradam/onnx-autodiff';
import * as normalization from '@vradam/onnx-autodiff/batchNormalization';
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import type { GraphPlan } from '../src/graphs.ts';
import { createTrainingSession, type TrainingSession, type TrainingSessionOptions } from '../src/index.ts';
import { openRuntime } from '../src/runtime.ts';
import { HostUpdate } from '../src/update/host.ts';
import { batch, normalized, perceptron } from './models.ts';

const quiet = { intraOpNumThreads: 1 };
const open = (options: Partial<TrainingSessionOptions> = {}): Promise<TrainingSession> =>
  createTrainingSession(ort, {
    model: perceptron(),
    loss: crossEntropy(),
    optimizer: vradam({ learningRate: 0.05, beta3: 2 }),
    sessionOptions: quiet,
    ...options,
  });

/** Losses of some steps on batches of changing size. */
async function train(session: TrainingSession, steps: number, from = 0): Promise<number[]> {
  const losses: number[] = [];
  for (let i = from; i < from + steps; i++) {
    losses.push((await session.trainStep(batch(i % 3 === 2 ? 3 : 8, i % 4))).loss);
  }
  return losses;
}

/** Elements of an output. */
const numbers = (tensor: { readonly data: unknown } | undefined): number[] => [
  ...((tensor?.data ?? []) as Float32Array),
];

const code = (expected: string) => expect.objectContaining({ name: 'VRAdamError', code: expected });
const closeTo = (values: readonly number[], digits: number) =>
  values.map((value) => expect.closeTo(value, digits));

const optimizers: [string, OptimizerSpec][] = [
  ['vradam', vradam({ learningRate: 0.05, beta3: 2 })],
  [
    'vradam with groups',
    vradam({
      learningRate: 0.05,
      groups: [{ match: (name) => name.endsWith('bias'), weightDecay: 0, lrCutoff: 3 }],
    }),
  ],
  [
    'adamw under a schedule',
    adamw({ learningRate: warmupCosine({ learningRate: 0.1, warmup: 2, total: 8 }) }),
  ],
  ['sgd with Nesterov', sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 })],
  ['rmsprop', rmsprop({ learningRate: 0.01, centered: true, momentum: 0.5 })],
  ['vrMomentum', vrMomentum({ learningRate: 0.05 })],
  [
    'clipped and averaged vradam',
    averageWeights(clipByGlobalNorm(vradam({ learningRate: 0.05 }), { maxNorm: 0.2 }), { decay: 0.9 }),
  ],
];

describe.each(optimizers)('%s', (_, optimizer) => {
  test('traced into the graph it trains as on the host', async () => {
    const [host, graph] = await Promise.all([
      open({ optimizer, update: 'host' }),
      open({ optimizer, update: 'graph' }),
    ]);
    const [a, b] = [await train(host, 8), await train(graph, 8)];
    expect(b).toEqual(closeTo(a, 5));
    expect(new Set(a).size).toBe(8);
    const [p, q] = [await host.parameters(), await graph.parameters()];
    for (const [name, { data, dims }] of Object.entries(p)) {
      expect(q[name]?.dims).toEqual(dims);
      expect([...(q[name]?.data ?? [])]).toEqual(closeTo([...data], 4));
    }
  });

  test.each(['host', 'graph'] as const)(
    'resumed from a checkpoint it continues bit for bit (%s)',
    async (update) => {
      const straight = await open({ optimizer, update });
      await train(straight, 3);
      const bytes = await straight.saveCheckpoint();
      const rest = await train(straight, 4, 3);
      const resumed = await open({ optimizer, update });
      await train(resumed, 1); // what was there before does not matter
      await resumed.loadCheckpoint(bytes);
      expect(await train(resumed, 4, 3)).toEqual(rest);
      expect(await resumed.parameters()).toEqual(await straight.parameters());
      expect(await resumed.saveCheckpoint()).toEqual(await straight.saveCheckpoint());
    },
  );
});

test('a checkpoint of the host continues in the graph, and the other way round', async () => {
  for (const [from, to] of [
    ['host', 'graph'],
    ['graph', 'host'],
  ] as const) {
    const straight = await open({ update: from });
    await train(straight, 3);
    const bytes = await straight.saveCheckpoint();
    const other = await open({ update: to });
    await other.loadCheckpoint(bytes);
    expect(await train(other, 3, 3)).toEqual(closeTo(await train(straight, 3, 3), 5));
  }
});

test('the loss of a batch falls', async () => {
  for (const update of ['host', 'graph'] as const) {
    const session = await open({ update });
    const losses: number[] = [];
    for (let i = 0; i < 20; i++) losses.push((await session.trainStep(batch(8, 1))).loss);
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 2);
  }
});

test('the update is what the core does with the gradients that the session shows', async () => {
  const optimizer = vradam({ learningRate: 0.05, beta3: 2 });
  const session = await open({ optimizer, update: 'graph' });
  const core = createOptimizer(float32Ops, optimizer);
  const flat = async () =>
    Object.fromEntries(Object.entries(await session.parameters()).map(([name, { data }]) => [name, data]));
  let parameters = await flat();
  let state = core.init(parameters);
  for (let i = 0; i < 5; i++) {
    const { gradients, loss } = await session.gradients(batch(8, i));
    const given = Object.fromEntries(Object.entries(gradients).map(([name, { data }]) => [name, data]));
    ({ parameters, state } = core.update(parameters, given, state) as {
      parameters: typeof parameters;
      state: typeof state;
    });
    const report = await session.trainStep(batch(8, i));
    expect(report.loss).toBeCloseTo(loss, 6);
    for (const [name, data] of Object.entries(await flat()))
      expect([...data]).toEqual(closeTo([...(parameters[name] ?? [])], 5));
  }
});

test('accumulated gradients are those of one large batch', async () => {
  for (const update of ['host', 'graph'] as const) {
    const [parts, whole] = [await open({ update }), await open({ update })];
    for (let step = 0; step < 3; step++) {
      const [a, b] = [batch(4, step), batch(4, step + 5)];
      const both = {
        x: {
          dims: [8, 5],
          data: [
            ...(a['x'] as never as { data: number[] }).data,
            ...(b['x'] as never as { data: number[] }).data,
          ],
        },
        labels: {
          dims: [8],
          data: [
            ...(a['labels'] as never as { data: number[] }).data,
            ...(b['labels'] as never as { data: number[] }).data,
          ],
        },
      };
      await parts.accumulate(a);
      await parts.accumulate(b);
      await parts.optimizerStep();
      const { step: count } = await whole.trainStep(both);
      expect(count).toBe(step + 1);
    }
    const [p, q] = [await parts.parameters(), await whole.parameters()];
    for (const [name, { data }] of Object.entries(p))
      expect([...data]).toEqual(closeTo([...(q[name]?.data ?? [])], 5));
    await expect(parts.optimizerStep()).rejects.toThrow(code('ERR_UNSUPPORTED'));
  }
});

test('the transform accumulateGradients works on the host, and is refused in a graph', async () => {
  const optimizer = accumulateGradients(vradam({ learningRate: 0.05 }), { steps: 2 });
  const session = await open({ optimizer });
  expect(session.stats().update).toBe('host');
  expect((await session.trainStep(batch(8, 1))).skipped).toBe(true);
  expect(await session.trainStep(batch(8, 2))).toMatchObject({ skipped: false, step: 1 });
  await expect(open({ optimizer, update: 'graph' })).rejects.toThrow(code('ERR_UNSUPPORTED'));
});

test('the Hessian times a vector is the derivative of the gradient along it', async () => {
  const session = await open();
  const feeds = batch(8, 1);
  const before = await session.parameters();
  const vector = Object.fromEntries(
    Object.entries(before).map(([name, { data }]) => [name, data.map((_, i) => Math.cos(i))]),
  );
  const product = await session.hessianVectorProduct(feeds, vector);
  const h = 1e-2;
  const at = async (side: number) => {
    await session.loadParameters(
      Object.fromEntries(
        Object.entries(before).map(([name, { data }]) => [
          name,
          data.map((x, i) => x + side * h * (vector[name]?.[i] ?? 0)),
        ]),
      ),
    );
    return (await session.gradients(feeds)).gradients;
  };
  const [high, low] = [await at(1), await at(-1)];
  for (const [name, { data }] of Object.entries(product)) {
    const differences = [...data].map(
      (_, i) => ((high[name]?.data[i] ?? 0) - (low[name]?.data[i] ?? 0)) / (2 * h),
    );
    const scale = Math.max(...differences.map(Math.abs));
    const errors = differences.map((difference, i) => Math.abs(difference - (data[i] ?? 0)) / scale);
    expect(Math.max(...errors)).toBeLessThan(5e-3);
  }
});

describe('batch normalization', () => {
  test.each(['host', 'graph'] as const)(
    'moves its running statistics as PyTorch does, and evaluation uses them (%s)',
    async (update) => {
      const session = await open({ model: normalized(), update });
      const feeds = batch(8, 1);
      const x = (feeds['x'] as unknown as { data: Float32Array }).data;
      const weight = (await session.parameters())['first.weight']?.data as Float32Array;
      const z = Array.from({ length: 8 }, (_, row) =>
        Array.from({ length: 7 }, (_, j) =>
          Array.from({ length: 5 }, (_, k) => (x[row * 5 + k] ?? 0) * (weight[j * 5 + k] ?? 0)).reduce(
            (a, b) => a + b,
          ),
        ),
      );
      await session.trainStep(feeds);
      const { buffers, parameters } = await session.save();
      expect([...parameters.keys()]).not.toContain('norm.mean');
      for (let j = 0; j < 7; j++) {
        const column = z.map((row) => row[j] as number);
        const mean = column.reduce((a, b) => a + b) / 8;
        const variance = column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 7;
        expect(buffers.get('norm.mean')?.[j]).toBeCloseTo(0.1 * mean, 5);
        expect(buffers.get('norm.variance')?.[j]).toBeCloseTo(0.9 + 0.1 * variance, 5);
      }
      // in evaluation an example counts for itself alone
      const whole = await session.run({ x: feeds['x'] as never });
      const single = await session.run({ x: { dims: [1, 5], data: x.slice(0, 5) } });
      expect(numbers(single['logits'])).toEqual(closeTo(numbers(whole['logits']).slice(0, 3), 5));
    },
  );

  test('written out in plain operators, as for WebGPU, it is the same', async () => {
    const plan: GraphPlan = {
      model: buildModel(normalized()),
      loss: crossEntropy(),
      trainable: new Set(['first.weight', 'norm.scale', 'norm.shift', 'second.weight']),
      batchNorm: 'train',
      operators: {},
      normalization,
    };
    const runtime = openRuntime(ort, { sessionOptions: quiet });
    const [whole, plain] = await Promise.all(
      [false, true].map(async (plainBatchNorm) => {
        const update = new HostUpdate({
          runtime,
          plan: { ...plan, plainBatchNorm },
          spec: vradam({ learningRate: 0.05 }),
          bufferNames: ['norm.mean', 'norm.variance'],
        });
        for (let i = 0; i < 3; i++)
          await update.trainStep(await update.check(batch(8, i)), { seed: 0, pass: i });
        return update.save();
      }),
    );
    for (const kind of ['parameters', 'buffers'] as const) {
      for (const [name, data] of whole?.[kind] ?? []) {
        expect([...(plain?.[kind].get(name) ?? [])], name).toEqual(closeTo([...data], 4));
      }
    }
  });

  test('frozen it keeps them', async () => {
    const session = await open({ model: normalized(), batchNorm: 'frozen' });
    const { buffers } = await session.save();
    await train(session, 2);
    expect((await session.save()).buffers).toEqual(buffers);
  });
});

describe('dropout', () => {
  test('draws the same masks for the same seed, others for another, and none in evaluation', async () => {
    const losses = async (seed: number) => train(await open({ model: perceptron(0.5), seed }), 3);
    const [a, b, c] = [await losses(1), await losses(1), await losses(2)];
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    const session = await open({ model: perceptron(0.5) });
    const plain = await open();
    expect((await session.evalStep(batch(8, 1))).loss).toBeCloseTo(
      (await plain.evalStep(batch(8, 1))).loss,
      6,
    );
  });

  test('drops the share it says, and keeps the mean', async () => {
    const session = await open({
      model: perceptron(0.25),
      loss: (g, values) => g.reduceMean(values.get('logits') ?? g.scalar(0)),
    });
    const x = { x: { dims: [8, 5], data: new Float32Array(40).fill(1) } };
    const sums: number[] = [];
    for (let i = 0; i < 300; i++) {
      sums.push((await session.gradients(x)).loss);
      await session.accumulate(x); // moves on to the next masks
    }
    session.resetGradients();
    const mean = sums.reduce((a, b) => a + b) / sums.length;
    expect(new Set(sums).size).toBeGreaterThan(250);
    const { logits } = await session.run(x);
    expect(mean).toBeCloseTo(numbers(logits).reduce((a, b) => a + b) / 24, 1);
  });
});

describe('the exported model', () => {
  test('is an ordinary one: anyone loads it, with the trained weights and its metadata', async () => {
    const model = { ...buildModel(normalized()), metadata: { author: 'me' }, producer: 'mine' };
    const session = await open({ model: encodeModel(model) });
    await train(session, 3);
    const bytes = await session.exportModel();
    const decoded = decodeModel(bytes);
    expect(decoded).toMatchObject({ metadata: { author: 'me' }, producer: 'mine' });
    expect(decoded.inputs.map(({ name }) => name)).toEqual(['x']);
    const { x } = batch(6, 9);
    const inference = await ort.InferenceSession.create(bytes);
    const given = x as unknown as { data: Float32Array; dims: number[] };
    const { logits } = await inference.run({ x: new ort.Tensor('float32', given.data, given.dims) });
    expect(numbers(logits)).toEqual(closeTo(numbers((await session.run({ x: given }))['logits']), 5));
    const trained = (await session.parameters())['second.weight'];
    expect(decoded.initializers.get('second.weight')?.data).toEqual(trained?.data);
  });

  test('can be trained again from where it is', async () => {
    const session = await open();
    await train(session, 3);
    const again = await open({ model: await session.exportModel() });
    expect((await again.evalStep(batch(8, 1))).loss).toBeCloseTo(
      (await session.evalStep(batch(8, 1))).loss,
      6,
    );
  });
});

describe('models come', () => {
  test('from bytes, a path, a URL, a decoded model, and a graph', async () => {
    const bytes = encodeModel(buildModel(perceptron()));
    const path = join(await mkdtemp(join(tmpdir(), 'session-')), 'model with space.onnx');
    await writeFile(path, bytes);
    const losses = await Promise.all(
      [bytes, path, pathToFileURL(path), decodeModel(bytes), perceptron()].map(async (model) =>
        (await open({ model })).evalStep(batch(8, 1)),
      ),
    );
    for (const { loss } of losses) expect(loss).toBe(losses[0]?.loss);
  });

  test('or are refused with a code', async () => {
    await expect(open({ model: join(tmpdir(), 'no such model.onnx') })).rejects.toThrow(
      code('ERR_FILE_FORMAT'),
    );
    await expect(open({ model: Uint8Array.of(1, 2, 3) })).rejects.toThrow(code('ERR_FILE_FORMAT'));
    await expect(open({ model: 7 as never })).rejects.toThrow(code('ERR_OPTION_TYPE'));
  });
});

describe('options', () => {
  test.each<[string, Partial<TrainingSessionOptions>, string]>([
    ['an unknown one', { lr: 1 } as never, 'ERR_OPTION_UNKNOWN'],
    ['a seed with a fraction', { seed: 0.5 }, 'ERR_OPTION_RANGE'],
    ['an unknown placement', { update: 'gpu' as never }, 'ERR_OPTION_RANGE'],
    ['no optimizer', { optimizer: {} as never }, 'ERR_OPTION_TYPE'],
    ['a loss that is not there', { loss: 'nothing' }, 'ERR_PARAMETER_UNKNOWN'],
    ['a loss of many elements', { loss: 'logits' }, 'ERR_SHAPE_MISMATCH'],
    ['a parameter that is not there', { trainable: ['third.weight'] }, 'ERR_PARAMETER_UNKNOWN'],
    ['nothing to train', { trainable: /^$/ }, 'ERR_PARAMETER_UNKNOWN'],
    [
      'seeing gradients in a graph',
      { update: 'graph', optimizer: vradam({ nonFinite: 'skip' }) },
      'ERR_UNSUPPORTED',
    ],
  ])('%s: refused', async (_, options, expected) => {
    await expect(open(options)).rejects.toThrow(code(expected));
  });

  test('trainable chooses by names, pattern or function; the rest stays', async () => {
    for (const trainable of [['second.weight'], /^second\.w/, (name: string) => name === 'second.weight']) {
      for (const update of ['host', 'graph'] as const) {
        const session = await open({ trainable, update });
        expect(Object.keys(await session.parameters())).toEqual(['second.weight']);
        await train(session, 2);
        const before = buildModel(perceptron()).initializers;
        const after = decodeModel(await session.exportModel()).initializers;
        expect(after.get('first.weight')?.data).toEqual(before.get('first.weight')?.data);
        expect(after.get('second.weight')?.data).not.toEqual(before.get('second.weight')?.data);
      }
    }
  });

  test('not the module of onnxruntime: says how to import it', async () => {
    await expect(
      createTrainingSession({} as never, { model: perceptron(), loss: crossEntropy(), optimizer: vradam() }),
    ).rejects.toThrow(/import \* as ort/);
  });
});

describe('wrong feeds are refused before the step, and the session stays usable', () => {
  const good = batch(4, 1);
  const x = good['x'] as { dims: number[]; data: Float32Array };
  test.each<[string, object, string]>([
    ['missing', { x }, 'ERR_FEED_MISSING'],
    ['extra', { ...good, y: x }, 'ERR_FEED_UNKNOWN'],
    ['too many axes', { ...good, x: { ...x, dims: [4, 5, 1] } }, 'ERR_FEED_SHAPE'],
    ['features', { ...good, x: { dims: [5, 4], data: x.data } }, 'ERR_FEED_SHAPE'],
    [
      'another batch than the labels',
      { ...good, x: { dims: [2, 5], data: x.data.slice(0, 10) } },
      'ERR_FEED_SHAPE',
    ],
    [
      'fewer elements than dims say',
      { ...good, x: { dims: [4, 5], data: x.data.slice(1) } },
      'ERR_FEED_SHAPE',
    ],
    ['a type', { ...good, x: new ort.Tensor('float64', Float64Array.from(x.data), [4, 5]) }, 'ERR_FEED_TYPE'],
    ['labels with a fraction', { ...good, labels: { dims: [4], data: [0, 1, 0.5, 2] } }, 'ERR_FEED_TYPE'],
    ['a label out of range', { ...good, labels: { dims: [4], data: [0, 1, 3, 2] } }, 'ERR_FEED_RANGE'],
    ['a negative label', { ...good, labels: { dims: [4], data: [0, 1, -1, 2] } }, 'ERR_FEED_RANGE'],
    ['no object', { ...good, x: 5 }, 'ERR_FEED_TYPE'],
  ])('%s', async (_, feeds, expected) => {
    for (const update of ['host', 'graph'] as const) {
      const session = await open({ update });
      const before = await session.saveCheckpoint();
      await expect(session.trainStep(feeds as never)).rejects.toThrow(code(expected));
      expect(await session.saveCheckpoint()).toEqual(before);
      expect((await session.trainStep(good)).step).toBe(1);
    }
  });
});

test('a non-finite gradient is refused or skipped on the host, and nothing moves', async () => {
  const bad = { x: { dims: [1, 5], data: [Number.NaN, 0, 0, 0, 0] }, labels: { dims: [1], data: [0] } };
  const session = await open({ optimizer: vradam({ nonFinite: 'skip' }) });
  const { parameters } = await session.save();
  expect(await session.trainStep(bad)).toMatchObject({ skipped: true, step: 0 });
  expect((await session.save()).parameters).toEqual(parameters);
  expect(session.stats().skippedSteps).toBe(1);
  const strict = await open({ optimizer: vradam({ nonFinite: 'throw' }) });
  await expect(strict.trainStep(bad)).rejects.toThrow(code('ERR_NON_FINITE'));
  expect((await strict.trainStep(batch(4, 1))).step).toBe(1);
});

test('calls at the same time run one after the other', async () => {
  const [together, apart] = [await open(), await open()];
  const results = await Promise.all([0, 1, 2].map((i) => together.trainStep(batch(8, i))));
  const losses: number[] = [];
  for (const i of [0, 1, 2]) losses.push((await apart.trainStep(batch(8, i))).loss);
  expect(results.map(({ loss }) => loss)).toEqual(losses);
});

test('the learning rate can be set while training, and survives a checkpoint', async () => {
  for (const update of ['host', 'graph'] as const) {
    const session = await open({ update, optimizer: adamw({ learningRate: 0.1 }) });
    await session.setLearningRate(0.01);
    expect((await session.trainStep(batch(8, 1))).groups[0]?.learningRate).toBe(0.01);
    const resumed = await open({ update, optimizer: adamw({ learningRate: 0.1 }) });
    await resumed.loadCheckpoint(await session.saveCheckpoint());
    const { groups } = await resumed.trainStep(batch(8, 2));
    expect(groups[0]?.effectiveLearningRate).toBeCloseTo(0.01, 7);
    await expect(session.setLearningRate(-1)).rejects.toThrow(code('ERR_OPTION_RANGE'));
  }
});

test('the brake can be seen', async () => {
  const session = await open({ optimizer: vradam({ learningRate: 0.05, beta3: 2, lrCutoff: 19 }) });
  const { groups } = await session.trainStep(batch(8, 1));
  const [
    { learningRate, effectiveLearningRate, norm } = { learningRate: 0, effectiveLearningRate: 0, norm: 0 },
  ] = groups;
  expect(learningRate).toBe(0.05);
  expect(effectiveLearningRate).toBeCloseTo(0.05 / (1 + Math.min(2 * (norm ?? 0), 19)), 7);
  expect(session.stats()).toMatchObject({ step: 1, parameterCount: 66, groups });
});

test('a checkpoint of another model, another optimizer, or damaged bytes is refused, and nothing changes', async () => {
  const session = await open();
  await train(session, 2);
  const before = await session.saveCheckpoint();
  const foreign = await (await open({ model: normalized() })).saveCheckpoint();
  await expect(session.loadCheckpoint(foreign)).rejects.toThrow(code('ERR_STATE_MISMATCH'));
  const other = await (await open({ optimizer: sgd() })).saveCheckpoint();
  await expect(session.loadCheckpoint(other)).rejects.toThrow(code('ERR_STATE_MISMATCH'));
  await expect(session.loadCheckpoint(before.slice(0, -5))).rejects.toThrow(code('ERR_FILE_FORMAT'));
  expect(await session.saveCheckpoint()).toEqual(before);
});

test('after dispose it says so', async () => {
  const session = await open();
  await session.dispose();
  await expect(session.trainStep(batch(4, 1))).rejects.toThrow(code('ERR_DISPOSED'));
  await expect(session.dispose()).rejects.toBeInstanceOf(VRAdamError);
});
