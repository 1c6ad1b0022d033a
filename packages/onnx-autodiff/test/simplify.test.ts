import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, GraphBuilder, tensor, type Value } from '../src/index.ts';
import { checkGradients } from './checkGradients.ts';
import { type HostTensor, runModel } from './runtime.ts';

const start = () => {
  const g = new GraphBuilder();
  return { g, x: g.input('x', 'float32', ['n', 3]), y: g.input('y', 'float32', ['n', 3]) };
};
/** How a value is made: operators by name, inputs by theirs, constants by their numbers. */
function written({ name, node, constant }: Value): string {
  if (node) return `${node.op}(${node.inputs.map((input) => (input ? written(input) : '')).join(', ')})`;
  return constant ? `${Array.from(constant.data as Float32Array)}` : name;
}

describe('what changes nothing is left out', () => {
  const nothings: [string, (g: GraphBuilder, x: Value) => Value][] = [
    ['x * 1', (g, x) => g.mul(x, 1)],
    ['1 * x', (g, x) => g.mul(1, x)],
    ['x / 1', (g, x) => g.div(x, 1)],
    ['x + 0', (g, x) => g.add(x, 0)],
    ['0 + x', (g, x) => g.add(0, x)],
    ['x - 0', (g, x) => g.sub(x, 0)],
    ['x ^ 1', (g, x) => g.pow(x, 1)],
    ['-(-x)', (g, x) => g.neg(g.neg(x))],
    ['x * 2 / 2', (g, x) => g.div(g.mul(x, 2), 2)],
    ['x + zeros', (g, x) => g.add(x, g.zerosLike(x))],
    ['Identity', (g, x) => g.op('Identity', [x])],
    ['a sum of one', (g, x) => g.op('Sum', [x])],
    ['a Cast to the same type', (g, x) => g.cast(x, 'float32')],
    ['a permutation that moves nothing', (g, x) => g.transpose(x, [0, 1])],
    ['a permutation and its inverse', (g, x) => g.transpose(g.transpose(x, [1, 0]), [1, 0])],
    ['a Reshape to the same shape', (g, x) => g.reshape(x, [-1, 3])],
    ['a Reshape to its own shape', (g, x) => g.reshape(x, g.shapeOf(x))],
    ['a Reshape there and back', (g, x) => g.reshape(g.reshape(x, [3, -1]), g.shapeOf(x))],
    ['an Expand to the same shape', (g, x) => g.expand(x, g.shapeOf(x))],
    ['an Expand to less', (g, x) => g.expand(x, [1, 3])],
    ['a Tile of one', (g, x) => g.op('Tile', [x, g.ints([1, 1])])],
    ['a Concat of one', (g, x) => g.concat([x], 0)],
    ['a Pad by nothing', (g, x) => g.pad(x, [0, 0, 0, 0])],
    ['a Slice of everything', (g, x) => g.slice(x, [0, 0], [Number.MAX_SAFE_INTEGER, 3], [0, 1])],
    [
      'a Slice of everything, by name',
      (g, x) => g.op('Slice', [x, g.ints([0]), g.op('Shape', [x], { end: 1 })]),
    ],
    ['a sum over no axes', (g, x) => g.reduceSum(x, [])],
    ['an axis put in and taken out', (g, x) => g.squeeze(g.unsqueeze(x, [1]), [1])],
  ];
  test.each(nothings)('%s', (_, build) => {
    const { g, x } = start();
    expect(build(g, x)).toBe(x);
  });

  test('Not of Not', () => {
    const { g, x } = start();
    const positive = g.greater(x, 0);
    expect(g.not(g.not(positive))).toBe(positive);
  });
});

describe('what changes something stays', () => {
  const changes: [string, (g: GraphBuilder, x: Value) => Value][] = [
    ['a product that widens', (g, x) => g.mul(x, g.constant([1], [1, 1, 1]))],
    ['a parameter that is 1 by chance', (g, x) => g.mul(x, g.parameter('p', tensor('float32', [], [1])))],
    ['1 / x', (g, x) => g.div(1, x)],
    ['0 - x', (g, x) => g.sub(0, x)],
    ['1 ^ x', (g, x) => g.pow(1, x)],
    ['a Reshape that copies a size', (g, x) => g.reshape(g.reshape(x, [3, -1]), [0, -1])],
    [
      'a Reshape to what only the running graph knows',
      (g, x) => g.reshape(g.reshape(x, [-1]), g.input('shape', 'int64', [2])),
    ],
    [
      'a Slice up to another name',
      (g, x) => g.op('Slice', [x, g.ints([0]), g.op('Shape', [g.input('z', 'float32', ['m'])])]),
    ],
    ['a Slice backwards', (g, x) => g.slice(x, [0], [Number.MAX_SAFE_INTEGER], [1], [-1])],
    ['axes put in and others taken out', (g, x) => g.squeeze(g.unsqueeze(x, [0, 1]), [0])],
  ];
  test.each(changes)('%s', (_, build) => {
    const { g, x } = start();
    const y = build(g, x);
    expect(y).not.toBe(x);
    expect(y.node).toBeDefined();
  });

  test('a permutation of another number of axes is refused all the same', () => {
    const { g, x } = start();
    expect(() => g.transpose(x, [0])).toThrowError(expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }));
  });

  test('a copied size is copied from the shape that was written', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    g.output('y', g.reshape(g.reshape(x, [3, 2]), [0, -1]));
    const fed = { dtype: 'float32', shape: [2, 3], data: new Float32Array(6) } as const;
    expect((await runModel(buildModel(g), { x: fed }))['y']?.shape).toEqual([3, 2]);
  });
});

