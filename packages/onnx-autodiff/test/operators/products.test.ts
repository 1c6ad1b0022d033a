import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, evaluateDim, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { runModel } from '../runtime.ts';

const matMul = (g: GraphBuilder, { a, b }: Readonly<Record<string, Value>>) =>
  g.matMul(a as Value, b as Value);

/** Shape that the package infers for a product of two inputs of ones, and the one that the runtime gives it. */
async function shapesOf(
  a: readonly number[],
  b: readonly number[],
  build: (g: GraphBuilder, a: Value, b: Value) => Value,
  dims: { a: readonly (number | string)[]; b: readonly (number | string)[] } = { a, b },
) {
  const g = new GraphBuilder();
  const y = build(g, g.input('a', 'float32', dims.a), g.input('b', 'float32', dims.b));
  g.output('y', y);
  const ones = (shape: readonly number[]) => ({
    dtype: 'float32' as const,
    shape,
    data: new Float32Array(shape.reduce((size, dim) => size * dim, 1)).fill(1),
  });
  const results = await runModel(buildModel(g), { a: ones(a), b: ones(b) });
  return { inferred: y.shape, given: results['y']?.shape };
}

/** Batch axes of two operands that broadcast: each axis of a common shape, or 1, or missing at the front. */
const batches = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }).chain((wide) =>
  fc
    .tuple(
      fc.array(fc.boolean(), { minLength: wide.length, maxLength: wide.length }),
      fc.array(fc.boolean(), { minLength: wide.length, maxLength: wide.length }),
      fc.nat(wide.length),
      fc.boolean(),
    )
    .map(([narrowA, narrowB, missing, swap]) => {
      const a = wide.map((dim, i) => (narrowA[i] ? 1 : dim));
      const b = wide.map((dim, i) => (narrowB[i] ? 1 : dim)).slice(missing);
      return swap ? [b, a] : [a, b];
    }),
);

describe('MatMul', () => {
  test.each([
    [
      [2, 3],
      [3, 4],
    ],
    [[3], [3]],
    [[3], [3, 4]],
    [[2, 3], [3]],
    [[3], [2, 3, 4]],
    [[2, 2, 3], [3]],
    [
      [2, 2, 3],
      [3, 4],
    ],
    [
      [2, 3],
      [2, 3, 4],
    ],
    [
      [2, 1, 2, 3],
      [4, 3, 2],
    ],
    [
      [1, 2, 3],
      [2, 3, 1],
    ],
  ])('has the gradient of its formula for %j by %j', async (a, b) => {
    await checkGradients({ inputs: { a, b }, build: matMul });
    const { inferred, given } = await shapesOf(a, b, (g, a, b) => g.matMul(a, b));
    expect(inferred).toEqual(given);
  });

  test('sums over a batch of unknown size', async () => {
    await checkGradients({
      inputs: { a: [2, 2, 3], b: [3, 2] },
      dims: { a: ['batch', 2, 3] },
      build: matMul,
    });
    await checkGradients({
      inputs: { a: [2, 2, 3], b: [1, 3, 2] },
      dims: { a: ['batch', 'n', 'k'], b: ['other', 'k', 'm'] },
      build: matMul,
    });
    const { inferred, given } = await shapesOf([2, 2, 3], [3, 4], (g, a, b) => g.matMul(a, b), {
      a: ['batch', 'n', 3],
      b: [3, 4],
    });
    expect(inferred).toEqual(['batch', 'n', 4]);
    expect(inferred?.map((dim) => evaluateDim(dim, { batch: 2, n: 2 }))).toEqual(given);
  });

  test('has the gradient of its formula for any batch axes that broadcast', async () => {
    const sizes = fc.tuple(batches, ...[1, 2, 3].map(() => fc.integer({ min: 1, max: 3 })));
    await fc.assert(
      fc.asyncProperty(sizes, async ([[before, after], n, k, m]) => {
        const [a, b] = [
          [...(before as number[]), n as number, k as number],
          [...(after as number[]), k as number, m as number],
        ];
        await checkGradients({ inputs: { a, b }, build: matMul });
        const { inferred, given } = await shapesOf(a, b, (g, a, b) => g.matMul(a, b));
        expect(inferred).toEqual(given);
      }),
      { numRuns: 12 },
    );
  });

  test('computes the gradient by a weight shared by a batch as one product', () => {
    const g = new GraphBuilder();
    const [x, w] = [g.input('x', 'float32', ['batch', 5, 3]), g.input('w', 'float32', [3, 4])];
    const [dw] = backward(g, g.reduceSum(g.matMul(x, w)), [w]);
    expect(dw?.node?.op).toBe('Gemm');
    expect(dw?.shape).toEqual([3, 4]);
  });

  test('computes nothing for an operand that is not differentiated by', () => {
    const g = new GraphBuilder();
    const [x, w] = [g.input('x', 'float32', [2, 3]), g.input('w', 'float32', [3, 4])];
    const y = g.reduceSum(g.matMul(x, w));
    const before = g.nodes.length;
    backward(g, y, [w]);
    const products = g.nodes.slice(before).filter(({ op }) => op === 'MatMul');
    expect(products).toHaveLength(1);
  });

  test('refuses operands that do not fit', () => {
    const g = new GraphBuilder();
    const input = (shape: number[]) => g.input(g.uniqueName('x') + 1, 'float32', shape);
    for (const [a, b] of [
      [
        [2, 3],
        [4, 2],
      ],
      [[], [3]],
      [[3], []],
      [
        [2, 2, 3],
        [3, 3, 4],
      ],
      [[3], [4]],
    ] as [number[], number[]][]) {
      expect(() => g.matMul(input(a), input(b))).toThrow(
        expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
      );
    }
    expect(() => g.op('MatMul', [input([3])])).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_INVALID' }),
    );
  });
});

