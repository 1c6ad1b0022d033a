/** Whole models: their gradients, their second derivatives, what the graphs look like, what they need. */

import { describe, expect, test } from 'vitest';
import {
  backward,
  buildModel,
  crossEntropy,
  GraphBuilder,
  gradients,
  hessianVectorProduct,
  type Model,
  meanSquaredError,
  memoryOf,
  type OperatorTable,
  type Tensor,
  tensor,
  type Value,
} from '../src/index.ts';
import { openRandom } from './checkGradients.ts';
import { runModel, type Tensors } from './runtime.ts';

const random = openRandom(5);
const draw = (length: number): number[] => Array.from({ length }, () => 2 * random() - 1);

/** x [batch, 3] -> tanh -> [batch, 2]. */
function small(): Model {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 3]);
  const w = g.parameter('w', tensor('float32', [4, 3], draw(12)));
  const b = g.parameter('b', tensor('float32', [4], draw(4)));
  const v = g.parameter('v', tensor('float32', [2, 4], draw(8)));
  g.output('logits', g.gemm(g.tanh(g.gemm(x, w, b, { transB: 1 })), v, undefined, { transB: 1 }));
  return buildModel(g);
}

const feeds: Tensors = {
  x: { dtype: 'float32', shape: [5, 3], data: Float32Array.from(draw(15)) },
  labels: { dtype: 'int64', shape: [5], data: BigInt64Array.from([0n, 1n, 1n, 0n, 1n]) },
};

const code = (expected: string) => expect.objectContaining({ name: 'VRAdamError', code: expected });

test('gradients come out under the names of what they are by', async () => {
  const { model, loss, gradients: names, independent } = gradients(small(), { loss: crossEntropy() });
  expect([...names]).toEqual([
    ['w', 'w.gradient'],
    ['b', 'b.gradient'],
    ['v', 'v.gradient'],
  ]);
  expect(independent).toEqual([]);
  const results = await runModel(model, feeds);
  expect(Number(results[loss]?.data[0])).toBeGreaterThan(0);
  expect(results['w.gradient']?.shape).toEqual([4, 3]);
});

describe('an operator of the user', () => {
  const add = (inputs?: number | 'all') => {
    const infer = () => [{ dtype: 'float32', shape: [2] } as const];
    const operators: OperatorTable = {
      'mine.Join': { infer, gradient: 'zero', ...(inputs === undefined ? {} : { inputs }) },
    };
    const g = new GraphBuilder({ operators });
    const x = g.input('x', 'float32', [2]);
    return (...given: readonly (Value | undefined)[]) =>
      g.node('Join', [x, ...given], {}, { domain: 'mine' });
  };

  test('has the inputs that it says it needs', () => {
    expect(() => add(2)()).toThrowError(code('ERR_MODEL_INVALID'));
    expect(() => add('all')(undefined)).toThrowError(code('ERR_MODEL_INVALID'));
    expect(add('all')()).toHaveLength(1);
  });

  test('needs none if it says nothing', () => {
    expect(add()(undefined)).toHaveLength(1);
  });
});

test('what the loss does not depend on is said to be independent', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2]);
  const w = g.parameter('w', tensor('float32', [2], [1, 2]));
  const idle = g.parameter('idle', tensor('float32', [2], [3, 4]));
  g.output('y', g.mul(x, w));
  g.output('z', g.mul(x, idle));
  const result = gradients(buildModel(g), { loss: meanSquaredError({ output: 'y' }) });
  expect(result.independent).toEqual(['idle']);
  expect([...result.gradients.keys()]).toEqual(['w']);
});

test('a loss of many elements is refused, whoever made it', () => {
  expect(() => gradients(small(), { loss: 'logits' })).toThrow(code('ERR_SHAPE_MISMATCH'));
  const many = (_: GraphBuilder, values: ReadonlyMap<string, Value>): Value => values.get('logits') as Value;
  expect(() => gradients(small(), { loss: many })).toThrow(code('ERR_SHAPE_MISMATCH'));
  expect(() => gradients(small(), { loss: 'nothing' })).toThrow(code('ERR_PARAMETER_UNKNOWN'));
});

