import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, type Dim, GraphBuilder, sizeOf, type Value } from '../../src/index.ts';
import { checkGradients, openRandom } from '../checkGradients.ts';
import { checkShapes, counted } from '../checkShapes.ts';
import { type HostTensor, runModel } from '../runtime.ts';

type Attributes = Record<string, number | string | readonly number[]>;

/** Different numbers, far enough apart that small steps change no order. */
function shuffled(size: number, seed: number): number[] {
  const random = openRandom(seed);
  return Array.from({ length: size }, (_, i) => ({ i, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ i }) => (i - size / 2 + 0.3) / 10);
}

/** A pooling's image and attributes. */
interface Form {
  readonly x: readonly number[];
  readonly attributes: Attributes;
  readonly opset?: number;
  readonly dims?: readonly Dim[];
}

const check = (op: string, { x, attributes, opset = 18, dims }: Form, dtype?: 'float32'): Promise<void> =>
  checkGradients({
    inputs: { x },
    at: { x: shuffled(sizeOf(x), 3) },
    opset,
    ...(dims ? { dims: { x: dims } } : {}),
    ...(dtype ? { dtype } : {}),
    build: (g, { x }) => g.op(op, [x], attributes),
  });

const forms: Record<string, Form> = {
  '1-D': { x: [2, 2, 7], attributes: { kernel_shape: [3] } },
  '1-D side by side, with a rest': { x: [2, 2, 7], attributes: { kernel_shape: [3], strides: [3] } },
  '2-D side by side': { x: [2, 2, 4, 6], attributes: { kernel_shape: [2, 3], strides: [2, 3] } },
  '2-D side by side, with zeros': { x: [1, 2, 4, 5], attributes: { kernel_shape: [2, 2], strides: [2, 2], pads: [1, 0, 0, 1] } },
  '2-D side by side, rounded up': { x: [1, 2, 5, 5], attributes: { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 } },
  '2-D overlapping, with zeros': { x: [1, 2, 5, 4], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
  '2-D overlapping, rounded up': { x: [1, 1, 6, 6], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 } },
  '2-D at every element': { x: [1, 1, 4, 4], attributes: { kernel_shape: [3, 2], pads: [1, 0, 1, 1] } },
  '2-D with gaps': { x: [1, 1, 5, 7], attributes: { kernel_shape: [1, 2], strides: [2, 3] } },
  '3-D side by side': { x: [1, 1, 4, 2, 2], attributes: { kernel_shape: [2, 2, 2], strides: [2, 2, 2] } },
  '3-D overlapping': { x: [1, 1, 3, 3, 4], attributes: { kernel_shape: [2, 2, 3], strides: [1, 1, 2], pads: [0, 1, 1, 1, 0, 1] } },
  'SAME_UPPER': { x: [1, 1, 5, 6], attributes: { kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' } },
  'SAME_LOWER': { x: [1, 1, 6, 6], attributes: { kernel_shape: [3, 3], strides: [2, 3], auto_pad: 'SAME_LOWER' } },
  'VALID': { x: [1, 1, 5, 6], attributes: { kernel_shape: [3, 2], strides: [2, 1], auto_pad: 'VALID' } },
};
const apart: Form = { x: [1, 1, 7, 6], attributes: { kernel_shape: [3, 2], dilations: [2, 3], pads: [1, 0, 1, 1] } };
const open = (form: Form): Form => ({ ...form, dims: ['batch', form.x[1] as number, ...form.x.slice(2).map((_, i) => `size${i}`)] });

describe.each(Object.entries(forms))('%s', (_, form) => {
  test('MaxPool has the gradient of its formula', () => check('MaxPool', form, 'float32'));
  test('MaxPool, in float64 and of symbolic size', () => check('MaxPool', open(form)));
  test('AveragePool', () => check('AveragePool', form));
  test('AveragePool that counts zeros', () =>
    check('AveragePool', { ...form, attributes: { ...form.attributes, count_include_pad: 1 } }));
  test('AveragePool of symbolic size', () => check('AveragePool', open(form)));
  test('LpPool', () => check('LpPool', { ...form, attributes: { ...form.attributes, p: 3 } }));
});
