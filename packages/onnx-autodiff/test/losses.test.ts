/** The losses put on top of a model, against their formulas in float64. */

import { describe, expect, test } from 'vitest';
import {
  binaryCrossEntropy,
  buildModel,
  type CrossEntropyOptions,
  crossEntropy,
  GraphBuilder,
  gradients,
  huber,
  type Loss,
  type Model,
  meanAbsoluteError,
  meanSquaredError,
  type TargetOptions,
} from '../src/index.ts';
import { openRandom } from './checkGradients.ts';
import { type HostTensor, runModel } from './runtime.ts';

/** A model that gives out what it gets. */
function echo(shape: readonly (number | string)[], name = 'logits'): Model {
  const g = new GraphBuilder();
  g.output(name, g.input('x', 'float32', shape));
  return buildModel(g);
}

const draw = (size: number, seed: number, scale = 3): Float32Array => {
  const random = openRandom(seed);
  return Float32Array.from({ length: size }, () => scale * (2 * random() - 1));
};

/** Loss and gradient that the emitted model computes. */
async function run(loss: Loss, x: HostTensor, others: Readonly<Record<string, HostTensor>>, model?: Model) {
  const made = gradients(model ?? echo(x.shape), { loss, wrt: ['x'] });
  const results = await runModel(made.model, { x, ...others });
  return {
    loss: Number(results[made.loss]?.data[0]),
    shape: results[made.loss]?.shape,
    gradient: Array.from(results[made.gradients.get('x') as string]?.data as Float32Array),
  };
}

function expectClose(
  given: { readonly loss: number; readonly gradient: readonly number[] },
  expected: { readonly loss: number; readonly gradient: readonly number[] },
): void {
  expect(given.loss).toBeCloseTo(expected.loss, 5);
  expect(given.gradient).toHaveLength(expected.gradient.length);
  expected.gradient.forEach((value, i) => {
    expect(given.gradient[i], `gradient ${i}`).toBeCloseTo(value, 6);
  });
}

/** Cross-entropy of scores [n, classes, inner], and its gradient, from the definition. */
function crossEntropyOf(
  x: ArrayLike<number>,
  labels: readonly number[],
  [n, classes, inner]: readonly [number, number, number],
  { reduction = 'mean', ignoreIndex }: CrossEntropyOptions,
) {
  const gradient = new Array<number>(n * classes * inner).fill(0);
  let [loss, counted] = [0, 0];
  for (let i = 0; i < n * inner; i++) {
    const label = labels[i] as number;
    if (label === ignoreIndex) continue;
    const at = (c: number) => Math.floor(i / inner) * classes * inner + c * inner + (i % inner);
    const scores = Array.from({ length: classes }, (_, c) => x[at(c)] as number);
    const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
    loss += Math.log(total) - (scores[label] as number);
    counted++;
    scores.forEach((score, c) => {
      gradient[at(c)] = Math.exp(score) / total - Number(c === label);
    });
  }
  const divisor = reduction === 'mean' ? counted : 1;
  return { loss: loss / divisor, gradient: gradient.map((value) => value / divisor) };
}

const int64 = (values: readonly number[], shape: readonly number[]): HostTensor => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(values, BigInt),
});

