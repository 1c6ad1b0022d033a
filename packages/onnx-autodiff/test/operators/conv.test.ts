import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  backward,
  buildModel,
  type Dim,
  type GradientModel,
  GraphBuilder,
  gradients,
  type Loss,
  type Model,
  type Value,
} from '../../src/index.ts';
import {
  type ImageForm,
  imageForm,
  type KernelForm,
  kernelForm,
  tilesPay,
} from '../../src/operators/convCost.ts';
import { imageGradient } from '../../src/operators/convImage.ts';
import { kernelGradient } from '../../src/operators/convKernel.ts';
import { inTiles } from '../../src/operators/convWinograd.ts';
import { type KnownCorrelation, known, total } from '../../src/operators/correlation.ts';
import { windowsOf } from '../../src/operators/windows.ts';
import { checkGradients, openRandom } from '../checkGradients.ts';
import { type HostTensor, runModel } from '../runtime.ts';
import { anyForm, type Form, type GivenForm } from './convForms.ts';

const check = ({ x, w, attributes = {}, dims }: Form, twice = true): Promise<void> =>
  checkGradients({
    inputs: { x, w, b: [w[0] as number] },
    ...(dims ? { dims: { x: dims } } : {}),
    dtype: 'float32',
    twice,
    build: (g, { x, w, b }) => g.op('Conv', [x, w, b], attributes),
  });

const forms: Record<string, Form> = {
  '1-D': { x: [2, 2, 5], w: [3, 2, 3], attributes: { pads: [1, 1] } },
  '1-D in steps, taps apart': { x: [1, 2, 9], w: [2, 2, 3], attributes: { strides: [2], dilations: [2] } },
  '2-D': { x: [2, 2, 4, 3], w: [2, 2, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
  '2-D in steps that leave a rest': {
    x: [1, 2, 6, 5],
    w: [2, 2, 3, 2],
    attributes: { strides: [2, 3] },
  },
  '2-D, more zeros than the kernel reaches over': {
    x: [1, 1, 3, 3],
    w: [2, 1, 2, 2],
    attributes: { pads: [3, 0, 1, 2] },
  },
  '2-D of one element': { x: [2, 3, 3, 2], w: [2, 3, 1, 1] },
  '2-D of one element, in steps': { x: [2, 2, 4, 5], w: [2, 2, 1, 1], attributes: { strides: [2, 2] } },
  '2-D patches': { x: [2, 2, 5, 4], w: [2, 2, 2, 2], attributes: { strides: [2, 2], kernel_shape: [2, 2] } },
  '2-D of the whole image': { x: [2, 2, 3, 2], w: [2, 2, 3, 2] },
  '2-D in groups': { x: [1, 4, 4, 3], w: [4, 2, 2, 2], attributes: { group: 2, pads: [0, 1, 1, 0] } },
  '2-D depthwise': { x: [2, 2, 4, 3], w: [2, 1, 3, 3], attributes: { group: 2, pads: [1, 1, 1, 1] } },
  '2-D depthwise in steps, with more outputs': {
    x: [1, 2, 5, 4],
    w: [4, 1, 2, 2],
    attributes: { group: 2, strides: [2, 1] },
  },
  '3-D': { x: [1, 2, 3, 3, 2], w: [2, 2, 2, 2, 1], attributes: { pads: [1, 0, 0, 0, 1, 0] } },
  '3-D in steps, taps apart': {
    x: [1, 1, 5, 3, 4],
    w: [1, 1, 2, 2, 2],
    attributes: { strides: [1, 1, 2], dilations: [2, 1, 1] },
  },
  SAME_UPPER: { x: [1, 1, 5, 6], w: [1, 1, 3, 2], attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] } },
  SAME_LOWER: { x: [1, 1, 5, 6], w: [1, 1, 3, 2], attributes: { auto_pad: 'SAME_LOWER', strides: [2, 3] } },
  VALID: { x: [1, 1, 5, 6], w: [1, 1, 3, 2], attributes: { auto_pad: 'VALID' } },
};

/** The same with names for batch and image. */
const open = (form: Form): Form => ({
  ...form,
  dims: ['batch', form.x[1] as number, ...form.x.slice(2).map((_, i) => `size${i}`)],
});

describe.each(Object.entries(forms))('Conv, %s', (_, form) => {
  test('has the gradients of its formula', () => check(form));
  test('with a symbolic batch', () => check({ ...form, dims: ['batch', ...form.x.slice(1)] }));
  test('with a symbolic image', () => check(open(form)));
});

