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
  '1-D': { x: [2, 2, 5], attributes: { kernel_shape: [3] } },
  '1-D side by side, with a rest': { x: [2, 2, 7], attributes: { kernel_shape: [3], strides: [3] } },
  '2-D side by side': { x: [1, 2, 4, 3], attributes: { kernel_shape: [2, 3], strides: [2, 3] } },
  '2-D side by side, with zeros': {
    x: [1, 1, 3, 5],
    attributes: { kernel_shape: [2, 2], strides: [2, 2], pads: [1, 0, 0, 1] },
  },
  '2-D side by side, rounded up': {
    x: [1, 2, 5, 5],
    attributes: { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 },
  },
  '2-D overlapping, with zeros': {
    x: [1, 2, 5, 4],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  '2-D overlapping, rounded up': {
    x: [1, 1, 6, 6],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 },
  },
  '2-D at every element': { x: [1, 1, 4, 4], attributes: { kernel_shape: [3, 2], pads: [1, 0, 1, 1] } },
  '2-D with gaps': { x: [1, 1, 5, 7], attributes: { kernel_shape: [1, 2], strides: [2, 3] } },
  '3-D side by side': { x: [1, 1, 4, 2, 2], attributes: { kernel_shape: [2, 2, 2], strides: [2, 2, 2] } },
  '3-D overlapping': {
    x: [1, 1, 3, 3, 4],
    attributes: { kernel_shape: [2, 2, 3], strides: [1, 1, 2], pads: [0, 1, 1, 1, 0, 1] },
  },
  SAME_UPPER: {
    x: [1, 1, 5, 6],
    attributes: { kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' },
  },
  SAME_LOWER: {
    x: [1, 1, 6, 6],
    attributes: { kernel_shape: [3, 3], strides: [2, 3], auto_pad: 'SAME_LOWER' },
  },
  VALID: { x: [1, 1, 5, 6], attributes: { kernel_shape: [3, 2], strides: [2, 1], auto_pad: 'VALID' } },
};
const taken: Form = {
  x: [1, 1, 7, 6],
  attributes: { kernel_shape: [3, 2], dilations: [2, 3], pads: [1, 0, 2, 1] },
};
const open = (form: Form): Form => ({
  ...form,
  dims: ['batch', form.x[1] as number, ...form.x.slice(2).map((_, i) => `size${i}`)],
});
const counting = (form: Form): Form => ({
  ...form,
  attributes: { ...form.attributes, count_include_pad: 1 },
});

describe.each(Object.entries(forms))('%s', (_, form) => {
  test('MaxPool has the gradient of its formula', () => check('MaxPool', form, 'float32'));
  test('MaxPool of doubles', () => check('MaxPool', open(form)));
  test('AveragePool', () => check('AveragePool', form));
  test('AveragePool that counts zeros', () => check('AveragePool', counting(form)));
  test('AveragePool of symbolic size', () => check('AveragePool', open(form)));
  test('LpPool', () => check('LpPool', { ...form, attributes: { ...form.attributes, p: 3 } }));
});

describe('taps apart', () => {
  test('MaxPool', () => check('MaxPool', taken));
  test('AveragePool', () => check('AveragePool', { ...taken, opset: 19 }));
  test('AveragePool that counts zeros', () => check('AveragePool', counting({ ...taken, opset: 19 })));
  test('AveragePool, in steps', () =>
    check('AveragePool', {
      x: [1, 1, 9],
      attributes: { kernel_shape: [3], strides: [2], dilations: [3], pads: [1, 1], ceil_mode: 1 },
      opset: 22,
    }));
  test('LpPool', () => check('LpPool', taken));
});

describe('over the whole image', () => {
  const x = [2, 2, 3, 2];
  test.each(['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'])('%s', async (op) => {
    await check(op, { x, attributes: {} });
    await check(op, { x: [1, 2, 4], attributes: {} });
    await check(op, { x: [1, 2, 2, 1, 3], attributes: {}, dims: ['batch', 2, 'h', 1, 'w'] });
  });

  test.each([1, 2, 3])('GlobalLpPool and LpPool of p = %d', async (p) => {
    await check('GlobalLpPool', { x, attributes: { p } });
    await check('LpPool', { x, attributes: { p, kernel_shape: [2, 2] } });
  });
});

