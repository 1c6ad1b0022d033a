import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { type HostTensor, runModel } from '../runtime.ts';

type Loss = 'SoftmaxCrossEntropyLoss' | 'NegativeLogLikelihoodLoss';
const both: Loss[] = ['SoftmaxCrossEntropyLoss', 'NegativeLogLikelihoodLoss'];
const reductions = ['none', 'mean', 'sum'] as const;

const labelsOf = (
  values: readonly number[],
  shape: readonly number[],
  dtype: 'int32' | 'int64' = 'int64',
): HostTensor => ({
  dtype,
  shape,
  data: dtype === 'int64' ? BigInt64Array.from(values, BigInt) : Int32Array.from(values),
});

/** Scores of 3 classes: [N, C], [N, C, d], [N, C, d1, d2]. */
const shapes = [
  { x: [4, 3], labels: [4], values: [2, 0, 1, 2] },
  { x: [2, 3, 2], labels: [2, 2], values: [2, 0, 1, 2] },
  { x: [1, 3, 2, 2], labels: [1, 2, 2], values: [1, 1, 0, 2] },
];

describe.each(both)('%s', (op) => {
  for (const reduction of reductions) {
    test.each(shapes)(
      `has the gradient of its formula, ${reduction}, of $x`,
      async ({ x, labels, values }) => {
        await checkGradients({
          inputs: { x },
          fixed: { labels: labelsOf(values, labels) },
          build: (g, { x, labels }) => g.op(op, [x, labels], { reduction }),
        });
      },
    );

    test.each(shapes)(`has a gradient by its weights, ${reduction}, of $x`, async ({ x, labels, values }) => {
      await checkGradients({
        inputs: { x, weights: [3] },
        range: [0.2, 1.5],
        fixed: { labels: labelsOf(values, labels) },
        build: (g, { x, labels, weights }) => g.op(op, [x, labels, weights], { reduction }),
      });
    });

    test.each([0, -1, -100])(`leaves out the label %i, ${reduction}`, async (ignored) => {
      const labels = labelsOf([2, ignored, 1, 2], [2, 2]);
      await checkGradients({
        inputs: { x: [2, 3, 2] },
        fixed: { labels },
        build: (g, { x, labels }) => g.op(op, [x, labels], { reduction, ignore_index: ignored }),
      });
      await checkGradients({
        inputs: { x: [2, 3, 2], weights: [3] },
        range: [0.2, 1.5],
        fixed: { labels },
        build: (g, { x, labels, weights }) =>
          g.op(op, [x, labels, weights], { reduction, ignore_index: ignored }),
      });
    });

    test(`takes any number of examples, and labels of int32, ${reduction}`, async () => {
      await checkGradients({
        inputs: { x: [4, 3], weights: [3] },
        range: [0.2, 1.5],
        dims: { x: ['batch', 3], labels: ['batch'] },
        fixed: { labels: labelsOf([2, 0, 1, 2], [4], 'int32') },
        build: (g, { x, labels, weights }) => g.op(op, [x, labels, weights], { reduction }),
      });
      await checkGradients({
        inputs: { x: [2, 3, 2] },
        dims: { x: ['batch', 'classes', 'width'], labels: ['batch', 'width'] },
        fixed: { labels: labelsOf([2, 0, 1, 2], [2, 2]) },
        build: (g, { x, labels }) => g.op(op, [x, labels], { reduction, ignore_index: 1 }),
      });
    });
  }

  test('averages unless it is told otherwise', async () => {
    await checkGradients({
      inputs: { x: [4, 3] },
      fixed: { labels: labelsOf([2, 0, 1, 2], [4]) },
      build: (g, { x, labels }) => g.op(op, [x, labels]),
    });
  });

  test('has the gradient of its formula for any scores, labels, weights and label left out', async () => {
    const size = fc.integer({ min: 1, max: 3 });
    const cases = fc
      .record({
        n: size,
        classes: fc.integer({ min: 2, max: 4 }),
        rest: fc.array(size, { maxLength: 2 }),
        reduction: fc.constantFrom(...reductions),
        weighted: fc.boolean(),
        ignored: fc.option(fc.constantFrom(0, 1, -7), { nil: undefined }),
        seed: fc.nat(1000),
      })
      .chain((options) => {
        const shape = [options.n, ...options.rest];
        const length = shape.reduce((a, b) => a * b, 1);
        const label = fc.oneof(fc.nat(options.classes - 1), fc.constant(options.ignored ?? 0));
        return fc.record({
          options: fc.constant(options),
          shape: fc.constant(shape),
          // the last counts: a mean over nothing is no number
          values: fc
            .array(label, { minLength: length, maxLength: length })
            .map((all) => [...all.slice(1), options.ignored === 1 ? 0 : 1]),
        });
      });
    await fc.assert(
      fc.asyncProperty(cases, async ({ options, shape, values }) => {
        const { n, classes, rest, reduction, weighted, ignored, seed } = options;
        const x = [n, classes, ...rest];
        await checkGradients({
          inputs: weighted ? { x, weights: [classes] } : { x },
          range: [0.2, 1.5],
          seed,
          fixed: { labels: labelsOf(values, shape) },
          build: (g, { x, labels, weights }) =>
            g.op(op, [x, labels, weights], { reduction, ignore_index: ignored }),
        });
      }),
      { numRuns: 12 },
    );
  });

  test('infers what the runtime gives', async () => {
    for (const { x: shape, labels, values } of shapes) {
      for (const reduction of reductions) {
        const g = new GraphBuilder();
        const [x, t] = [g.input('x', 'float32', shape), g.input('labels', 'int64', labels)];
        const y = g.op(op, [x, t], { reduction });
        g.output('y', y);
        const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);
        const feeds = { x: { dtype: 'float32' as const, shape, data }, labels: labelsOf(values, labels) };
        const results = await runModel(buildModel(g), feeds);
        expect(y.shape).toEqual(results['y']?.shape);
        expect(y.dtype).toBe(results['y']?.dtype);
      }
    }
    const g = new GraphBuilder();
    const [x, t] = [
      g.input('x', 'float32', ['batch', 3, 'width']),
      g.input('labels', 'int64', ['batch', 'width']),
    ];
    expect(g.op(op, [x, t], { reduction: 'none' }).shape).toEqual(['batch', 'width']);
    expect(g.op(op, [x, t]).shape).toEqual([]);
    const unknown = g.input('unknown', 'float32', undefined);
    expect(g.op(op, [unknown, t], { reduction: 'none' }).shape).toEqual(['batch', 'width']);
  });

  test('refuses what does not fit', () => {
    const g = new GraphBuilder();
    const input = (name: string, shape: number[]) => g.input(name, 'float32', shape);
    const [x, labels] = [input('x', [4, 3]), g.input('labels', 'int64', [4])];
    for (const [inputs, attributes] of [
      [[input('vector', [4]), labels], {}],
      [[x, g.input('five', 'int64', [5])], {}],
      [[x, g.input('matrix', 'int64', [4, 1])], {}],
      [[x, labels, input('two', [2])], {}],
      [[x, labels, input('square', [3, 3])], {}],
      [[x, labels], { reduction: 'median' }],
    ] as [Value[], Record<string, string>][]) {
      expect(() => g.op(op, inputs, attributes)).toThrow(
        expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
      );
    }
    expect(() => g.op(op, [x])).toThrow(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
  });
});