test('Conv with a kernel of which no size is known', async () => {
  for (const dims of [{ w: ['m', 'c', 'k', 'l'] }, { w: ['m', 2, 'k', 2], x: ['n', 2, 'h', 'w'] }]) {
    await checkGradients({
      inputs: { x: [1, 2, 5, 4], w: [2, 2, 3, 2] },
      dims,
      dtype: 'float32',
      build: (g, { x, w }) => g.op('Conv', [x, w], { strides: [2, 1], pads: [1, 0, 0, 1] }),
    });
  }
});

test('Conv of any shape, steps, distances, zeros and groups', async () => {
  const isSmall = ({ x, w }: Form) => [x, w].every((shape) => shape.reduce((a, b) => a * b, 1) <= 60);
  await fc.assert(
    fc.asyncProperty(anyForm.filter(isSmall), (form) => check(form, false)),
    { numRuns: 12 },
  );
});

describe('all forms of a gradient agree', () => {
  const random = openRandom(5);
  const draw = (shape: readonly number[]): HostTensor => ({
    dtype: 'float32',
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * random() - 1),
  });

  /** Forms that can be used at all. */
  function possible({ x, w, attributes = {} }: Form): {
    kernel: KernelForm[];
    image: ImageForm[];
    tiles: boolean;
  } {
    const group = Number(attributes['group'] ?? 1);
    const strides = attributes['strides'] as readonly number[];
    const isPlain = [...(attributes['dilations'] as number[])].every((dilation) => dilation === 1);
    const isSteady = strides.every((stride) => stride === 1);
    const isTiled =
      isPlain &&
      [...(attributes['pads'] as number[])].every((pad) => pad === 0) &&
      strides.every((stride, i) => stride === w[i + 2]);
    const kernel: KernelForm[] = ['columns'];
    if (group === 1) kernel.push('taps');
    if (group === 1 && isSteady) kernel.push('shifts', 'rows');
    if (group === x[1] && group === w[0]) kernel.push('products');
    if (group === 1 && isTiled) kernel.push('patches');
    const tiles = group === 1 && isPlain && isSteady && w.slice(2).every((taps) => taps > 1 && taps < 6);
    return { kernel, image: ['turned'], tiles };
  }

  async function compare(form: GivenForm): Promise<void> {
    const { x, w, attributes } = form;
    const g = new GraphBuilder();
    const [image, kernel] = [g.input('x', 'float32', ['batch', ...x.slice(1)]), g.input('w', 'float32', w)];
    const y = g.op('Conv', [image, kernel], attributes);
    const dy = g.input('dy', 'float32', y.shape);
    const windows = windowsOf(y.node as NonNullable<Value['node']>, x.slice(2), w.slice(2));
    const correlation = { windows, group: Number(attributes['group'] ?? 1) };
    const { kernel: kernelForms, image: imageForms, tiles } = possible(form);
    for (const name of ['conv', ...kernelForms] as KernelForm[])
      g.output(`kernel.${name}`, kernelGradient(g, image, dy, kernel, correlation, name));
    for (const name of ['transposed', ...imageForms] as ImageForm[])
      g.output(`image.${name}`, imageGradient(g, dy, kernel, image, correlation, name));
    if (tiles) {
      const cut = inTiles(g, image, kernel, known(correlation, w) as KnownCorrelation);
      const [dx, dw] = backward(g, cut, [image, kernel], dy) as [Value, Value];
      for (const [of, value] of Object.entries({ result: cut, image: dx, kernel: dw }))
        g.output(`${of}.tiles`, value);
      g.output('result.direct', y);
    }
    const dyShape = [x[0] as number, ...(y.shape as Dim[]).slice(1)] as number[];
    const results = await runModel(buildModel(g), { x: draw(x), w: draw(w), dy: draw(dyShape) });
    const agree = (name: string, reference: string) => {
      expect(results[name]?.shape, name).toEqual(results[reference]?.shape);
      const [values, expected] = [name, reference].map((key) =>
        Array.from(results[key]?.data as Float32Array, Number),
      );
      values?.forEach((value, i) => {
        expect(value, name).toBeCloseTo(expected?.[i] as number, 4);
      });
    };
    for (const name of kernelForms) agree(`kernel.${name}`, 'kernel.conv');
    for (const name of imageForms) agree(`image.${name}`, 'image.transposed');
    if (!tiles) return;
    agree('result.tiles', 'result.direct');
    agree('image.tiles', 'image.transposed');
    agree('kernel.tiles', 'kernel.conv');
  }

  test('where a row with its offset is longer than its place', async () => {
    const attributes = { strides: [1, 1, 1], dilations: [1, 1, 1], pads: [0, 0, 0, 0, 0, 0], group: 1 };
    await compare({ x: [1, 2, 1, 2, 2], w: [1, 2, 1, 2, 1], attributes });
    await compare({ x: [2, 1, 2, 3, 2], w: [1, 1, 2, 3, 1], attributes });
  });

  test('of any shape, steps, distances, zeros and groups', async () => {
    await fc.assert(fc.asyncProperty(anyForm, compare), { numRuns: 40 });
  });

  test('in tiles: of one axis, of three, of taps that differ, of a part of the last tile', async () => {
    const plain = (pads: number[]) => ({
      strides: pads.slice(pads.length / 2).map(() => 1),
      dilations: pads.slice(pads.length / 2).map(() => 1),
      pads,
      group: 1,
    });
    await compare({ x: [3, 2, 11], w: [4, 2, 3], attributes: plain([1, 1]) });
    await compare({ x: [2, 3, 6, 5, 7], w: [2, 3, 3, 2, 3], attributes: plain([1, 0, 2, 1, 1, 0]) });
    await compare({ x: [2, 3, 9, 14], w: [5, 3, 5, 2], attributes: plain([2, 0, 2, 1]) });
    await compare({ x: [2, 3, 13, 6], w: [2, 3, 4, 3], attributes: plain([0, 3, 0, 3]) });
  });

  test('of patches', async () => {
    const plain = (k: number[]) => ({
      strides: k,
      dilations: k.map(() => 1),
      pads: [...k, ...k].map(() => 0),
    });
    await compare({ x: [2, 3, 9, 6], w: [2, 3, 4, 3], attributes: plain([4, 3]) });
    await compare({ x: [2, 2, 6], w: [5, 2, 2], attributes: plain([2]) });
  });
});

