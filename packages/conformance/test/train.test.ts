/** The training reference: a made one that must pass, and wrong ones that must not. */

import { adamw, createOptimizer, float64Ops, vradam } from '@vradam/core';
import { describe, expect, test } from 'vitest';
import {
  backPropagate,
  type ConformanceBackend,
  coreBackends,
  parseTrainFile,
  replayTraining,
} from '../src/index.ts';

const [float64] = coreBackends as [ConformanceBackend];
const base64 = (data: Uint8Array | Float32Array) =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
const wave = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => 0.5 * Math.sin(2.3 * i + seed));
const array = (data: Uint8Array | Float32Array, shape: number[]) => ({
  shape,
  dtype: data instanceof Float32Array ? 'float32' : 'uint8',
  base64: base64(data),
});
const numbers = (length: number, value: number) => Array.from({ length }, () => value);

/** A file of 12 rows with 6 features and 3 classes, batches of 4, whose losses come from `train`. */
function makeFile(losses: number[] = numbers(3, 1), etas: number[] = numbers(3, 0.1)) {
  return {
    schema: 'vradam-train/1',
    steps: 3,
    parameterOrder: ['0.weight', '0.bias', '2.weight', '2.bias'],
    data: {
      transform: 'x = u8/16',
      images: array(
        Uint8Array.from({ length: 72 }, (_, i) => (i * 7) % 17),
        [12, 6],
      ),
      labels: array(
        Uint8Array.from({ length: 12 }, (_, i) => i % 3),
        [12],
      ),
      train: [0, 12],
    },
    batches: [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9, 10, 11],
    ] as number[][] | null,
    initial: {
      '0.weight': array(wave(30, 1), [5, 6]),
      '0.bias': array(wave(5, 2), [5]),
      '2.weight': array(wave(15, 3), [3, 5]),
      '2.bias': array(wave(3, 4), [3]),
    },
    runs: [
      {
        label: 'made',
        optimizer: 'VRAdam',
        options: { lr: 0.1, beta3: 5 },
        loss: losses,
        eta: etas,
        deviation: { toleranceLossRel: numbers(3, 1e-9), toleranceEtaRel: numbers(3, 1e-9) },
      },
    ],
  };
}

/** Losses and rates of the file's run, by the core and the hand-written gradients. */
function expected(spec = vradam({ learningRate: 0.1, beta3: 5 })): { losses: number[]; etas: number[] } {
  const { model, batches } = parseTrainFile(makeFile());
  const optimizer = createOptimizer(float64Ops, spec);
  let parameters = Object.fromEntries(
    Object.entries(model.initial).map(([name, { data }]) => [name, Float64Array.from(data)]),
  ) as Readonly<Record<string, Float64Array>>;
  let state = optimizer.init(parameters);
  const [losses, etas]: [number[], number[]] = [[], []];
  for (const rows of batches) {
    const { loss, gradients } = backPropagate(model, parameters, rows);
    const result = optimizer.update(parameters, gradients, state);
    ({ parameters, state } = result);
    losses.push(loss);
    etas.push(result.stats[0]?.effectiveLearningRate as number);
  }
  return { losses, etas };
}

test('the hand-written gradients agree with central differences', () => {
  const { model } = parseTrainFile(makeFile());
  const parameters = Object.fromEntries(
    Object.entries(model.initial).map(([name, { data }]) => [name, Float64Array.from(data)]),
  );
  const rows = [0, 3, 5];
  const { gradients } = backPropagate(model, parameters, rows);
  for (const [name, values] of Object.entries(parameters)) {
    for (const i of values.keys()) {
      const at = (x: number) => {
        const moved = { ...parameters, [name]: values.with(i, x) };
        return backPropagate(model, moved, rows).loss;
      };
      const x = values[i] as number;
      const slope = (at(x + 1e-6) - at(x - 1e-6)) / 2e-6;
      expect(gradients[name]?.[i], `${name}[${i}]`).toBeCloseTo(slope, 7);
    }
  }
});

test('a reference is replayed batch by batch, on every core backend', async () => {
  const { losses, etas } = expected();
  const file = parseTrainFile(makeFile(losses, etas));
  const [exact] = await replayTraining(float64, file);
  expect(exact).toMatchObject({ label: 'made', failedStep: null });
  expect(exact?.loss).toBeLessThan(1e-13);
  const [single] = await replayTraining(coreBackends[1] as ConformanceBackend, file);
  expect(single?.loss).toBeLessThan(1e-5);
});

test('another optimizer, or another learning rate, is over the limit', async () => {
  for (const spec of [adamw({ learningRate: 0.1 }), vradam({ learningRate: 0.1001, beta3: 5 })]) {
    const { losses, etas } = expected(spec);
    const [result] = await replayTraining(float64, parseTrainFile(makeFile(losses, etas)));
    expect(result?.failedStep).not.toBeNull();
  }
});

test('without batches every step sees the whole training range', () => {
  const { batches } = parseTrainFile({ ...makeFile(), batches: null });
  expect(batches).toHaveLength(3);
  expect(batches[0]).toHaveLength(12);
});

describe('a malformed reference names the place', () => {
  const cases: [RegExp, (file: ReturnType<typeof makeFile>) => object][] = [
    [/schema/, (file) => ({ ...file, schema: 'vradam-train/9' })],
    [/data\.transform/, (file) => ({ ...file, data: { ...file.data, transform: 'x = u8' } })],
    [/parameterOrder/, (file) => ({ ...file, parameterOrder: ['0.bias', '0.weight'] })],
    [
      /data\.images\.base64/,
      (file) => ({ ...file, data: { ...file.data, images: { ...file.data.images, shape: [3, 6] } } }),
    ],
    [/batches/, (file) => ({ ...file, batches: [[99], [0], [0]] })],
    [/loss of made/, (file) => ({ ...file, batches: [[0]] })],
  ];
  test.each(cases)('%s', (message, breakIt) => {
    expect(() => parseTrainFile(breakIt(makeFile()))).toThrow(message);
  });
});
