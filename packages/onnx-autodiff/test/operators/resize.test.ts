import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, type Dim, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted, int64 } from '../checkShapes.ts';

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

describe.each(coordinates)('Resize with coordinates %s', (coordinate_transformation_mode) => {
  test.each(roundings)('nearest, %s', async (nearest_mode) => {
    const attributes = { mode: 'nearest', coordinate_transformation_mode, nearest_mode };
    await check({ x: [2, 2, 2, 3], scales: [1, 1, 2, 2], attributes });
    await check({ x: [1, 2, 3, 4], sizes: [1, 2, 5, 3], attributes });
  });

  test.each(['linear', 'cubic'])('%s', async (mode) => {
    const attributes = { mode, coordinate_transformation_mode };
    await check({ x: [2, 2, 2, 3], scales: [1, 1, 2, 2], attributes });
    await check({ x: [1, 2, 3, 4], sizes: [1, 2, 5, 3], attributes });
    await check({ x: [1, 1, 4, 4], scales: [1, 1, 0.6, 1.7], attributes, dims: ['batch', 1, 'h', 'w'] });
  });
});
