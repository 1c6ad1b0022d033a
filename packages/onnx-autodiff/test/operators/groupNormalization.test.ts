import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { expectShapes } from '../expectShapes.ts';

type Values = Readonly<Record<string, Value>>;

const mismatch = expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' });
const unsupported = expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED' });

describe('InstanceNormalization', () => {
  const apply = (g: GraphBuilder, { x, scale, bias }: Values) =>
    g.op('InstanceNormalization', [x, scale, bias], { epsilon: 0.01 });

  test.each([
    [[2, 3, 4], undefined],
    [[2, 3, 2, 2], undefined],
    [[1, 3, 2, 1, 2], undefined],
    [
      [2, 3, 2, 2],
      ['batch', 3, 'h', 'w'],
    ],
    [
      [2, 3, 2, 2],
      ['batch', 'c', 2, 2],
    ],
  ] as const)('input %j known as %j', async (x, dims) => {
    await checkGradients({
      inputs: { x, scale: [3], bias: [3] },
      ...(dims ? { dims: { x: dims } } : {}),
      build: apply,
    });
  });

  test('type and shape', async () => {
    await expectShapes({
      inputs: { x: [2, 3, 4], scale: [3], bias: [3] },
      build: (g, values) => [apply(g, values)],
    });
  });

  test('refuses inputs that do not fit', () => {
    const g = new GraphBuilder();
    const [v3, v4] = [g.input('v3', 'float32', [3]), g.input('v4', 'float32', [4])];
    const [x, flat] = [g.input('x', 'float32', [2, 3, 2]), g.input('flat', 'float32', [2, 3])];
    expect(() => apply(g, { x, scale: v3, bias: v4 })).toThrowError(mismatch);
    expect(() => apply(g, { x: flat, scale: v3, bias: v3 })).toThrowError(mismatch);
  });

  test('cannot be differentiated while nothing tells the number of channels', () => {
    const g = new GraphBuilder();
    const [x, v] = [g.input('x', 'float32', [2, 'c', 2]), g.input('v', 'float32', ['c'])];
    const y = g.reduceSum(apply(g, { x, scale: v, bias: v }));
    expect(() => backward(g, y, [x])).toThrowError(unsupported);
  });
});

describe('GroupNormalization', () => {
  const apply = (g: GraphBuilder, { x, scale, bias }: Values, num_groups: number) =>
    g.op('GroupNormalization', [x, scale, bias], { num_groups, epsilon: 0.01 });

  /** From operator set 21 on a scale is a channel's, not a group's, and doubles are computed in single precision. */
  const check = (
    opset: number,
    groups: number,
    x: readonly number[],
    dims: readonly (number | string)[] | undefined,
    seed = 1,
  ) => {
    const size = opset < 21 ? groups : (x[1] as number);
    return checkGradients({
      inputs: { x, scale: [size], bias: [size] },
      ...(dims ? { dims: { x: dims } } : {}),
      build: (g, values) => apply(g, values, groups),
      opset,
      seed,
      ...(opset < 21 ? {} : { dtype: 'float32' }),
    });
  };

  test.each([
    [18, 2, [2, 4, 3], undefined],
    [18, 1, [2, 4, 2, 2], undefined],
    [18, 4, [2, 4, 2, 2], ['batch', 4, 'h', 'w']],
    [21, 2, [2, 4, 3], undefined],
    [21, 1, [2, 4, 2, 1], undefined],
    [21, 2, [2, 4, 2, 2], ['batch', 4, 'h', 'w']],
    [21, 2, [2, 4, 2, 2], ['batch', 'c', 2, 2]],
  ] as const)('operator set %d: %d groups of input %j known as %j', check);

  test('of any shape, in any groups', async () => {
    const cases = fc.tuple(
      fc.constantFrom(18, 21),
      fc.integer({ min: 1, max: 2 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    );
    await fc.assert(
      fc.asyncProperty(cases, fc.nat(100), async ([opset, n, groups, size, rest], seed) => {
        // fewer than 3 elements of a group make curves too sharp for differences
        const x = [n, groups * size, 3, ...rest];
        await check(opset, groups, x, ['batch', ...x.slice(1)], seed);
      }),
      { numRuns: 10 },
    );
  });

  test('type and shape', async () => {
    for (const [opset, size] of [
      [18, 2],
      [21, 4],
    ] as const) {
      await expectShapes({
        inputs: { x: [2, 4, 3], scale: [size], bias: [size] },
        build: (g, values) => [apply(g, values, 2)],
        opset,
      });
    }
  });

  test.each([
    [18, 4, 2],
    [21, 2, 2],
    [21, 4, 3],
    [21, 4, 0],
  ])('operator set %d refuses scales of %d numbers for %d groups of 4 channels', (opset, size, groups) => {
    const g = new GraphBuilder({ opset });
    const [x, v] = [g.input('x', 'float32', [2, 4, 3]), g.input('v', 'float32', [size])];
    expect(() => apply(g, { x, scale: v, bias: v }, groups)).toThrowError(mismatch);
  });
});