test('gradients by inputs work too', async () => {
  const { model, gradients: names } = gradients(small(), { loss: crossEntropy(), wrt: ['x'] });
  const results = await runModel(model, feeds);
  expect(results[names.get('x') as string]?.shape).toEqual([5, 3]);
});

describe('the Hessian times a vector', () => {
  test('is the derivative of the gradient along it', async () => {
    const base = small();
    const { model, vectors, products } = hessianVectorProduct(base, { loss: crossEntropy() });
    const along = new Map(
      [...vectors.keys()].map((name) => [
        name,
        Float32Array.from(draw(base.initializers.get(name)?.data.length ?? 0)),
      ]),
    );
    const given = Object.fromEntries(
      [...vectors].map(([name, input]) => {
        const { dtype, shape } = base.initializers.get(name) as Tensor;
        return [input, { dtype, shape, data: along.get(name) as Float32Array }];
      }),
    );
    const exact = await runModel(model, { ...feeds, ...given });
    const h = 1e-2;
    const gradientAt = async (side: number) => {
      const initializers = [...base.initializers].map(([name, t]) => {
        const moved = (t.data as Float32Array).map((x, i) => x + side * h * (along.get(name)?.[i] ?? 0));
        return [name, { ...t, data: moved }] as const;
      });
      const moved = { ...base, initializers: new Map(initializers) };
      return runModel(gradients(moved, { loss: crossEntropy() }).model, feeds);
    };
    const [high, low] = [await gradientAt(1), await gradientAt(-1)];
    for (const [name, output] of products) {
      const product = exact[output]?.data as Float32Array;
      const differences = [...product].map(
        (_, i) =>
          (Number(high[`${name}.gradient`]?.data[i]) - Number(low[`${name}.gradient`]?.data[i])) / (2 * h),
      );
      const scale = Math.max(...differences.map(Math.abs));
      const worst = Math.max(
        ...differences.map((difference, i) => Math.abs(difference - (product[i] as number)) / scale),
      );
      expect(worst, name).toBeLessThan(5e-3);
    }
  });

  test('of a quadratic is its matrix, and its matrix is symmetric', async () => {
    const g = new GraphBuilder();
    const a = [2, 1, 0, 1, 3, -1, 0, -1, 4];
    const x = g.parameter('x', tensor('float32', [3], [0.3, -0.2, 0.9]));
    const ax = g.matMul(g.constant(a, [3, 3]), x);
    g.output('y', g.mul(g.reduceSum(g.mul(x, ax)), 0.5));
    const { model, vectors, products } = hessianVectorProduct(buildModel(g), { loss: 'y', wrt: ['x'] });
    for (let column = 0; column < 3; column++) {
      const unit = Float32Array.from([0, 1, 2], (i) => Number(i === column));
      const results = await runModel(model, {
        [vectors.get('x') as string]: { dtype: 'float32', shape: [3], data: unit },
      });
      const product = results[products.get('x') as string]?.data as Float32Array;
      expect([...product]).toEqual([0, 1, 2].map((row) => a[3 * row + column]));
    }
  });

  test('of a linear loss has no part anywhere', () => {
    const g = new GraphBuilder();
    g.output('y', g.reduceSum(g.parameter('w', tensor('float32', [2], [1, 2]))));
    expect(hessianVectorProduct(buildModel(g), { loss: 'y' }).products.size).toBe(0);
  });

  test('by something that the loss does not depend on is refused', () => {
    const g = new GraphBuilder();
    g.parameter('w', tensor('float32', [2], [1, 2]));
    g.output('y', g.reduceSum(g.input('x', 'float32', [2])));
    const model = { ...buildModel(g), initializers: new Map([['w', tensor('float32', [2], [1, 2])]]) };
    expect(() => hessianVectorProduct(model, { loss: 'y' })).toThrow(code('ERR_SHAPE_MISMATCH'));
  });
});

