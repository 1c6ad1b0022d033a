import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, type Dim, evaluateDim, GraphBuilder, tensor, type Value } from '../../src/index.ts';
import { checkGradients } from '../checkGradients.ts';
import { checkShapes, counted, int64 } from '../checkShapes.ts';

const far = Number.MAX_SAFE_INTEGER;
/** Element i of a shape, as exporters read it. */
const size = (g: GraphBuilder, x: Value, i: number): Value =>
  g.gather(g.op('Shape', [x]), g.scalar(i, 'int64'));
const vector = (g: GraphBuilder, x: Value): Value => g.unsqueeze(x, [0]);

describe('the graphs that exporters write for sizes become shapes while building', () => {
  const start = () => {
    const g = new GraphBuilder();
    return { g, x: g.input('x', 'float32', ['batch', 'n', 8, 16]) };
  };

  test('Shape, Gather, Unsqueeze, Concat, Reshape', () => {
    const { g, x } = start();
    const shape = g.concat([vector(g, size(g, x, 0)), g.ints([-1]), vector(g, size(g, x, 3))], 0);
    expect(shape.ints).toEqual(['batch', -1, 16]);
    expect(g.reshape(x, shape).shape).toEqual(['batch', '8*n', 16]);
  });

  test('products and quotients of sizes', () => {
    const { g, x } = start();
    const width = g.mul(size(g, x, 2), size(g, x, 3));
    expect(width.constant?.data).toEqual(BigInt64Array.of(128n));
    const rows = g.div(g.mul(size(g, x, 1), width), g.scalar(64, 'int64'));
    expect(rows.ints).toEqual(['2*n']);
    expect(g.div(size(g, x, 1), g.scalar(2, 'int64')).ints).toEqual(['{floor((n) / (2))}']);
    expect(
      g.reshape(x, g.concat([vector(g, size(g, x, 0)), vector(g, rows), g.ints([64])], 0)).shape,
    ).toEqual(['batch', '2*n', 64]);
  });

  test('a part of a shape', () => {
    const { g, x } = start();
    const shape = g.op('Shape', [x]);
    const part = g.op('Slice', [shape, g.ints([-2]), g.ints([far]), g.ints([0])]);
    expect(part.constant?.data).toEqual(BigInt64Array.of(8n, 16n));
    expect(g.op('Shape', [x], { start: 1, end: -1 }).ints).toEqual(['n', 8]);
    expect(g.op('Shape', [x], { start: -1 }).ints).toEqual([16]);
    expect(g.op('ReduceProd', [part], { keepdims: 0 }).constant?.data).toEqual(BigInt64Array.of(128n));
    expect(g.op('Size', [x]).ints).toEqual(['128*batch*n']);
  });

  test('an Expand whose -1 is replaced', () => {
    const { g, x } = start();
    const wanted = g.concat([g.op('Shape', [x], { end: 1 }), g.ints([-1, 8, 16])], 0);
    const ones = g.op('ConstantOfShape', [g.ints([4])], { value: tensor('int64', [1], [1]) });
    const isOpen = g.equal(wanted, g.mul(ones, g.scalar(-1, 'int64')));
    expect(isOpen.constant?.data).toEqual(Uint8Array.of(0, 1, 0, 0));
    const target = g.where(isOpen, ones, wanted);
    expect(target.ints).toEqual(['batch', 1, 8, 16]);
    expect(g.expand(g.input('y', 'float32', [1, 1, 8, 16]), target).shape).toEqual(['batch', 1, 8, 16]);
  });

  test('positions', () => {
    const { g, x } = start();
    const zero = g.scalar(0, 'int64');
    const one = g.scalar(1, 'int64');
    expect(g.op('Range', [zero, size(g, x, 1), one]).shape).toEqual(['n']);
    expect(g.op('Range', [one, size(g, x, 1), g.scalar(2, 'int64')]).shape).toEqual(['{floor((n) / (2))}']);
    expect(g.op('Range', [zero, g.scalar(7, 'int64'), g.scalar(3, 'int64')]).ints).toEqual([0, 3, 6]);
    expect(g.op('Range', [one, zero, one]).shape).toEqual([0]);
    expect(g.op('Range', [g.scalar(0), g.scalar(1), g.scalar(0.25)]).shape).toEqual([4]);
  });

  test('conversions, and back', () => {
    const { g, x } = start();
    const shape = g.op('Shape', [x], { start: 2 });
    expect(g.cast(g.cast(shape, 'int32'), 'int64').ints).toEqual([8, 16]);
    expect(g.cast(g.ints([0, 3]), 'bool').constant?.data).toEqual(Uint8Array.of(0, 1));
    const scaled = g.op('Floor', [g.mul(g.cast(shape, 'float32'), g.constant([1.5, 0.2]))]);
    expect(g.cast(scaled, 'int64').constant?.data).toEqual(BigInt64Array.of(12n, 3n));
    const doubled = g.mul(g.cast(g.op('Shape', [x], { start: 1, end: 3 }), 'float32'), 2);
    expect(g.cast(g.op('Floor', [doubled]), 'int64').ints).toEqual(['2*n', 16]);
    // a fraction of a name has none
    const half = g.op('Floor', [g.mul(g.cast(size(g, x, 1), 'float32'), 0.5)]);
    expect(g.cast(half, 'int64').ints).toBeUndefined();
    const rounded = g.op('Round', [g.div(g.constant([1, 3, 5, -3]), 2)]);
    expect(g.cast(rounded, 'int64').ints).toEqual([0, 2, 2, -2]);
  });

  test('whether a name is zero stays open', () => {
    const { g, x } = start();
    expect(g.cast(size(g, x, 1), 'bool').ints).toBeUndefined();
    expect(g.equal(size(g, x, 1), size(g, x, 0)).ints).toBeUndefined();
    expect(g.equal(size(g, x, 1), size(g, x, 1)).ints).toEqual([1]);
  });
});