describe('log-probabilities of SoftmaxCrossEntropyLoss', () => {
  const labels = labelsOf([2, 0, 1, 2], [2, 2]);

  test('have a gradient without the loss', async () => {
    await checkGradients({
      inputs: { x: [2, 3, 2] },
      fixed: { labels },
      build: (g, { x, labels }) =>
        g.ops('SoftmaxCrossEntropyLoss', [x, labels], { reduction: 'sum' }, 2)[1] as Value,
    });
  });

  test.each(reductions)('have a gradient beside the loss, %s', async (reduction) => {
    await checkGradients({
      inputs: { x: [2, 3, 2], weights: [3] },
      range: [0.2, 1.5],
      fixed: { labels },
      build: (g, { x, labels, weights }) => {
        const inputs = [x, labels, weights];
        const [loss, l] = g.ops('SoftmaxCrossEntropyLoss', inputs, { reduction, ignore_index: 0 }, 2);
        return g.add(g.reduceSum(g.mul(l as Value, l as Value)), g.reduceSum(loss as Value));
      },
    });
  });

  test('serve the gradient of the loss: it computes no softmax again', () => {
    const g = new GraphBuilder();
    const [x, t] = [g.input('x', 'float32', [8, 10]), g.input('labels', 'int64', [8])];
    const y = g.op('SoftmaxCrossEntropyLoss', [x, t]);
    const [dx] = backward(g, y, [x]);
    expect(dx?.shape).toEqual([8, 10]);
    expect(y.node?.outputs).toHaveLength(2);
    const ops = g.nodes.map(({ op }) => op);
    expect(ops.filter((op) => /Softmax|ReduceMax/.test(op))).toEqual(['SoftmaxCrossEntropyLoss']);
    // one pass each over the scores: exponential, scale, scatter
    expect(ops.filter((op) => /^(Exp|Mul|Sub|OneHot|ScatterElements)$/.test(op))).toEqual([
      'Exp',
      'Mul',
      'ScatterElements',
    ]);
  });
});