describe('crossEntropy', () => {
  const labels = [2, 0, 4, 2, 1, 3];
  const cases: [string, CrossEntropyOptions, readonly number[]][] = [
    ['a mean', {}, labels],
    ['a sum', { reduction: 'sum' }, labels],
    ['a mean with an ignored label', { ignoreIndex: 2 }, labels],
    ['a sum with an ignored label', { ignoreIndex: -100, reduction: 'sum' }, [2, -100, 4, -100, 1, 3]],
  ];

  test.each(cases)('of [N, C] is %s', async (_, options, labels) => {
    const data = draw(6 * 5, 1);
    const x: HostTensor = { dtype: 'float32', shape: [6, 5], data };
    const given = await run(crossEntropy(options), x, { labels: int64(labels, [6]) });
    expect(given.shape).toEqual([]);
    expectClose(given, crossEntropyOf(data, labels, [6, 5, 1], options));
  });

  test.each(cases)('of [N, C, d] is %s', async (_, options, labels) => {
    const data = draw(2 * 5 * 3, 2);
    const x: HostTensor = { dtype: 'float32', shape: [2, 5, 3], data };
    const given = await run(crossEntropy(options), x, { labels: int64(labels, [2, 3]) });
    expectClose(given, crossEntropyOf(data, labels, [2, 5, 3], options));
  });

  test('takes a batch of any size', async () => {
    const data = draw(6 * 5, 3);
    const x: HostTensor = { dtype: 'float32', shape: [6, 5], data };
    const given = await run(crossEntropy(), x, { labels: int64(labels, [6]) }, echo(['batch', 5]));
    expectClose(given, crossEntropyOf(data, labels, [6, 5, 1], {}));
  });

  test('keeps its head with large scores', async () => {
    const x: HostTensor = { dtype: 'float32', shape: [1, 2], data: Float32Array.of(1000, -1000) };
    expectClose(await run(crossEntropy(), x, { labels: int64([1], [1]) }), { loss: 2000, gradient: [1, -1] });
  });

  test('reads other values, and labels that the model has as an input', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [6, 5]);
    g.input('y', 'int64', [6]);
    g.output('scores', g.mul(x, 2));
    const model = buildModel(g);
    const data = draw(6 * 5, 4);
    const given = await run(
      crossEntropy({ logits: 'scores', labels: 'y' }),
      { dtype: 'float32', shape: [6, 5], data },
      { y: int64(labels, [6]) },
      model,
    );
    const doubled = crossEntropyOf(
      data.map((value) => 2 * value),
      labels,
      [6, 5, 1],
      {},
    );
    expectClose(given, { ...doubled, gradient: doubled.gradient.map((value) => 2 * value) });
  });

  test('refuses what it cannot be of', () => {
    const code = (model: Model, loss: Loss) => {
      try {
        gradients(model, { loss, wrt: ['x'] });
      } catch (error) {
        return (error as { code?: string }).code;
      }
      return undefined;
    };
    expect(code(echo([6, 5]), crossEntropy({ logits: 'nothing' }))).toBe('ERR_PARAMETER_UNKNOWN');
    expect(code(echo([6]), crossEntropy())).toBe('ERR_SHAPE_MISMATCH');
    expect(code(echo([]), crossEntropy())).toBe('ERR_SHAPE_MISMATCH');
    expect(code(echo([6, 5]), crossEntropy({ labels: 'x' }))).toBe('ERR_SHAPE_MISMATCH');
    expect(code({ ...echo([6, 5]), outputs: [] }, meanSquaredError())).toBe('ERR_PARAMETER_UNKNOWN');
  });
});

/** Loss of one element and its derivative by x. */
type Each = (x: number, y: number) => readonly [number, number];

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const huberOf =
  (delta: number): Each =>
  (x, y) => {
    const d = x - y;
    return Math.abs(d) <= delta ? [d ** 2 / 2, d] : [delta * (Math.abs(d) - delta / 2), delta * Math.sign(d)];
  };

const pairs: [string, (options?: TargetOptions) => Loss, Each][] = [
  ['meanSquaredError', meanSquaredError, (x, y) => [(x - y) ** 2, 2 * (x - y)]],
  ['meanAbsoluteError', meanAbsoluteError, (x, y) => [Math.abs(x - y), Math.sign(x - y)]],
  ['huber', huber, huberOf(1)],
  ['huber of a delta', (options) => huber({ ...options, delta: 2.5 }), huberOf(2.5)],
  [
    'binaryCrossEntropy',
    binaryCrossEntropy,
    (x, y) => [Math.max(x, 0) - x * y + Math.log1p(Math.exp(-Math.abs(x))), sigmoid(x) - y],
  ],
];

describe.each(pairs)('%s', (_, loss, each) => {
  const size = 24;
  const x = draw(size, 5);
  const y = draw(size, 6, 1).map(Math.abs);
  const expected = (reduction: 'mean' | 'sum') => {
    const terms = Array.from(x, (value, i) => each(value, y[i] as number));
    const divisor = reduction === 'mean' ? size : 1;
    return {
      loss: terms.reduce((sum, [value]) => sum + value, 0) / divisor,
      gradient: terms.map(([, slope]) => slope / divisor),
    };
  };
  const tensor = (data: Float32Array): HostTensor => ({ dtype: 'float32', shape: [4, 6], data });

  test('is a mean over all elements', async () => {
    const given = await run(loss(), tensor(x), { target: tensor(y) });
    expect(given.shape).toEqual([]);
    expectClose(given, expected('mean'));
  });

  test('is a sum', async () => {
    expectClose(await run(loss({ reduction: 'sum' }), tensor(x), { target: tensor(y) }), expected('sum'));
  });

  test('takes a batch of any size, and other names', async () => {
    const given = await run(
      loss({ output: 'y', target: 'wanted' }),
      tensor(x),
      { wanted: tensor(y) },
      echo(['batch', 6], 'y'),
    );
    expectClose(given, expected('mean'));
  });
});

test('binaryCrossEntropy keeps its head with large scores', async () => {
  const x: HostTensor = { dtype: 'float32', shape: [4], data: Float32Array.of(500, -500, 500, -500) };
  const target: HostTensor = { dtype: 'float32', shape: [4], data: Float32Array.of(1, 0, 0, 1) };
  expectClose(await run(binaryCrossEntropy({ reduction: 'sum' }), x, { target }), {
    loss: 1000,
    gradient: [0, 0, 1, -1],
  });
});

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('huber refuses a delta of %d', (delta) => {
  expect(() => huber({ delta })).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE' }));
});