/** The gradient of the sum of `dy = 1, 2, 3, ...` times a pooling of x. */
async function gradientAt(
  op: string,
  shape: readonly number[],
  values: readonly number[],
  attributes: Attributes,
) {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', shape);
  const y = g.op(op, [x], attributes);
  const weights = g.constant(
    Array.from({ length: sizeOf(y.shape as number[]) }, (_, i) => i + 1),
    y.shape as number[],
  );
  const [dx] = backward(g, g.reduceSum(g.mul(y, weights)), [x]);
  g.output('dx', dx as Value);
  const feeds = { x: { dtype: 'float32', shape, data: Float32Array.from(values) } } as const;
  const results = await runModel(buildModel(g), feeds);
  return Array.from((results['dx'] as HostTensor).data as Float32Array);
}

describe('a tie goes to the first element', () => {
  const tile = { kernel_shape: [2, 2], strides: [2, 2] };

  test('of windows side by side', async () => {
    const x = [1, 0, 2, 2, 1, 1, 2, 2, 0, 3, 0, 0, 0, 3, 0, 0];
    expect(await gradientAt('MaxPool', [1, 1, 4, 4], x, tile)).toEqual([
      1, 0, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0,
    ]);
  });

  test('of windows that overlap', async () => {
    const attributes = { kernel_shape: [2, 2] };
    expect(await gradientAt('MaxPool', [1, 1, 3, 3], new Array(9).fill(7), attributes)).toEqual([
      1, 2, 0, 3, 4, 0, 0, 0, 0,
    ]);
  });

  test('of the whole image', async () => {
    expect(await gradientAt('GlobalMaxPool', [1, 2, 3], [1, 5, 5, 4, 4, 4], {})).toEqual([0, 1, 0, 2, 0, 0]);
  });
});

test('the gradient of MaxPool asks for no Indices, which would slow the forward pass down', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 2, 6, 6]);
  const y = g.maxPool(x, { kernel_shape: [3, 3], strides: [2, 2] });
  expect(backward(g, g.reduceSum(y), [x])[0]?.shape).toEqual(x.shape);
  expect(y.node?.outputs).toHaveLength(1);
});

test('windows of absurd size are not differentiated', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [1, 1, 'size']);
  const y = g.maxPool(x, { kernel_shape: [1_000_000_000] });
  expect(() => backward(g, g.reduceSum(y), [x])).toThrow(
    expect.objectContaining({ code: 'ERR_OPERATOR_UNSUPPORTED' }),
  );
});

test('indices counted by columns lead to the same elements', async () => {
  await check('MaxPool', { x: [1, 2, 4, 5], attributes: { kernel_shape: [2, 3], storage_order: 1 } });
});

test('the norm of zeros has no gradient', async () => {
  expect(await gradientAt('LpPool', [1, 1, 4], [0, 0, 3, 4], { kernel_shape: [2], strides: [2] })).toEqual([
    0,
    0,
    expect.closeTo(1.2),
    expect.closeTo(1.6),
  ]);
});

/** Poolings of 1 to 3 axes; zeros are fewer than taps, as onnxruntime wants it. */
const anyForm = fc.integer({ min: 1, max: 3 }).chain((rank) => {
  const list = (min: number, max: number) =>
    fc.array(fc.integer({ min, max }), { minLength: rank, maxLength: rank });
  return fc
    .record({
      kernel: list(1, 3),
      strides: list(1, 3),
      room: list(0, 2),
      before: list(0, 2),
      after: list(0, 2),
      ceil: fc.boolean(),
    })
    .map(({ kernel, strides: steps, room, before, after, ceil }): Form => {
      const fewer = (pads: number[]) => pads.map((pad, i) => Math.min(pad, (kernel[i] as number) - 1));
      // rounded up, onnxruntime plans for windows behind the image that it then leaves out
      const strides = ceil ? steps.map((step, i) => Math.min(step, kernel[i] as number)) : steps;
      const pads = [...fewer(before), ...(ceil ? after.map(() => 0) : fewer(after))];
      const attributes = { kernel_shape: kernel, strides, pads, ceil_mode: Number(ceil) };
      return { x: [1, 2, ...kernel.map((k, i) => k + (room[i] as number))], attributes };
    });
});

test('poolings of any shape, steps and zeros', async () => {
  const isSmall = ({ x }: Form) => sizeOf(x) <= 60;
  await fc.assert(
    fc.asyncProperty(
      anyForm.filter(isSmall),
      fc.constantFrom('MaxPool', 'AveragePool'),
      fc.boolean(),
      (form, op, counts) => check(op, counts && op === 'AveragePool' ? counting(form) : form, 'float32'),
    ),
    { numRuns: 12 },
  );
});

