import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, type Dim, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted } from '../checkShapes.ts';

type Attributes = Record<string, number | string | readonly number[]>;

/** An image, and the factors or sizes it is resized by. */
interface Form {
  readonly x: readonly number[];
  readonly scales?: readonly number[];
  readonly sizes?: readonly number[];
  readonly attributes: Attributes;
  readonly dims?: readonly Dim[];
  readonly opset?: number;
}

function resized(g: GraphBuilder, x: Value, { scales, sizes, attributes }: Form): Value {
  const inputs = scales ? [x, undefined, g.constant(scales)] : [x, undefined, undefined, g.ints(sizes ?? [])];
  return g.op('Resize', inputs, attributes);
}

const check = (form: Form): Promise<void> =>
  checkGradients({
    inputs: { x: form.x },
    ...(form.dims ? { dims: { x: form.dims } } : {}),
    opset: form.opset ?? 18,
    build: (g, { x }) => resized(g, x as Value, form),
  });

const coordinates = ['half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel'];
const roundings = ['floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil'];

describe.each(coordinates)(
  'Resize with coordinates %s has the gradient of its formula',
  (coordinate_transformation_mode) => {
    test.each(roundings)('nearest, %s', async (nearest_mode) => {
      const attributes = { mode: 'nearest', coordinate_transformation_mode, nearest_mode };
      await check({ x: [1, 2, 2, 3], scales: [1, 1, 2, 3], attributes });
      await check({ x: [1, 1, 3, 4], sizes: [1, 1, 5, 3], attributes });
    });

    test.each(['linear', 'cubic'])('%s', async (mode) => {
      const attributes = { mode, coordinate_transformation_mode };
      await check({ x: [1, 2, 2, 3], scales: [1, 1, 2, 2], attributes });
      await check({ x: [1, 1, 3, 4], sizes: [1, 1, 5, 3], attributes });
      await check({ x: [1, 1, 4, 4], scales: [1, 1, 0.6, 1.7], attributes, dims: ['batch', 1, 'h', 'w'] });
    });
  },
);

describe('Resize', () => {
  const linear = { mode: 'linear' };
  const nearest = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };

  test('of 1 and of 3 axes', async () => {
    await check({ x: [2, 2, 3], scales: [1, 1, 2], attributes: nearest });
    await check({ x: [1, 2, 3], scales: [1, 1, 1.5], attributes: linear });
    await check({ x: [1, 1, 2, 2, 2], scales: [1, 1, 2, 1, 3], attributes: nearest });
    await check({ x: [1, 1, 2, 3, 2], scales: [1, 1, 2, 1.5, 2], attributes: linear });
  });

  test('with a symbolic batch and image', async () => {
    const dims = ['batch', 2, 'h', 'w'];
    await check({ x: [2, 2, 2, 2], scales: [1, 1, 2, 2], attributes: nearest, dims });
    await check({ x: [1, 2, 2, 3], sizes: [1, 2, 4, 4], attributes: linear, dims: ['batch', 2, 'h', 'w'] });
  });

  test('of batch and channels', async () => {
    await check({ x: [2, 1, 2, 2], scales: [2, 3, 1, 1], attributes: nearest });
    await check({ x: [2, 3, 1, 2], sizes: [3, 2, 1, 2], attributes: { mode: 'nearest' } });
  });

  test('of some axes', async () => {
    await check({ x: [1, 2, 2, 3], scales: [1.5, 2], attributes: { ...linear, axes: [2, 3] }, opset: 18 });
    await check({ x: [1, 2, 2, 3], sizes: [5, 4], attributes: { ...linear, axes: [-1, 2] }, opset: 19 });
  });

  test('smoothed, and without what lies outside', async () => {
    await check({ x: [1, 1, 6, 5], scales: [1, 1, 0.5, 0.4], attributes: { ...linear, antialias: 1 } });
    const attributes = { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: -0.5 };
    await check({ x: [1, 1, 4, 3], scales: [1, 1, 1.5, 2], attributes });
  });

  test('by factors that only the running graph knows', async () => {
    await checkGradients({
      inputs: { x: [1, 1, 2, 3] },
      fixed: { scales: { dtype: 'float32', shape: [4], data: Float32Array.of(1, 1, 2, 1.5) } },
      build: (g, { x, scales }) => g.op('Resize', [x, undefined, scales], linear),
    });
  });

  test('by any integer factors repeats elements or not, as the runtime does', async () => {
    const factor = fc.integer({ min: 1, max: 4 });
    await fc.assert(
      fc.asyncProperty(
        factor,
        factor,
        fc.constantFrom(...coordinates, 'half_pixel_symmetric'),
        fc.constantFrom(...roundings),
        (h, w, coordinate_transformation_mode, nearest_mode) =>
          checkGradients({
            inputs: { x: [1, 1, 2, 2] },
            twice: false,
            opset: 19,
            build: (g, { x }) =>
              resized(g, x as Value, {
                x: [],
                scales: [1, 1, h, w],
                attributes: { mode: 'nearest', coordinate_transformation_mode, nearest_mode },
              }),
          }),
      ),
      { numRuns: 20 },
    );
  });

  test('that repeats elements sums neighbours, which needs no matrix', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 3, 'h', 'w']);
    const y = resized(g, x, { x: [], scales: [1, 1, 2, 2], attributes: nearest });
    const [dx] = backward(g, g.reduceSum(y), [x]);
    expect(dx?.shape).toEqual(x.shape);
    expect(g.nodes.map(({ op }) => op)).not.toContain('MatMul');
  });

  test.each<Attributes>([
    { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize' },
    { mode: 'linear', keep_aspect_ratio_policy: 'not_larger' },
  ])('refuses the gradient of %j', (attributes) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1, 1, 4, 4]);
    const y = g.reduceSum(resized(g, x, { x: [], sizes: [1, 1, 6, 8], attributes }));
    expect(() => backward(g, y, [x])).toThrow(expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED' }));
  });
});

