import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { expectShapes } from '../expectShapes.ts';
import { runModel } from '../runtime.ts';

type Range = readonly [number, number];

/** Where each function is smooth. */
const functions: readonly (readonly [string, Range])[] = [
  ['Neg', [-1, 1]],
  ['Abs', [-2, -0.1]],
  ['Abs', [0.1, 2]],
  ['Exp', [-1, 1]],
  ['Log', [0.3, 2]],
  ['Sqrt', [0.3, 2]],
  ['Reciprocal', [0.4, 2]],
  ['Reciprocal', [-2, -0.4]],
  ['Sin', [-2, 2]],
  ['Cos', [-2, 2]],
  ['Tan', [-1, 1]],
  ['Asin', [-0.7, 0.7]],
  ['Acos', [-0.7, 0.7]],
  ['Atan', [-2, 2]],
  ['Sinh', [-1, 1]],
  ['Cosh', [-1, 1]],
  ['Asinh', [-2, 2]],
  ['Acosh', [1.5, 3]],
  ['Atanh', [-0.7, 0.7]],
  ['Erf', [-1, 1]],
  ['Identity', [-1, 1]],
];

test.each(functions)('%s has the gradient of its formula in %j', async (op, range) => {
  await checkGradients({
    inputs: { x: [2, 3] },
    range,
    // makes a linear function's second derivative something else than 0
    build: (g, { x }) => g.mul(g.op(op, [x]), x as Value),
  });
});

test('of any shape, with sizes that have only names, or none', async () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 });
  const known = fc.constantFrom('all', 'names', 'nothing');
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...functions), shapes, known, async ([op, range], shape, how) => {
      const dims = { all: shape, names: shape.map((_, i) => `n${i}`), nothing: undefined };
      await checkGradients({
        inputs: { x: shape },
        dims: { x: dims[how as keyof typeof dims] },
        range,
        build: (g, { x }) => g.op(op, [x]),
      });
    }),
    { numRuns: 15 },
  );
});

const steps = ['Sign', 'Floor', 'Ceil', 'Round', 'IsNaN', 'IsInf'];

test.each([...new Set(functions.map(([op]) => op)), ...steps])('%s: type and shape', async (op) => {
  await expectShapes({ inputs: { x: [2, 3] }, build: (g, { x }) => [g.op(op, [x])] });
});

test('Not: type and shape', async () => {
  await expectShapes({ inputs: { x: [2, 3] }, build: (g, { x }) => [g.not(g.op('IsNaN', [x]))] });
});

test.each(steps)('%s stops a gradient', (op) => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [3]);
  const y = g.reduceSum(g.add(g.cast(g.op(op, [x]), 'float32'), g.mul(x, 2)));
  const ops = backward(g, y, [x]).map((gradient) => gradient?.node?.op);
  // of the other term only
  expect(ops).toEqual(['Mul']);
});

test('Abs has slope 0 at 0', async () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [3]);
  g.output('dx', backward(g, g.reduceSum(g.abs(x)), [x])[0] as Value);
  const feeds = { x: { dtype: 'float32', shape: [3], data: Float32Array.of(-2, 0, 2) } } as const;
  const { dx } = await runModel(buildModel(g), feeds);
  expect(Array.from(dx?.data as Float32Array)).toEqual([-1, 0, 1]);
});

describe('small integers are followed', () => {
  test('through Neg and Identity, named sizes too', () => {
    const g = new GraphBuilder();
    const shape = g.op('Shape', [g.input('x', 'float32', [3, 'batch'])]);
    expect(g.neg(shape).ints).toEqual([-3, '-1*batch']);
    expect(g.op('Identity', [g.ints([3])])).toBe(g.ints([3]));
  });

  test('through Not', () => {
    const g = new GraphBuilder();
    expect(g.not(g.equal(g.ints([1, 2]), g.ints([1, 3]))).ints).toEqual([0, 1]);
    const named = g.op('Shape', [g.input('x', 'float32', ['batch', 'batch'])]);
    expect(g.not(g.equal(named, g.ints([1, 2]))).ints).toBeUndefined();
  });
});

test('a function of nothing makes no sense', () => {
  const g = new GraphBuilder();
  for (const op of [...functions.map(([op]) => op), ...steps, 'Not']) {
    expect(() => g.op(op, []), op).toThrowError(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
  }
});