describe('shapes', () => {
  test('are what onnxruntime gives, with and without names', async () => {
    await fc.assert(
      fc.asyncProperty(anyForm, fc.boolean(), async (form, isOpen) => {
        const { x, attributes } = form;
        const dims = { x: isOpen ? open(form).dims : x };
        const shapes = await checkShapes({
          inputs: { x: counted(...x) },
          dims,
          build: (g, { x }) => g.ops('MaxPool', [x], attributes, 2),
        });
        expect(shapes[1]).toEqual(shapes[0]);
        expect(shapes[0]?.[0]).toBe(isOpen ? 'batch' : 1);
      }),
      { numRuns: 20 },
    );
  });

  test.each(['SAME_UPPER', 'SAME_LOWER', 'VALID'])('of %s', async (auto_pad) => {
    for (const [size, kernel, stride] of [
      [5, 3, 2],
      [6, 3, 2],
      [7, 2, 2],
    ] as const) {
      const build = (g: GraphBuilder, { x }: Readonly<Record<string, Value>>) =>
        g.op('AveragePool', [x], { auto_pad, kernel_shape: [kernel], strides: [stride] });
      await checkShapes({ inputs: { x: counted(1, 1, size) }, build });
      await checkShapes({ inputs: { x: counted(1, 1, size) }, dims: { x: ['batch', 1, 'size'] }, build });
    }
  });

  test('are known as far as they can be', () => {
    const g = new GraphBuilder();
    const [x, open] = [g.input('x', 'float32', ['n', 3, 'h', 8]), g.input('y', 'float32', undefined)];
    expect(g.maxPool(x, { kernel_shape: [2, 2] }).shape).toEqual(['n', 3, 'h + -1', 7]);
    expect(g.maxPool(open, { kernel_shape: [2, 2] }).shape).toHaveLength(4);
    expect(g.op('GlobalMaxPool', [x]).shape).toEqual(['n', 3, 1, 1]);
    expect(g.op('GlobalMaxPool', [open]).shape).toBeUndefined();
  });
});

test.each<[string, readonly Dim[], Attributes]>([
  ['no kernel_shape', [1, 1, 4, 4], {}],
  ['a kernel of another length', [1, 1, 4, 4], { kernel_shape: [2] }],
  ['a kernel of size 0', [1, 1, 4, 4], { kernel_shape: [2, 0] }],
  ['windows larger than the image', [1, 1, 2, 2], { kernel_shape: [3, 3] }],
  ['no axis to slide along', [1, 4], { kernel_shape: [] }],
  ['strides of 0', [1, 1, 4, 4], { kernel_shape: [2, 2], strides: [0, 1] }],
])('a pooling with %s is refused', (_, shape, attributes) => {
  const g = new GraphBuilder();
  expect(() => g.op('MaxPool', [g.input('x', 'float32', shape)], attributes)).toThrow(
    expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
  );
});

describe('MaxPool behind a Relu', () => {
  const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
  const gradientOf = (build: (g: GraphBuilder, x: Value, pooled: (y: Value) => Value) => Value) =>
    checkGradients({
      inputs: { x: [2, 2, 4, 6] },
      at: { x: shuffled(96, 11) },
      dtype: 'float32',
      build: (g, { x }) => build(g, x as Value, (y) => g.maxPool(y, attributes)),
    });

  test('has the gradient of both, with one mask of the few maxima', async () => {
    await gradientOf((g, x, pooled) => pooled(g.relu(x)));
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 2, 6, 6]);
    backward(g, g.reduceSum(g.maxPool(g.relu(x), attributes)), [x]);
    const masks = g.nodes.filter(({ op }) => op === 'HardSigmoid');
    expect(masks.map(({ outputs }) => outputs[0]?.shape)).toEqual([['batch', 2, 3, 3]]);
  });

  test('also where the Relu has another use', () =>
    gradientOf((g, x, pooled) => {
      const y = g.relu(x);
      return g.add(pooled(y), g.reduceSum(g.mul(y, y)));
    }));

  test('another Relu before it has its own mask, straight behind it or through a sum', async () => {
    await gradientOf((g, x, pooled) => pooled(g.relu(g.relu(x))));
    await gradientOf((g, x, pooled) => pooled(g.relu(g.add(g.relu(x), 0.5))));
    await gradientOf((g, x, pooled) => pooled(g.relu(g.sub(g.relu(x), g.relu(g.neg(x))))));
  });
});