describe('fewer passes over memory', () => {
  const rewrites: [string, (g: GraphBuilder, x: Value, y: Value) => Value, string][] = [
    ['(x * 2) * 3', (g, x) => g.mul(g.mul(x, 2), 3), 'Mul(x, 6)'],
    ['2 * (x / 4)', (g, x) => g.mul(2, g.div(x, 4)), 'Mul(x, 0.5)'],
    ['(x * 3) / 2', (g, x) => g.div(g.mul(x, 3), 2), 'Mul(x, 1.5)'],
    ['-(x * 2)', (g, x) => g.neg(g.mul(x, 2)), 'Mul(x, -2)'],
    ['-x * -1', (g, x) => g.mul(g.neg(x), -1), 'x'],
    ['x + -y', (g, x, y) => g.add(x, g.neg(y)), 'Sub(x, y)'],
    ['-x + y', (g, x, y) => g.add(g.neg(x), y), 'Sub(y, x)'],
    ['x - -y', (g, x, y) => g.sub(x, g.neg(y)), 'Add(x, y)'],
    ['constants', (g, x) => g.mul(x, g.div(g.scalar(1), g.mul(g.scalar(2), 4))), 'Mul(x, 0.125)'],
    ['x * (a number repeated)', (g, x) => g.mul(x, g.expandLike(g.scalar(3), x)), 'Mul(x, 3)'],
    ['(a sum repeated) * x', (g, x, y) => g.mul(g.expandLike(g.reduceSum(y), x), x), 'Mul(ReduceSum(y), x)'],
    [
      'Where of a repeated number',
      (g, x) => g.where(g.greater(x, 0), x, g.expandLike(g.scalar(3), x)),
      'Where(Greater(x, 0), x, 3)',
    ],
    ['reshaping twice', (g, x) => g.reshape(g.unsqueeze(x, [0]), [-1]), 'Reshape(x, -1)'],
    [
      'permuting twice',
      (g, x) => g.transpose(g.transpose(g.unsqueeze(x, [0]), [2, 0, 1]), [1, 0, 2]),
      'Transpose(Unsqueeze(x, 0))',
    ],
  ];
  test.each(rewrites)('%s', (_, build, expected) => {
    const { g, x, y } = start();
    expect(written(build(g, x, y)).replace(/\bn\b/g, '0')).toBe(expected);
  });

  test('a repeated operand stays where nothing else is as wide', () => {
    const { g, x, y } = start();
    const row = g.reduceSum(y, [0], true);
    expect(written(g.mul(g.expandLike(row, x), g.scalar(2)))).toMatch(/^Mul\(Expand/);
  });

  test('factors that might overflow together stay apart', () => {
    const { g, x } = start();
    expect(written(g.mul(g.mul(x, 1e30), 1e30))).toMatch(/^Mul\(Mul/);
  });

  test('the gradient of a mean is not spread out before it is used', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [4, 3]);
    const [dx] = backward(g, g.reduceMean(g.mul(x, x)), [x]);
    const operators = buildModel(g, { outputs: new Map([['dx', dx as Value]]) }).nodes.map(({ op }) => op);
    expect(operators).not.toContain('Expand');
  });
});

