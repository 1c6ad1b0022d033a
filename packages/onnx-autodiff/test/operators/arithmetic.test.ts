import { describe, expect, test } from 'vitest';
import { GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';

type Binary = 'Add' | 'Sub' | 'Mul' | 'Div' | 'Pow' | 'Min' | 'Max' | 'Mean' | 'Sum' | 'Mod';
const shapes: [number[], number[]][] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 2]],
];

describe.each(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Mean', 'Sum'] as Binary[])('%s', (op) => {
  test.each(shapes)('has the gradient of its formula, broadcast from %j and %j', async (a, b) => {
    await checkGradients({
      inputs: { a, b },
      range: [0.5, 2],
      build: (g, { a, b }) => g.op(op, [a, b]),
    });
  });

  test('sums over axes that only the running graph knows', async () => {
    await checkGradients({
      inputs: { a: [2, 3], b: [1, 3] },
      dims: { a: ['n', 'm'], b: ['k', 3] },
      range: [0.5, 2],
      build: (g, { a, b }) => g.op(op, [a, b]),
    });
  });
});

test('a constant exponent needs no logarithm', async () => {
  for (const exponent of [2, 3, 0.5, -1]) {
    await checkGradients({
      inputs: { x: [5] },
      range: [0.5, 2],
      build: (g, { x }) => g.pow(x as Value, exponent),
    });
  }
  const g = new GraphBuilder();
  expect(g.pow(g.input('x', 'float32', [2]), 2).node?.inputs[1]?.constant?.data).toEqual(
    new Float32Array([2]),
  );
});

test('Mod of floats', async () => {
  await checkGradients({
    inputs: { a: [4], b: [4] },
    at: { a: [5.3, 7.1, 2.2, 9.9], b: [2, 3, 5, 4] },
    build: (g, { a, b }) => g.op('Mod', [a, b], { fmod: 1 }),
  });
});
