import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients, type GradientCheck, openRandom } from '../checkGradients.ts';
import { expectShapes } from '../expectShapes.ts';
import { runModel } from '../runtime.ts';

type Values = Readonly<Record<string, Value>>;

/** Random numbers in a range, always the same. */
function numbers(size: number, [low, high]: readonly [number, number]): number[] {
  const random = openRandom(1);
  return Array.from({ length: size }, () => low + (high - low) * random());
}

/** Expects a VRAdamError of a code. */
const throwing = (code: string) => expect.objectContaining({ code });

describe('LayerNormalization', () => {
  const apply = (g: GraphBuilder, { x, scale, bias }: Values, axis?: number, outputs = 1) =>
    g.ops('LayerNormalization', [x, scale, bias], { axis, epsilon: 0.01 }, outputs);

  test.each([
    [undefined, [2, 3, 4], [4]],
    [-1, [2, 3, 4], [4]],
    [1, [2, 3, 4], [3, 4]],
    [-2, [2, 3, 4], [4]],
    [0, [3, 2], [3, 2]],
    [1, [2, 3], [1]],
  ])('axis %s of input %j with scale %j, with a bias and without', async (axis, x, scale) => {
    for (const dtype of ['float32', 'float64'] as const) {
      const check: Omit<GradientCheck, 'inputs'> = {
        build: (g, values) => apply(g, values, axis)[0] as Value,
        dtype,
      };
      await checkGradients({ ...check, inputs: { x, scale, bias: scale } });
      await checkGradients({ ...check, inputs: { x, scale } });
    }
  });

  test('with sizes that have only names', async () => {
    for (const [dims, axis] of [
      [['batch', 'time', 4], -1],
      [['batch', 'time', 'n'], -1],
      [['batch', 'time', 'n'], 1],
    ] as const) {
      await checkGradients({
        inputs: { x: [2, 3, 4], scale: [4], bias: [4] },
        dims: { x: dims },
        build: (g, values) => apply(g, values, axis)[0] as Value,
      });
    }
  });

  test.each([0, 1, 2])('through output %d', async (output) => {
    await checkGradients({
      inputs: { x: [2, 3], scale: [3], bias: [3] },
      build: (g, values) => {
        const outputs = apply(g, values, -1, 3);
        return g.mul(g.exp(outputs[output] as Value), g.exp(outputs[0] as Value));
      },
      dtype: 'float32',
    });
  });

  test.each([1, 2])('through output %d alone', async (output) => {
    await checkGradients({
      inputs: { x: [2, 3], scale: [3] },
      build: (g, values) => g.exp(apply(g, values, -1, 3)[output] as Value),
      dtype: 'float32',
    });
  });

  test('asks the forward pass for its statistics', () => {
    const g = new GraphBuilder();
    const [x, scale] = [g.input('x', 'float32', ['batch', 3]), g.input('scale', 'float32', [3])];
    const [y] = apply(g, { x, scale });
    backward(g, y as Value, [x], g.input('dy', 'float32', ['batch', 3]));
    // no root is drawn, and no mean is taken but of products with dy
    expect(g.nodes.filter(({ op }) => /LayerNorm|Sqrt|Reciprocal|Pow/.test(op))).toEqual([y?.node]);
    const means = g.nodes
      .filter(({ op }) => op === 'ReduceMean')
      .map(({ inputs: [value] }) => value?.node?.op);
    expect(means).toEqual(['Mul', 'Mul']);
    expect(g.nodes.filter(({ op, inputs }) => op === 'Mul' && inputs[0] === inputs[1])).toHaveLength(1);
    expect(y?.node?.outputs.map(({ shape }) => shape)).toEqual([
      ['batch', 3],
      ['batch', 1],
      ['batch', 1],
    ]);
  });

  test('types and shapes', async () => {
    const inputs = { x: [2, 3, 4], scale: [4] };
    await expectShapes({
      inputs,
      build: (g, values) => [
        ...apply(g, values, -1, 3),
        ...apply(g, values, 1, 3),
        ...apply(g, values, -3, 3),
      ],
    });
  });

  test('refuses inputs that do not fit', () => {
    const g = new GraphBuilder();
    const [x, v] = [g.input('x', 'float32', [2, 3]), g.input('v', 'float32', [4])];
    expect(() => apply(g, { x, scale: v })).toThrowError(throwing('ERR_SHAPE_MISMATCH'));
    expect(() => apply(g, { x: g.input('one', 'float32', [2, 1]), scale: v })).toThrowError(
      throwing('ERR_SHAPE_MISMATCH'),
    );
    expect(() => apply(g, { x, scale: g.constant([1, 1, 1]) }, 2)).toThrowError(
      throwing('ERR_SHAPE_MISMATCH'),
    );
  });
});