describe('parts that lie side by side', () => {
  const padded = (g: GraphBuilder, part: Value, before: number, after: number) =>
    g.pad(part, [0, before, 0, after]);

  test('are joined instead of added', () => {
    const g = new GraphBuilder();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => g.input(name, 'float32', ['n', 2])) as [
      Value,
      Value,
      Value,
    ];
    const terms = [padded(g, b, 2, 2), padded(g, c, 4, 0), padded(g, a, 0, 4)];
    expect(written(g.sum(terms))).toBe('Concat(a, b, c)');
    expect(written(g.add(terms[0] as Value, terms[1] as Value))).toBe('Pad(Concat(b, c), 0,2,0,0)');
  });

  test('are added where there is something between, or both', () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => g.input(name, 'float32', ['n', 2])) as [Value, Value];
    expect(written(g.add(padded(g, a, 0, 3), padded(g, b, 3, 0)))).toMatch(/^Add/);
    expect(written(g.add(padded(g, a, 0, 1), padded(g, b, 1, 0)))).toMatch(/^Add/);
    expect(written(g.add(g.pad(a, [0, 0, 0, 2], 'edge'), padded(g, b, 2, 0)))).toMatch(/^Add/);
  });

  test('are joined among others', () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => g.input(name, 'float32', ['n', 2])) as [Value, Value];
    const x = g.input('x', 'float32', ['n', 4]);
    expect(written(g.sum([padded(g, a, 0, 2), x, padded(g, b, 2, 0)]))).toBe('Add(x, Concat(a, b))');
  });

  test('count as often as they stand there', () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => g.input(name, 'float32', ['n', 2])) as [Value, Value];
    const [left, right] = [padded(g, a, 0, 2), padded(g, b, 2, 0)];
    expect(written(g.sum([left, left, right]))).toBe('Add(Pad(a, 0,0,0,2), Concat(a, b))');
  });

  test('may be empty', () => {
    const g = new GraphBuilder();
    const [a, b] = [0, 2].map((size) => g.input(`x${size}`, 'float32', ['n', size])) as [Value, Value];
    expect(written(g.add(padded(g, a, 0, 2), b))).toBe('Add(Pad(x0, 0,0,0,2), x2)');
    expect(written(g.add(padded(g, a, 1, 1), padded(g, a, 1, 1)))).toMatch(/^Add/);
  });

  test('are found among very many', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1000, 2]);
    const steps = Array.from({ length: 1000 }, (_, i) => g.gather(x, g.scalar(i, 'int64')));
    const [dx] = backward(g, g.reduceSum(g.mul(g.sum(steps), g.sum(steps.slice(0, 2)))), [x]);
    expect(dx?.node?.op).toBe('Concat');
    expect(dx?.node?.inputs).toHaveLength(1000);
  });

  test('give the same gradients', async () => {
    await checkGradients({
      inputs: { x: [2, 6] },
      dims: { x: ['n', 6] },
      build: (g, { x }) => {
        const [a, b, c] = [0, 2, 4].map((at) => g.slice(x as Value, [at], [at + 2], [1])) as [
          Value,
          Value,
          Value,
        ];
        return g.add(g.mul(g.mul(a, b), c), g.mul(a, a));
      },
    });
  });
});

/** A random expression of x, y, constants and repetition. */
type Build = (g: GraphBuilder, x: Value, y: Value) => Value;
const { expression } = fc.letrec<{ expression: Build }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Build>(
      (_g, x) => x,
      (_g, _x, y) => y,
      (g, x) => g.expandLike(g.scalar(2), x),
      (g, x) => g.zerosLike(x),
    ),
    fc.tuple(fc.constantFrom('Add', 'Sub', 'Mul'), tie('expression'), tie('expression')).map(
      ([op, a, b]): Build =>
        (g, x, y) =>
          g.op(op, [a(g, x, y), b(g, x, y)]),
    ),
    fc.tuple(fc.constantFrom('Mul', 'Div', 'Add'), fc.constantFrom(1, -1, 0.5, 4), tie('expression')).map(
      ([op, factor, a]): Build =>
        (g, x, y) =>
          g.op(op, [a(g, x, y), g.scalar(factor)]),
    ),
    tie('expression').map(
      (a): Build =>
        (g, x, y) =>
          g.neg(a(g, x, y)),
    ),
    tie('expression').map(
      (a): Build =>
        (g, x, y) =>
          g.transpose(g.transpose(a(g, x, y), [1, 0]), [1, 0]),
    ),
    tie('expression').map(
      (a): Build =>
        (g, x, y) => {
          const whole = a(g, x, y);
          const [left, right] = [0, 1].map((at) => g.slice(whole, [at], [at + 1], [1])) as [Value, Value];
          return g.add(g.pad(left, [0, 0, 0, 1]), g.pad(right, [0, 1, 0, 0]));
        },
    ),
  ),
}));

/** A builder whose every result passes through something that no simplification looks behind. */
class Literal extends GraphBuilder {
  override op(...call: Parameters<GraphBuilder['op']>): Value {
    const result = super.op(...call);
    return result.dtype === 'float32' ? super.op('Max', [result, this.scalar(-1e30)]) : result;
  }
}

test('a simplified expression has the value of the one that was written', async () => {
  const matrix = (...numbers: number[]): HostTensor => ({
    dtype: 'float32',
    shape: [2, 2],
    data: Float32Array.from(numbers),
  });
  const fed = { x: matrix(0.5, -2, 3, 0.25), y: matrix(1.5, 4, -0.75, 2) };
  const evaluate = async (g: GraphBuilder, build: Build) => {
    const [x, y] = ['x', 'y'].map((name) => g.input(name, 'float32', [2, 2])) as [Value, Value];
    g.output('z', build(g, x, y));
    return Array.from((await runModel(buildModel(g), fed))['z']?.data as Float32Array);
  };
  await fc.assert(
    fc.asyncProperty(expression, async (build) => {
      const simple = await evaluate(new GraphBuilder(), build);
      const literal = await evaluate(new Literal(), build);
      const scale = Math.max(1, ...literal.map(Math.abs));
      const errors = simple.map((value, i) => Math.abs(value - (literal[i] as number)) / scale);
      expect(Math.max(...errors)).toBeLessThan(1e-5);
    }),
    { numRuns: 100 },
  );
});
