import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { expectShapes } from '../expectShapes.ts';

describe.each(['Softmax', 'LogSoftmax'])('%s', (op) => {
  test.each([0, 1, 2, -1, -3, undefined])('along axis %s', async (axis) => {
    await checkGradients({
      inputs: { x: [2, 3, 4] },
      range: [-2, 2],
      build: (g, { x }) => g.op(op, [x], { axis }),
    });
  });

  test('with sizes that have only names', async () => {
    await checkGradients({
      inputs: { x: [3, 4] },
      dims: { x: ['batch', 'classes'] },
      build: (g, { x }) => g.op(op, [x], { axis: 1 }),
    });
    await checkGradients({
      inputs: { x: [3, 4] },
      dims: { x: undefined },
      build: (g, { x }) => g.op(op, [x]),
    });
  });

  test('of any shape, along any axis', async () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    const cases = shapes.chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.integer({ min: -shape.length, max: shape.length - 1 }),
        fc.nat(shape.length - 1),
      ),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ([shape, axis, open]) => {
        await checkGradients({
          inputs: { x: shape },
          dims: { x: shape.map((size, i) => (i === open ? 'n' : size)) },
          build: (g, { x }) => g.op(op, [x], { axis }),
        });
      }),
      { numRuns: 15 },
    );
  });
});

test('along an axis of one there is nothing to learn', async () => {
  await checkGradients({ inputs: { x: [3, 1] }, build: (g, { x }) => g.softmax(x as Value) });
});

test('Hardmax has no gradient', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  expect(backward(g, g.reduceSum(g.op('Hardmax', [x])), [x])).toEqual([undefined]);
});

test.each(['Softmax', 'LogSoftmax', 'Hardmax'])('%s keeps type and shape', async (op) => {
  await expectShapes({
    inputs: { x: [2, 3] },
    build: (g, { x }) => [g.op(op, [x]), g.op(op, [x], { axis: 0 })],
  });
});

test.each(['Softmax', 'LogSoftmax', 'Hardmax'])('%s refuses an axis that is not there', (op) => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  for (const axis of [2, -3]) {
    expect(() => g.op(op, [x], { axis })).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  }
  const scalar = g.input('scalar', 'float32', []);
  expect(() => g.op(op, [scalar])).toThrowError(expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }));
});