describe('the cost rule', () => {
  /** The chosen form for 3 x 3 taps, unless said otherwise, with zeros that keep the size. */
  function chosen(
    channels: number,
    outputs: number,
    size: number,
    { k = 3, s = 1, group = 1 } = {},
  ): KernelForm {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', channels, size, size]);
    const w = g.input('w', 'float32', [outputs, channels / group, k, k]);
    const pad = k === s ? 0 : (k - 1) / 2;
    const { node } = g.conv(x, w, undefined, { strides: [s, s], pads: [pad, pad, pad, pad], group });
    const windows = windowsOf(node as NonNullable<Value['node']>, [size, size], [k, k]);
    return kernelForm(known({ windows, group }, w.shape) as NonNullable<ReturnType<typeof known>>);
  }

  test('takes the form that was measured to be the fastest', () => {
    expect(chosen(3, 64, 32)).toBe('columns');
    expect(chosen(8, 8, 32)).toBe('rows');
    expect(chosen(64, 64, 32)).toBe('shifts');
    expect(chosen(64, 128, 8)).toBe('taps');
    expect(chosen(64, 64, 32, { k: 1 })).toBe('columns');
    expect(chosen(512, 128, 7, { k: 1 })).toBe('taps');
    expect(chosen(64, 128, 16, { s: 2 })).toBe('taps');
    expect(chosen(32, 32, 32, { group: 32 })).toBe('products');
    expect(chosen(64, 64, 16, { group: 8 })).toBe('columns');
    expect(chosen(3, 192, 64, { k: 8, s: 8 })).toBe('patches');
  });

  test('turns kernels unless that copies or computes much more', () => {
    expect(imageForm([8, 8, 3, 3], 1)).toBe('turned');
    expect(imageForm([64, 3, 3, 3], 1)).toBe('transposed');
    expect(imageForm([96, 16, 1, 1], 1)).toBe('turned');
    expect(imageForm([32, 1, 3, 3], 32)).toBe('turned');
    expect(imageForm([10, 64, 4, 4], 1, { dx: 16, dy: 1 })).toBe('transposed');
  });

  test('cuts images of enough channels in tiles', () => {
    const pay = (channels: number, size: number, batch: number, changes: object = {}): boolean => {
      const window = {
        size,
        count: size,
        kernel: 3,
        stride: 1,
        dilation: 1,
        pads: [1, 1],
        ...changes,
      } as const;
      const sizes = known({ windows: [window, window], group: 1 }, [channels, channels, 3, 3], batch);
      return tilesPay(sizes as KnownCorrelation, true);
    };
    expect(pay(128, 16, 64)).toBe(true);
    expect(pay(16, 16, 128)).toBe(true);
    expect(pay(8, 32, 64)).toBe(false);
    expect(pay(256, 8, 1)).toBe(false);
    expect(pay(128, 16, 64, { dilation: 2, pads: [2, 2] })).toBe(false);
    expect(pay(128, 16, 64, { stride: 2, count: 8 })).toBe(false);
  });

  test('takes a convolution where there would be too many nodes', () => {
    expect(chosen(16, 16, 32, { k: 13 })).toBe('conv');
  });
});