describe('parameters are not taken for what they happen to be', () => {
  test('a number that training changes', () => {
    const g = new GraphBuilder();
    const scale = g.parameter('scale', tensor('float32', [1], [2]));
    const size = g.cast(g.mul(g.cast(g.ints([3]), 'float32'), scale), 'int64');
    expect(size.ints).toBeUndefined();
  });
});

describe('types are those of onnxruntime', () => {
  test('of constants of a shape', async () => {
    const shapes = await checkShapes({
      inputs: { x: counted(2, 3), sizes: int64([2, 2]) },
      dims: { x: ['n', 3] },
      build: (g, { x, sizes }) => [
        g.op('ConstantOfShape', [g.op('Shape', [x])]),
        g.op('ConstantOfShape', [sizes], { value: tensor('int32', [1], [7]) }),
        g.op('ConstantOfShape', [g.ints([])], { value: tensor('bool', [1], [1]) }),
        g.op('EyeLike', [x], { dtype: 'float64', k: 1 }),
        g.op('EyeLike', [x]),
      ],
    });
    expect(shapes).toEqual([['n', 3], [expect.any(String), expect.any(String)], [], ['n', 3], ['n', 3]]);
  });

  test('of positions', async () => {
    const shapes = await checkShapes({
      inputs: { x: counted(2, 3), limit: int64([5], []) },
      dims: { x: ['n', 3] },
      build: (g, { x, limit }) => [
        g.op('NonZero', [x]),
        g.op('NonZero', [g.ints([0, 2, 0, 3])]),
        g.op('ArgMax', [x], { axis: -1 }),
        g.op('ArgMin', [x], { axis: 0, keepdims: 0 }),
        g.op('Range', [g.scalar(0, 'int64'), limit, g.scalar(2, 'int64')]),
        g.op('Range', [g.scalar(2), g.scalar(0), g.scalar(-0.5)]),
        g.op('Range', [
          g.scalar(0, 'int64'),
          g.op('Squeeze', [g.op('Shape', [x], { end: 1 })]),
          g.scalar(1, 'int64'),
        ]),
        g.op('CastLike', [g.ints([1, 2]), x]),
      ],
    });
    expect(shapes.slice(1, 4)).toEqual([[1, 2], ['n', 1], [3]]);
    expect(shapes.slice(5)).toEqual([[4], ['n'], [2]]);
  });

  test('of a tensor of unknown rank', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', undefined);
    expect(g.op('Shape', [x]).shape).toHaveLength(1);
    expect(g.op('Size', [x]).shape).toEqual([]);
    expect(g.op('ArgMax', [x]).shape).toBeUndefined();
    expect(g.op('NonZero', [x]).shape).toHaveLength(2);
  });
});

