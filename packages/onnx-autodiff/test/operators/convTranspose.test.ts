import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, type Dim, GraphBuilder, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted } from '../checkShapes.ts';
import type { Attributes, Form } from './convForms.ts';

const check = ({ x, w, attributes = {}, dims }: Form, twice = true): Promise<void> =>
  checkGradients({
    inputs: { x, w, b: [(w[1] as number) * Number(attributes['group'] ?? 1)] },
    ...(dims ? { dims: { x: dims } } : {}),
    dtype: 'float32',
    twice,
    build: (g, { x, w, b }) => g.op('ConvTranspose', [x, w, b], attributes),
  });

const forms: Record<string, Form> = {
  '1-D': { x: [2, 2, 4], w: [2, 3, 3] },
  '1-D in steps, taps apart': { x: [1, 2, 3], w: [2, 2, 3], attributes: { strides: [2], dilations: [2] } },
  '2-D with zeros': { x: [1, 2, 3, 4], w: [2, 2, 3, 3], attributes: { pads: [1, 0, 1, 2] } },
  '2-D in steps': {
    x: [1, 2, 3, 3],
    w: [2, 1, 3, 3],
    attributes: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] },
  },
  '2-D side by side': {
    x: [2, 2, 2, 3],
    w: [2, 2, 2, 2],
    attributes: { strides: [2, 2], kernel_shape: [2, 2] },
  },
  '2-D with gaps': { x: [1, 1, 3, 2], w: [1, 2, 1, 2], attributes: { strides: [2, 3] } },
  '2-D of one element': { x: [2, 3, 2, 2], w: [3, 2, 1, 1] },
  '2-D in groups': { x: [1, 4, 3, 2], w: [4, 1, 2, 2], attributes: { group: 2, strides: [2, 1] } },
  '2-D depthwise': { x: [1, 2, 3, 3], w: [2, 1, 3, 3], attributes: { group: 2, pads: [1, 1, 1, 1] } },
  '3-D': {
    x: [1, 1, 2, 2, 3],
    w: [1, 2, 2, 1, 2],
    attributes: { strides: [2, 1, 1], pads: [0, 0, 1, 1, 0, 0] },
  },
  output_shape: { x: [1, 1, 3, 3], w: [1, 1, 3, 3], attributes: { strides: [2, 2], output_shape: [6, 5] } },
  'output_shape, SAME_UPPER': {
    x: [1, 1, 3, 3],
    w: [1, 1, 3, 3],
    attributes: { strides: [2, 2], output_shape: [6, 5], auto_pad: 'SAME_UPPER' },
  },
  SAME_UPPER: { x: [1, 1, 3, 2], w: [1, 1, 3, 2], attributes: { auto_pad: 'SAME_UPPER', strides: [2, 1] } },
  SAME_LOWER: { x: [1, 1, 3, 2], w: [1, 1, 3, 2], attributes: { auto_pad: 'SAME_LOWER', strides: [2, 1] } },
  'SAME_LOWER with gaps': {
    x: [1, 1, 3, 2],
    w: [1, 1, 1, 2],
    attributes: { auto_pad: 'SAME_LOWER', strides: [3, 1] },
  },
  VALID: { x: [1, 1, 3, 2], w: [1, 1, 3, 2], attributes: { auto_pad: 'VALID', strides: [2, 1] } },
};

const open = (form: Form): Form => ({
  ...form,
  dims: ['batch', form.x[1] as number, ...form.x.slice(2).map((_, i) => `size${i}`)],
});

describe.each(Object.entries(forms))('ConvTranspose, %s', (name, form) => {
  test('has the gradients of its formula', () => check(form));
  test('with a symbolic batch', () => check({ ...form, dims: ['batch', ...form.x.slice(1)] }));
  if (!name.startsWith('output_shape')) test('with a symbolic image', () => check(open(form)));
  test('has the shape that onnxruntime gives it', async () => {
    const { x, w, attributes = {} } = form;
    const inputs = { x: counted(...x), w: counted(...w) };
    const build = (g: GraphBuilder, { x, w }: Readonly<Record<string, Value>>) =>
      g.op('ConvTranspose', [x, w], attributes);
    const [shape] = await checkShapes({ inputs, build });
    expect(shape?.every((dim) => typeof dim === 'number')).toBe(true);
    await checkShapes({ inputs, dims: { x: open(form).dims }, build });
  });
});

test('ConvTranspose of any shape, steps, distances, zeros and groups', async () => {
  const pair = (min: number, max: number) => fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));
  const anyForm = fc
    .record({
      kernel: pair(1, 3),
      strides: pair(1, 3),
      dilations: pair(1, 2),
      size: pair(2, 3),
      extra: pair(0, 2),
      cut: pair(0, 1),
      channels: pair(1, 2),
      group: fc.integer({ min: 1, max: 2 }),
    })
    .map(({ kernel, strides, dilations, size, extra, cut, channels: [own, other], group }): Form => {
      const output_padding = extra.map((amount, i) => Math.min(amount, (strides[i] as number) - 1));
      // at most what there is
      const pads = cut.map((amount, i) =>
        Math.min(amount, ((kernel[i] as number) - 1) * (dilations[i] as number)),
      );
      const attributes = { strides, dilations, output_padding, group, pads: [...pads, 0, 0] };
      return { x: [1, group * own, ...size], w: [group * own, other, ...kernel], attributes };
    });
  await fc.assert(
    fc.asyncProperty(anyForm, (form) => check(form, false)),
    { numRuns: 12 },
  );
});

describe('calls of ConvTranspose that make no sense are refused', () => {
  const call = (x: readonly Dim[], w: readonly Dim[], attributes: Attributes = {}, b?: readonly Dim[]) => {
    const g = new GraphBuilder();
    const inputs = [g.input('x', 'float32', x), g.input('w', 'float32', w), b && g.input('b', 'float32', b)];
    const y = g.op('ConvTranspose', inputs, attributes);
    return { g, y, inputs };
  };

  test.each<[string, readonly Dim[], readonly Dim[], Attributes?, (readonly Dim[])?]>([
    ['channels that differ', [1, 3, 8, 8], [2, 4, 3, 3]],
    ['a group that does not divide', [1, 3, 8, 8], [3, 2, 3, 3], { group: 2 }],
    ['axes that differ', [1, 3, 8, 8], [3, 4, 3]],
    ['output_padding as wide as a step', [1, 3, 8, 8], [3, 4, 3, 3], { output_padding: [1, 0] }],
    ['output_padding of another length', [1, 3, 8, 8], [3, 4, 3, 3], { output_padding: [1] }],
    ['output_shape larger than there is', [1, 3, 8, 8], [3, 4, 3, 3], { output_shape: [12, 10] }],
    ['more cut off than there is', [1, 3, 1, 1], [3, 4, 3, 3], { pads: [2, 2, 2, 2] }],
    ['a bias of another length', [1, 3, 8, 8], [3, 4, 3, 3], {}, [3]],
  ])('%s', (_, x, w, attributes, b) => {
    expect(() => call(x, w, attributes, b)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }));
  });

  test('output_shape with an image of unknown size', () => {
    const { g, y, inputs } = call([1, 1, 'size'], [1, 1, 3], { output_shape: [8], strides: [2] });
    expect(y.shape).toEqual([1, 1, 8]);
    expect(() => backward(g, g.reduceSum(y), [inputs[0] as Value])).toThrow(
      expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED' }),
    );
  });
});