describe('blocks and channels', () => {
  test.each(['DCR', 'CRD'])('DepthToSpace, %s', async (mode) => {
    for (const dims of [
      [2, 8, 1, 2],
      ['batch', 8, 'h', 'w'],
      ['batch', 'channels', 'h', 'w'],
    ]) {
      await checkGradients({
        inputs: { x: [2, 8, 1, 2] },
        dims: { x: dims },
        build: (g, { x }) => g.op('DepthToSpace', [x], { blocksize: 2, mode }),
      });
    }
  });

  test('SpaceToDepth', async () => {
    for (const dims of [
      [2, 1, 2, 4],
      ['batch', 1, 'h', 'w'],
    ]) {
      await checkGradients({
        inputs: { x: [2, 1, 2, 4] },
        dims: { x: dims },
        build: (g, { x }) => g.op('SpaceToDepth', [x], { blocksize: 2 }),
      });
    }
  });
});

describe('shapes', () => {
  test('of Resize are what onnxruntime gives', async () => {
    const scale = fc.constantFrom(0.3, 0.5, 0.7, 1, 1.1, 1.5, 2, 2.7, 3);
    const size = fc.integer({ min: 4, max: 9 });
    await fc.assert(
      fc.asyncProperty(scale, scale, size, size, async (h, w, height, width) => {
        const attributes = { mode: 'linear' };
        for (const dims of [
          [1, 2, height, width],
          ['batch', 2, 'h', 'w'],
        ]) {
          const [shape] = await checkShapes({
            inputs: { x: counted(1, 2, height, width) },
            dims: { x: dims },
            build: (g, { x }) => resized(g, x as Value, { x: [], scales: [1, 1, h, w], attributes }),
          });
          expect(shape?.slice(0, 2)).toEqual(dims.slice(0, 2));
        }
      }),
      { numRuns: 15 },
    );
  });

  const shapeOf = (x: readonly Dim[] | undefined, form: Omit<Form, 'x'>): readonly Dim[] | undefined => {
    const g = new GraphBuilder();
    return resized(g, g.input('x', 'float32', x), { x: [], ...form }).shape;
  };

  test('of Resize follow names and sizes', () => {
    const attributes = {};
    expect(shapeOf(['n', 3, 'h', 5], { scales: [1, 1, 2, 1.5], attributes })).toEqual(['n', 3, '2*h', 7]);
    expect(shapeOf(['n', 3, 'h', 5], { sizes: [2, 3, 7, 9], attributes })).toEqual([2, 3, 7, 9]);
    expect(shapeOf(['n', 3, 'h', 5], { sizes: [9], attributes: { axes: [-1] } })).toEqual(['n', 3, 'h', 9]);
    expect(shapeOf(undefined, { scales: [1, 1, 2], attributes })).toHaveLength(3);
  });

  test('of DepthToSpace and SpaceToDepth', async () => {
    for (const dims of [
      [1, 8, 3, 2],
      ['batch', 8, 'h', 2],
    ]) {
      const [shape] = await checkShapes({
        inputs: { x: counted(1, 8, 3, 2) },
        dims: { x: dims },
        build: (g, { x }) => g.op('DepthToSpace', [x], { blocksize: 2 }),
      });
      expect(shape).toEqual(dims[0] === 1 ? [1, 2, 6, 4] : ['batch', 2, '2*h', 4]);
    }
    await checkShapes({
      inputs: { x: counted(1, 2, 4, 6) },
      dims: { x: ['batch', 2, 'h', 6] },
      build: (g, { x }) => g.op('SpaceToDepth', [x], { blocksize: 2 }),
    });
  });
});

describe('calls that make no sense are refused', () => {
  const mismatch = expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' });
  const input = (g: GraphBuilder) => g.input('x', 'float32', [1, 6, 4, 4]);

  test.each<[string, Omit<Form, 'x'>]>([
    ['as many scales as axes', { scales: [1, 1, 2], attributes: {} }],
    ['as many sizes as named axes', { sizes: [1, 6, 8, 8], attributes: { axes: [2, 3] } }],
    ['axes that are there', { scales: [2, 2], attributes: { axes: [2, 4] } }],
    ['scales above 0', { scales: [1, 1, 0, 2], attributes: {} }],
    ['scales or sizes', { sizes: [], attributes: {} }],
  ])('Resize without %s', (_, form) => {
    const g = new GraphBuilder();
    expect(() => resized(g, input(g), { x: [], ...form })).toThrow(mismatch);
  });

  test.each<[string, Attributes]>([
    ['DepthToSpace', { blocksize: 2 }],
    ['DepthToSpace', {}],
    ['SpaceToDepth', { blocksize: 3 }],
    ['SpaceToDepth', { blocksize: 0 }],
  ])('%s with %j', (op, attributes) => {
    const g = new GraphBuilder();
    expect(() => g.op(op, [input(g)], attributes)).toThrow(mismatch);
  });

  test('DepthToSpace of three axes', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1, 4, 4]);
    expect(() => g.op('DepthToSpace', [x], { blocksize: 2 })).toThrow(mismatch);
  });
});