test('what two convolutions of one image copy, they copy once', () => {
  const copies = (count: number): number => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 64, 8, 8]);
    const weights = Array.from({ length: count }, (_, i) => g.input(`w${i}`, 'float32', [64, 64, 3, 3]));
    const results = weights.map((w) => g.reduceSum(g.conv(x, w, undefined, { pads: [1, 1, 1, 1] })));
    backward(g, results.length === 1 ? (results[0] as Value) : g.sum(results), weights);
    return g.nodes.filter(({ op, inputs }) => /Pad|Slice/.test(op) && inputs[0]?.shape?.[1] !== 1).length;
  };
  expect(copies(1)).toBeGreaterThan(8);
  expect(copies(3)).toBe(copies(1));
});

describe('a trained convolution of many channels', () => {
  const attributes = { pads: [1, 1, 1, 1] };
  const channels = 32;
  /** Two convolutions, of which the second has an image to give a gradient to. */
  function modelOf(): Model {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 2, 8, 8]);
    const weights = [
      [channels, 2],
      [channels, channels],
    ].map((sizes, i) => {
      const data = Float32Array.from({ length: total(sizes) * 9 }, (_, k) => Math.sin(k * (i + 1)) / 8);
      return g.parameter(`w${i}`, { dtype: 'float32', shape: [...sizes, 3, 3], data });
    }) as [Value, Value];
    const bias = g.parameter('b', {
      dtype: 'float32',
      shape: [channels],
      data: Float32Array.from({ length: channels }, (_, k) => Math.cos(k)),
    });
    const hidden = g.tanh(g.conv(x, weights[0], undefined, attributes));
    g.output('y', g.conv(hidden, weights[1], bias, attributes));
    return buildModel(g);
  }
  const meanSquare: Loss = (g, values) =>
    g.reduceMean(g.mul(values.get('y') as Value, values.get('y') as Value));
  const feeds = {
    x: {
      dtype: 'float32',
      shape: [3, 2, 8, 8],
      data: Float32Array.from({ length: 384 }, (_, k) => Math.sin(k)),
    },
  } as const;
  const results = async (model: Model): Promise<Record<string, number[]>> =>
    Object.fromEntries(
      Object.entries(await runModel(model, feeds)).map(([name, { data }]) => [
        name,
        Array.from(data as Float32Array),
      ]),
    );

  test('is cut in tiles, with the loss and gradients of the model as it was', async () => {
    const model = modelOf();
    const cut = gradients(model, { loss: meanSquare, keepOutputs: true });
    const whole = gradients(model, { loss: meanSquare, keepOutputs: true, rewrite: false });
    const convolutions = ({ model: { nodes } }: GradientModel): number =>
      nodes.filter(({ op, inputs }) => op === 'Conv' && inputs.includes('w1')).length;
    expect(convolutions(cut)).toBe(0);
    expect(convolutions(whole)).toBe(1);
    const [received, expected] = [await results(cut.model), await results(whole.model)];
    expect(Object.keys(received)).toEqual(Object.keys(expected));
    for (const [name, values] of Object.entries(expected)) {
      const norm = Math.hypot(...values);
      const distance = Math.hypot(...values.map((value, i) => value - (received[name]?.[i] as number)));
      expect(distance / norm, name).toBeLessThan(5e-6);
    }
  });

  test('stays as it is where its weight is not trained', () => {
    const { model } = gradients(modelOf(), { loss: meanSquare, wrt: ['w0'] });
    expect(model.nodes.some(({ op, inputs }) => op === 'Conv' && inputs.includes('w1'))).toBe(true);
  });
});