describe('nothing is allocated by sizes in a file', () => {
  test.each([
    [
      'Range',
      (g: GraphBuilder) =>
        g.op(
          'Range',
          [0, 1e12, 1].map((i) => g.scalar(i, 'int64')),
        ).shape,
      [1e12],
    ],
    [
      'ConstantOfShape',
      (g: GraphBuilder) =>
        g.op('ConstantOfShape', [g.ints([1e6, 1e6])], { value: tensor('int64', [1], [1]) }).shape,
      [1e6, 1e6],
    ],
    [
      'ConstantOfShape of a long shape',
      (g: GraphBuilder) => g.op('ConstantOfShape', [g.input('s', 'int64', [1e9])]).shape,
      undefined,
    ],
  ] as const)('%s', (_, shapeOf, expected) => expect(shapeOf(new GraphBuilder())).toEqual(expected));
});

test('calls that make no sense are refused', () => {
  const calls: ((g: GraphBuilder, x: Value) => unknown)[] = [
    (g) => g.op('ConstantOfShape', [g.ints([2, -1])]),
    (g, x) => g.op('ArgMax', [x], { axis: 2 }),
    (g) => g.op('EyeLike', [g.ints([1, 2])]),
  ];
  for (const call of calls) {
    const g = new GraphBuilder();
    expect(() => call(g, g.input('x', 'float32', [2, 3]))).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
  }
  const g = new GraphBuilder();
  expect(() => g.op('Shape', [])).toThrowError(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
});

describe('gradients', () => {
  test('pass a Cast between floats', async () => {
    await checkGradients({
      inputs: { x: [3] },
      dtype: 'float64',
      tolerance: 1e-3,
      twice: false,
      build: (g, { x }) => {
        const y = g.cast(x as Value, 'float32');
        return g.cast(g.mul(y, g.constant([1, 2, 3])), 'float64');
      },
    });
  });

  test('end at integers, sizes and positions', () => {
    const ends: ((g: GraphBuilder, x: Value) => Value)[] = [
      (g, x) => g.cast(g.cast(x, 'int64'), 'float32'),
      (g, x) => g.cast(g.cast(x, 'bool'), 'float32'),
      (g, x) => g.cast(g.op('Shape', [x]), 'float32'),
      (g, x) => g.cast(g.op('ArgMax', [g.unsqueeze(x, [0])]), 'float32'),
      (g, x) => g.op('Range', [x, g.scalar(5), g.scalar(1)]),
      (g, x) => g.op('EyeLike', [g.unsqueeze(g.unsqueeze(x, [0]), [0])]),
    ];
    for (const end of ends) {
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', []);
      expect(backward(g, g.reduceSum(end(g, x)), [x])).toEqual([undefined]);
    }
  });
});

/** Arithmetic that exporters do on sizes, at random. */
type Step = readonly ['Add' | 'Sub' | 'Mul' | 'Div', number, number];
const steps = fc.array(
  fc.tuple(fc.constantFrom('Add', 'Sub', 'Mul', 'Div'), fc.nat(9), fc.nat(9)) as fc.Arbitrary<Step>,
  { minLength: 1, maxLength: 5 },
);

test('names are followed to what the graph computes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      steps,
      async (n, m, chain) => {
        let followed: readonly Dim[] | undefined;
        const build = (g: GraphBuilder, { x }: Readonly<Record<string, Value>>): Value => {
          const sizes = [0, 1].map((i) => g.op('Shape', [x], { start: i, end: i + 1 }));
          const known = [...sizes, g.ints([2]), g.ints([3])];
          for (const [op, i, j] of chain) {
            const divisor = op === 'Div' ? known[2 + (j % 2)] : known[j % known.length];
            // ONNX rounds towards zero, which names do only where nothing is negative
            if (op === 'Sub') known.push(g.op('Add', [known[i % known.length], divisor]));
            else known.push(g.op(op, [known[i % known.length], divisor]));
          }
          const last = known.at(-1) as Value;
          followed = last.ints;
          return g.op('ConstantOfShape', [g.op('Mod', [last, g.ints([7])])]);
        };
        const [shape] = await checkShapes({ inputs: { x: counted(n, m) }, dims: { x: ['n', 'm'] }, build });
        expect(shape).toHaveLength(1);
        const value = followed && evaluateDim(followed[0] as Dim, { n, m });
        // what is no polynomial has a name of its own
        if (value === undefined) expect(JSON.stringify(followed)).toMatch(/floor/);
        else await checkShapes({ inputs: { x: counted(n, m) }, build });
      },
    ),
    { numRuns: 25 },
  );
});