test('layers of any shape along any axis, with scales that broadcast', async () => {
  const cases = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }).chain((shape) =>
    fc.tuple(
      // fewer than 3 elements of a row make curves too sharp for differences
      fc.constant([...shape, 3]),
      fc.integer({ min: -shape.length - 1, max: shape.length }),
      fc.nat(shape.length),
      fc.boolean(),
    ),
  );
  await fc.assert(
    fc.asyncProperty(cases, fc.boolean(), fc.nat(100), async ([shape, axis, from, isNarrow], isRms, seed) => {
      const scale = shape.slice(axis).map((size, i) => (isNarrow && i === from ? 1 : size));
      await checkGradients({
        inputs: { x: shape, scale },
        dims: { x: ['batch', ...shape.slice(1)] },
        range: [-2, 2],
        build: (g, { x, scale }) =>
          g.op(isRms ? 'RMSNormalization' : 'LayerNormalization', [x, scale], { axis, epsilon: 0.1 }),
        opset: 23,
        dtype: 'float32',
        seed,
      });
    }),
    { numRuns: 12 },
  );
});

describe('RMSNormalization', () => {
  test.each([
    [undefined, [2, 3, 4], [4]],
    [1, [2, 3, 4], [3, 4]],
    [-2, [2, 3, 4], [4]],
  ])('axis %s of input %j with scale %j', async (axis, x, scale) => {
    const check: GradientCheck = {
      inputs: { x, scale },
      build: (g, { x, scale }) => g.op('RMSNormalization', [x, scale], { axis, epsilon: 0.01 }),
      opset: 23,
      // its mean square is of single precision whatever the input
      dtype: 'float32',
    };
    await checkGradients(check);
    await checkGradients({ ...check, dims: { x: ['batch', 'time', 4] } });
  });

  test('type, shape, and what does not fit', async () => {
    await expectShapes({
      inputs: { x: [2, 3], scale: [3] },
      build: (g, { x, scale }) => [g.op('RMSNormalization', [x, scale])],
      opset: 23,
    });
    const g = new GraphBuilder({ opset: 23 });
    const [x, v] = [g.input('x', 'float32', [2, 3]), g.input('v', 'float32', [4])];
    expect(() => g.op('RMSNormalization', [x, v])).toThrowError(throwing('ERR_SHAPE_MISMATCH'));
    expect(() => g.op('RMSNormalization', [x, g.constant([1])], { axis: 2 })).toThrowError(
      throwing('ERR_SHAPE_MISMATCH'),
    );
  });
});

describe('LpNormalization', () => {
  test.each([1, 2])('p = %d, along any axis', async (p) => {
    for (const axis of [0, 1, -1]) {
      for (const dims of [[3, 4], ['n', 'm'], undefined]) {
        await checkGradients({
          inputs: { x: [3, 4] },
          dims: { x: dims },
          // signs differ, and nothing is near 0
          at: { x: numbers(12, [0.3, 1]).map((value, i) => (i % 3 === 1 ? -value : value)) },
          build: (g, { x }) => g.op('LpNormalization', [x], { p, axis }),
        });
      }
    }
  });

  test('the zero vector has no gradient', async () => {
    for (const p of [1, 2]) {
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', [2, 2]);
      const y = g.op('LpNormalization', [x], { p });
      g.output('dx', backward(g, y, [x], g.input('dy', 'float32', [2, 2]))[0] as Value);
      const matrix = (...data: number[]) =>
        ({ dtype: 'float32', shape: [2, 2], data: Float32Array.from(data) }) as const;
      const { dx } = await runModel(buildModel(g), { x: matrix(0, 0, 3, 1), dy: matrix(1, 2, 0, 4) });
      const [a, b, c, d] = Array.from(dx?.data as Float32Array);
      expect([a, b]).toEqual([0, 0]);
      expect(c).not.toBe(0);
      expect(d).not.toBe(0);
    }
  });

  test('type, shape, and an axis that is not there', async () => {
    await expectShapes({ inputs: { x: [2, 3] }, build: (g, { x }) => [g.op('LpNormalization', [x])] });
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    expect(() => g.op('LpNormalization', [x], { axis: 2 })).toThrowError(throwing('ERR_SHAPE_MISMATCH'));
  });
});

describe('MeanVarianceNormalization', () => {
  test.each([
    [undefined, [2, 3, 2, 2], undefined],
    [
      [0, 2, 3],
      [2, 2, 2, 2],
      ['batch', 2, 'h', 'w'],
    ],
    [[1], [2, 4], undefined],
    [
      [-1, 0],
      [2, 3, 2],
      ['batch', 3, 2],
    ],
  ] as const)('over axes %j of input %j known as %j', async (axes, x, dims) => {
    await checkGradients({
      inputs: { x },
      ...(dims ? { dims: { x: dims } } : {}),
      range: [-2, 2],
      build: (g, { x }) => g.op('MeanVarianceNormalization', [x], { axes }),
      dtype: 'float32',
    });
  });

  test('type, shape, and axes that are not there', async () => {
    await expectShapes({
      inputs: { x: [2, 3, 2, 2] },
      build: (g, { x }) => [g.op('MeanVarianceNormalization', [x])],
    });
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    expect(() => g.op('MeanVarianceNormalization', [x])).toThrowError(throwing('ERR_SHAPE_MISMATCH'));
  });
});