describe('an operator without a rule', () => {
  const model = (): Model => {
    const g = new GraphBuilder();
    const x = g.parameter('x', tensor('float32', [2], [1, 2]));
    const [odd] = g.node(
      'Odd',
      [g.exp(x)],
      {},
      { domain: 'mine', declared: [{ dtype: 'float32', shape: [2] }] },
    );
    g.output('y', g.reduceSum(g.tanh(odd as Value)));
    return { ...buildModel(g), otherOpsets: { mine: 1 } };
  };

  test('is named, with the path from the loss to it', () => {
    expect(() => gradients(model(), { loss: 'y' })).toThrow(
      /mine\.Odd\(.*loss <- ReduceSum\(.*\) <- Tanh\(.*\) <- mine\.Odd/,
    );
    expect(() => gradients(model(), { loss: 'y' })).toThrow(code('ERR_OPERATOR_UNSUPPORTED'));
  });

  test('gets one from the user', () => {
    const operators: OperatorTable = {
      'mine.Odd': {
        infer: ({ inputs: [x] }) => [{ dtype: x?.dtype, shape: x?.shape }],
        gradient: ({ g, dy }) => [g.mul(dy, 3)],
      },
    };
    const result = gradients(model(), { loss: 'y', operators });
    expect([...result.gradients.keys()]).toEqual(['x']);
    expect(result.model.otherOpsets).toEqual({ mine: 1 });
  });
});

describe('a gradient graph', () => {
  /** Nodes by what they compute. */
  const keys = ({ nodes }: Model) =>
    nodes.map(({ op, inputs, attributes }) => `${op}(${inputs})${JSON.stringify(attributes)}`);

  test('has no node twice, and none that nothing needs', () => {
    const { model } = gradients(small(), { loss: crossEntropy() });
    expect(new Set(keys(model)).size).toBe(model.nodes.length);
    const used = new Set([
      ...model.nodes.flatMap(({ inputs }) => inputs),
      ...model.outputs.map(({ name }) => name),
    ]);
    for (const { outputs } of model.nodes) expect(outputs.some((name) => used.has(name))).toBe(true);
  });

  test('uses what the forward pass has made: one Tanh, two products forward', () => {
    const { model } = gradients(small(), { loss: crossEntropy() });
    const count = (op: string) => model.nodes.filter((node) => node.op === op).length;
    expect(count('Tanh')).toBe(1);
    // forward 2, by v 1, by h 1, by w 1
    expect(count('Gemm')).toBe(5);
  });

  test('holds standard operators only', () => {
    const { model } = gradients(small(), { loss: crossEntropy() });
    expect(new Set(model.nodes.map(({ domain }) => domain))).toEqual(new Set(['']));
    expect(model.opset).toBeGreaterThanOrEqual(18);
  });
});

describe('memory', () => {
  test('counts values from when they are made to when they were last used', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 256]);
    const a = g.exp(x); // held until b
    const b = g.tanh(a); // held until c
    const c = g.sigmoid(b);
    g.output('y', c);
    const bytes = 10 * 256 * 4;
    expect(memoryOf(g, { batch: 10 })).toEqual({
      peakBytes: 2 * bytes,
      peakNode: b.name,
      constantBytes: 0,
      unknown: [],
    });
    // the gradient of exp needs exp to the end
    const [dx] = backward(g, g.reduceSum(c), [x]);
    expect(memoryOf(g, { batch: 10 }, [dx as Value]).peakBytes).toBeGreaterThanOrEqual(4 * bytes);
  });

  test('names what it cannot know', () => {
    const g = new GraphBuilder();
    g.output('y', g.exp(g.input('x', 'float32', ['n'])));
    expect(memoryOf(g).unknown).toHaveLength(1);
  });
});