describe('Gemm', () => {
  const transposes = [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const;
  const operands = (transA: number, transB: number) => ({
    a: transA ? [3, 2] : [2, 3],
    b: transB ? [4, 3] : [3, 4],
  });

  test.each(transposes)(
    'has the gradient of its formula with transA %i, transB %i',
    async (transA, transB) => {
      for (const [alpha, beta] of [
        [1, 1],
        [0.5, -2],
      ]) {
        for (const c of [[], [1], [4], [1, 4], [2, 1], [2, 4], [1, 1]]) {
          await checkGradients({
            inputs: { ...operands(transA, transB), c },
            build: (g, { a, b, c }) => g.op('Gemm', [a, b, c], { alpha, beta, transA, transB }),
          });
        }
        await checkGradients({
          inputs: operands(transA, transB),
          build: (g, { a, b }) => g.op('Gemm', [a, b], { alpha, beta, transA, transB }),
        });
      }
      const { a, b } = operands(transA, transB);
      const { inferred, given } = await shapesOf(a, b, (g, a, b) =>
        g.gemm(a, b, undefined, { transA, transB }),
      );
      expect(inferred).toEqual(given);
    },
  );

  test('sums the gradient by a bias over a batch of unknown size', async () => {
    await checkGradients({
      inputs: { a: [2, 3], b: [4, 3], c: [4] },
      dims: { a: ['batch', 3] },
      build: (g, { a, b, c }) => g.gemm(a as Value, b as Value, c, { transB: 1 }),
    });
  });

  test('needs no transposes', () => {
    for (const [transA, transB] of transposes) {
      const g = new GraphBuilder();
      const shapes = operands(transA, transB);
      const [a, b] = [g.input('a', 'float32', shapes.a), g.input('b', 'float32', shapes.b)];
      const [da, db] = backward(g, g.reduceSum(g.gemm(a, b, undefined, { transA, transB })), [a, b]);
      expect([da?.shape, db?.shape]).toEqual([a.shape, b.shape]);
      expect(g.nodes.filter(({ op }) => op === 'Transpose')).toEqual([]);
    }
  });

  test('refuses operands that do not fit', () => {
    const g = new GraphBuilder();
    const input = (shape: number[]) => g.input(g.uniqueName('x') + 1, 'float32', shape);
    for (const [a, b, c] of [
      [[2, 3], [4, 3], []],
      [[2, 3, 1], [3, 4], []],
      [[2], [2, 4], []],
      [[2, 3], [3, 4], [3]],
      [
        [2, 3],
        [3, 4],
        [1, 2, 4],
      ],
      [
        [1, 3],
        [3, 4],
        [2, 4],
      ],
    ] as [number[], number[], number[]][]) {
      expect(() => g.gemm(input(a), input(b), input(c))).toThrow(
        expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
      );
    }
  });
});
