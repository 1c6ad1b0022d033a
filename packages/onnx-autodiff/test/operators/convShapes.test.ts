import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, type Dim, GraphBuilder, type Value } from '../../src/index.ts';
import { checkShapes, counted } from '../checkShapes.ts';
import { type Attributes, anyForm } from './convForms.ts';

describe('shapes of Conv', () => {
  test('are what onnxruntime gives, with and without names', async () => {
    await fc.assert(
      fc.asyncProperty(anyForm, fc.boolean(), async ({ x, w, attributes }, isOpen) => {
        const inputs = { x: counted(...x), w: counted(...w) };
        const dims = { x: isOpen ? ['batch', x[1] as number, ...x.slice(2).map((_, i) => `size${i}`)] : x };
        const [shape] = await checkShapes({
          inputs,
          dims,
          build: (g, { x, w }) => g.op('Conv', [x, w], attributes),
        });
        expect(shape?.slice(0, 2)).toEqual([isOpen ? 'batch' : x[0], w[0]]);
      }),
      { numRuns: 25 },
    );
  });

  test.each(['SAME_UPPER', 'SAME_LOWER', 'VALID'])('of %s', async (auto_pad) => {
    for (const [size, kernel, stride] of [
      [5, 3, 2],
      [6, 3, 2],
      [7, 2, 3],
      [8, 1, 2],
    ] as const) {
      const build = (g: GraphBuilder, { x, w }: Readonly<Record<string, Value>>) =>
        g.op('Conv', [x, w], { auto_pad, strides: [stride] });
      const inputs = { x: counted(1, 1, size), w: counted(1, 1, kernel) };
      await checkShapes({ inputs, build });
      await checkShapes({ inputs, dims: { x: ['batch', 1, 'size'] }, build });
    }
  });

  const shapeOf = (
    x: readonly Dim[] | undefined,
    w: readonly Dim[] | undefined,
  ): readonly Dim[] | undefined => {
    const g = new GraphBuilder();
    return g.op('Conv', [g.input('x', 'float32', x), g.input('w', 'float32', w)]).shape;
  };

  test('are known as far as they can be', () => {
    expect(shapeOf(['n', 3, 'h', 8], [4, 3, 3, 3])).toEqual(['n', 4, 'h + -2', 6]);
    expect(shapeOf(['n', 3, 8, 8], undefined)).toEqual([
      'n',
      expect.any(String),
      expect.any(String),
      expect.any(String),
    ]);
    expect(shapeOf(undefined, [4, 3, 3])).toEqual([expect.any(String), 4, expect.any(String)]);
    expect(shapeOf(undefined, undefined)).toBeUndefined();
  });
});

describe('calls of Conv that make no sense are refused', () => {
  const call =
    (x: readonly Dim[], w: readonly Dim[], attributes: Attributes = {}, b?: readonly Dim[]) =>
    () => {
      const g = new GraphBuilder();
      g.op(
        'Conv',
        [g.input('x', 'float32', x), g.input('w', 'float32', w), b && g.input('b', 'float32', b)],
        attributes,
      );
    };
  const mismatch = expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' });

  test.each<[string, () => void]>([
    ['channels that differ', call([1, 3, 8, 8], [4, 2, 3, 3])],
    ['a group that does not divide', call([1, 4, 8, 8], [3, 2, 3, 3], { group: 2 })],
    ['axes that differ', call([1, 3, 8, 8], [4, 3, 3])],
    ['no axis to slide along', call([1, 3], [4, 3])],
    ['windows larger than the image', call([1, 3, 2, 2], [4, 3, 3, 3])],
    ['strides of another length', call([1, 3, 8, 8], [4, 3, 3, 3], { strides: [2] })],
    ['strides of 0', call([1, 3, 8, 8], [4, 3, 3, 3], { strides: [0, 1] })],
    ['negative pads', call([1, 3, 8, 8], [4, 3, 3, 3], { pads: [0, -1, 0, 0] })],
    ["a kernel_shape that is not the weight's", call([1, 3, 8, 8], [4, 3, 3, 3], { kernel_shape: [3, 2] })],
    ['a bias of another length', call([1, 3, 8, 8], [4, 3, 3, 3], {}, [3])],
  ])('%s', (_, make) => {
    expect(make).toThrow(mismatch);
  });

  test('auto_pad that runtimes do not agree on', () => {
    const g = new GraphBuilder();
    const [x, w] = [g.input('x', 'float32', [1, 1, 9]), g.input('w', 'float32', [1, 1, 3])];
    const y = g.reduceSum(g.op('Conv', [x, w], { auto_pad: 'SAME_UPPER', dilations: [2] }));
    expect(() => backward(g, y, [w])).toThrow(expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED' }));
  });
});
