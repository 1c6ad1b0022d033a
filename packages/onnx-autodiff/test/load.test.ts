/** From files to graphs: names are linked, functions unfolded, older operators upgraded, nonsense refused. */

import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type GraphProtoSchema, AttributeProto_AttributeType as Kind, ModelProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import {
  type Attributes,
  buildModel,
  decodeModel,
  encodeModel,
  type FunctionSpec,
  gradients,
  loadGraph,
  type Model,
  meanSquaredError,
  type NodeSpec,
  type Tensor,
  tensor,
} from '../src/index.ts';
import { type HostTensor, runModel } from './runtime.ts';

const node = (
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Attributes = {},
  domain = '',
): NodeSpec => ({ op, domain, name: '', inputs, outputs, attributes });

/** A model over x [2, 4]. */
const model = (nodes: readonly NodeSpec[], rest: Partial<Model> = {}): Model => ({
  name: 'test',
  irVersion: 8,
  opset: 18,
  otherOpsets: {},
  producer: '',
  doc: '',
  metadata: {},
  inputs: [{ name: 'x', dtype: 'float32', shape: [2, 4] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: undefined }],
  initializers: new Map(),
  nodes,
  values: [],
  functions: [],
  ...rest,
});

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${error}`;
  }
  return undefined;
}
const invalid = (candidate: Model): void =>
  expect(codeOf(() => loadGraph(candidate))).toBe('ERR_MODEL_INVALID');

const x: HostTensor = { dtype: 'float32', shape: [2, 4], data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
const resultOf = async (loaded: Model): Promise<number[]> => {
  const { y } = await runModel(buildModel(loadGraph(loaded).g), { x });
  return Array.from(y?.data as Float32Array);
};

describe('a graph', () => {
  test('may have its nodes in any order', async () => {
    const nodes = [node('Neg', ['b'], ['y']), node('Abs', ['a'], ['b']), node('Neg', ['x'], ['a'])];
    expect(await resultOf(model(nodes))).toEqual([-1, -2, -3, -4, -5, -6, -7, -8]);
  });

  test('may be deep', () => {
    const depth = 20_000;
    const nodes = Array.from({ length: depth }, (_, i) =>
      node('Tanh', [i === 0 ? 'x' : `h${i}`], [i === depth - 1 ? 'y' : `h${i + 1}`]),
    );
    for (const order of [nodes, nodes.toReversed()]) {
      const { g } = loadGraph(model(order));
      expect(g.nodes).toHaveLength(depth);
    }
  });

  test('must have no cycle', () => {
    invalid(model([node('Add', ['x', 'y'], ['y'])]));
    invalid(model([node('Add', ['x', 'b'], ['a']), node('Neg', ['a'], ['b']), node('Neg', ['b'], ['y'])]));
  });

  test('must have what its nodes and outputs need', () => {
    invalid(model([node('Add', ['x', 'w'], ['y'])]));
    invalid(model([node('Neg', ['x'], ['z'])]));
    invalid(model([]));
    for (const name of ['__proto__', 'constructor', 'toString']) invalid(model([node('Neg', [name], ['y'])]));
  });

  test('must make every value once', () => {
    invalid(model([node('Neg', ['x'], ['y']), node('Abs', ['x'], ['y'])]));
    invalid(model([node('Split', ['x'], ['y', 'y'])]));
    invalid(model([node('Neg', ['x'], ['x'])]));
    const { inputs } = model([]);
    invalid(model([node('Neg', ['x'], ['y'])], { inputs: [...inputs, ...inputs] }));
    const initializers = new Map([['x', tensor('float32', [1], [1])]]);
    invalid(model([node('Neg', ['x'], ['y'])], { initializers }));
    const { outputs } = model([]);
    invalid(model([node('Neg', ['x'], ['y'])], { outputs: [...outputs, ...outputs] }));
  });

  test('must give its inputs a type', () => {
    const inputs = [{ name: 'x', dtype: undefined, shape: undefined }];
    invalid(model([node('Neg', ['x'], ['y'])], { inputs }));
  });

  test('must ask no operator for more outputs than it has', () => {
    invalid(model([node('Identity', ['x'], ['y', 'z'])]));
    const value = { value: { type: 'tensor', value: tensor('float32', [1], [1]) } } as const;
    invalid(model([node('Constant', [], ['y', 'z'], value)]));
  });

  test('must leave out no input that an operator needs', () => {
    invalid(model([node('MatMul', ['x'], ['y'])]));
    invalid(model([node('Neg', [''], ['y'])]));
    invalid(model([node('Reshape', ['x', ''], ['y'])]));
  });

  test('must have shapes that fit', () => {
    const misfit = (candidate: Model) =>
      expect(codeOf(() => loadGraph(candidate))).toBe('ERR_SHAPE_MISMATCH');
    const vector = (...sizes: number[]): [string, Tensor] => ['v', tensor('int64', [sizes.length], sizes)];
    const initializers = (...sizes: number[]) => ({ initializers: new Map([vector(...sizes)]) });
    misfit(model([node('Reshape', ['x', 'v'], ['y'])], initializers(3, 3)));
    misfit(model([node('Reshape', ['x', 'v'], ['y'])], initializers(-1, -1)));
    misfit(model([node('Expand', ['x', 'v'], ['y'])], initializers(3, 3)));
    misfit(model([node('MatMul', ['x', 'x'], ['y'])]));
    misfit(model([node('Transpose', ['x'], ['y'], { perm: { type: 'ints', value: [0, 0] } })]));
  });

  test('may speak of huge sizes: nothing is allocated by them', () => {
    const huge = tensor('int64', [2], [2 ** 40, 2 ** 40]);
    const filled = model(
      [
        node('ConstantOfShape', ['v'], ['f'], {
          value: { type: 'tensor', value: tensor('int64', [1], [1]) },
        }),
        node('Expand', ['one', 'v'], ['e']),
        node('Range', ['zero', 'many', 'step'], ['r']),
        node('Tile', ['x', 'v'], ['y']),
      ],
      {
        initializers: new Map([
          ['v', huge],
          ['one', tensor('int64', [1], [1])],
          ['zero', tensor('int64', [], [0])],
          ['many', tensor('int64', [], [2 ** 50])],
          ['step', tensor('int64', [], [1])],
        ]),
      },
    );
    const { values } = loadGraph(filled);
    expect(values.get('f')?.shape).toEqual([2 ** 40, 2 ** 40]);
    expect(values.get('r')?.shape).toEqual([2 ** 50]);
    expect(values.get('y')?.shape).toEqual([2 ** 41, 2 ** 42]);
  });

  test('cannot have more axes than a tensor ever has', () => {
    const initializers = new Map([['v', tensor('int64', [1000], new Array(1000).fill(1))]]);
    const wide = model([node('Expand', ['x', 'v'], ['y'])], { initializers });
    expect(codeOf(() => loadGraph(wide))).toBe('ERR_LIMIT');
  });

  test('cannot make a size whose expression grows without end', () => {
    const inputs = [{ name: 'x', dtype: 'float32' as const, shape: ['n', 'm'] }];
    const squares = Array.from({ length: 60 }, (_, i) => node('Mul', [`s${i}`, `s${i}`], [`s${i + 1}`]));
    const sums = Array.from({ length: 60 }, (_, i) => node('Add', [`t${i}`, `s${i}`], [`t${i + 1}`]));
    const nodes = [
      node('Shape', ['x'], ['s0']),
      node('Shape', ['x'], ['t0']),
      ...squares,
      ...sums,
      node('Expand', ['x', 't60'], ['y']),
    ];
    const { values } = loadGraph(model(nodes, { inputs }));
    for (const dim of values.get('y')?.shape ?? []) expect(String(dim).length).toBeLessThan(2100);
  });

  test('may use a name as often as it likes', () => {
    const many = 30_000;
    const nodes = Array.from({ length: many }, (_, i) =>
      node('Constant', [], [`c${i}`], { value_float: { type: 'float', value: i } }),
    );
    const begin = performance.now();
    loadGraph(model([...nodes, node('Neg', ['x'], ['y'])]));
    expect(performance.now() - begin).toBeLessThan(5000);
  });
});

describe('operator sets', () => {
  test.each([1, 9, 12, 25, 0, -1, 2 ** 53])('%d is not read', (opset) => {
    invalid(model([node('Neg', ['x'], ['y'])], { opset }));
  });

  /** y = sum (mean of the left half of a row) (sum of its right half), as each operator set writes it. */
  function written(opset: number): Model {
    const axes: Tensor = tensor('int64', [1], [1]);
    const flat: Attributes = { keepdims: { type: 'int', value: 0 } };
    const mean =
      opset < 18
        ? node('ReduceMean', ['a'], ['m'], { ...flat, axes: { type: 'ints', value: [1] } })
        : node('ReduceMean', ['a', 'axes'], ['m'], flat);
    const halves: Attributes = opset < 18 ? {} : { num_outputs: { type: 'int', value: 2 } };
    return model(
      [
        node('Split', ['x'], ['a', 'b'], { ...halves, axis: { type: 'int', value: 1 } }),
        mean,
        node('ReduceSum', ['b', 'axes'], ['s'], flat),
        node('Mul', ['m', 's'], ['p']),
        node('ReduceSum', ['p'], ['y'], flat),
      ],
      { opset, initializers: new Map([['axes', axes]]) },
    );
  }

  test.each([13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24])('%i is read, and runs', async (opset) => {
    const { model: made, gradients: names } = gradients(written(opset), { loss: 'y', wrt: ['x'] });
    expect(made.opset).toBe(Math.max(18, opset));
    const results = await runModel(made, { x });
    expect(results['y' in results ? 'y' : 'loss']?.data[0]).toBe(1.5 * 7 + 5.5 * 15);
    expect(Array.from(results[names.get('x') as string]?.data as Float32Array)).toEqual([
      ...[3.5, 3.5, 1.5, 1.5],
      ...[7.5, 7.5, 5.5, 5.5],
    ]);
  });
});

describe('functions of the model', () => {
  const f = (name: string, nodes: readonly NodeSpec[], rest: Partial<FunctionSpec> = {}): FunctionSpec => ({
    name,
    domain: 'my',
    inputs: ['a'],
    outputs: ['b'],
    attributes: {},
    nodes,
    ...rest,
  });
  const call = (op: string, inputs: string[], outputs: string[], attributes: Attributes = {}): NodeSpec =>
    node(op, inputs, outputs, attributes, 'my');

  test('are put where they are called, one inside the other', async () => {
    const functions = [
      f('Twice', [node('Add', ['a', 'a'], ['b'])]),
      // its inner names are those of the caller, too
      f('Fourfold', [call('Twice', ['a'], ['y']), call('Twice', ['y'], ['b'])]),
    ];
    const nodes = [call('Fourfold', ['x'], ['a']), call('Twice', ['a'], ['y'])];
    expect(await resultOf(model(nodes, { functions }))).toEqual([8, 16, 24, 32, 40, 48, 56, 64]);
  });

  test('take attributes, and have defaults for them', async () => {
    const functions = [
      f('Softer', [node('LeakyRelu', ['a'], ['b'], { alpha: { type: 'reference', value: 'slope' } })], {
        attributes: { slope: { type: 'float', value: 0.5 } },
      }),
    ];
    const slope = { slope: { type: 'float', value: 0.25 } } as const;
    const negative = node('Neg', ['x'], ['n']);
    expect((await resultOf(model([negative, call('Softer', ['n'], ['y'], slope)], { functions })))[0]).toBe(
      -0.25,
    );
    expect((await resultOf(model([negative, call('Softer', ['n'], ['y'])], { functions })))[0]).toBe(-0.5);
  });

  test('may give out what they get', async () => {
    const functions = [f('Same', [], { outputs: ['a'] })];
    expect((await resultOf(model([call('Same', ['x'], ['y'])], { functions })))[0]).toBe(1);
  });

  test('may leave out inputs and outputs', async () => {
    const functions = [
      f('Clipped', [node('Clip', ['a', 'low', 'high'], ['b']), node('Neg', ['a'], ['c'])], {
        inputs: ['a', 'low', 'high'],
        outputs: ['b', 'c'],
      }),
    ];
    expect((await resultOf(model([call('Clipped', ['x'], ['y'])], { functions })))[7]).toBe(8);
    expect((await resultOf(model([call('Clipped', ['x'], ['', 'y'])], { functions })))[7]).toBe(-8);
  });

  test('must not call themselves', () => {
    invalid(model([call('F', ['x'], ['y'])], { functions: [f('F', [call('F', ['a'], ['b'])])] }));
    const pair = [f('F', [call('G', ['a'], ['b'])]), f('G', [call('F', ['a'], ['b'])])];
    invalid(model([call('F', ['x'], ['y'])], { functions: pair }));
  });

  test('must not unfold without end', () => {
    const doubling = (leaf: readonly NodeSpec[]) =>
      Array.from({ length: 40 }, (_, i) =>
        f(`F${i}`, i === 39 ? leaf : [call(`F${i + 1}`, ['a'], ['c']), call(`F${i + 1}`, ['c'], ['b'])]),
      );
    for (const leaf of [[node('Neg', ['a'], ['b'])], []]) {
      const bomb = model([call('F0', ['x'], ['y'])], { functions: doubling(leaf) });
      expect(codeOf(() => loadGraph(bomb))).toBe('ERR_LIMIT');
    }
    const chain = Array.from({ length: 20_000 }, (_, i) => f(`F${i}`, [call(`F${i + 1}`, ['a'], ['b'])]));
    const deep = model([call('F0', ['x'], ['y'])], { functions: chain });
    expect(codeOf(() => loadGraph(deep))).toBe('ERR_LIMIT');
  });
});

test('subgraphs, sparse tensors and types are refused by the name of their attribute', () => {
  const attributes = [
    { name: 'then_branch', type: Kind.GRAPH, g: {} },
    { name: 'bodies', type: Kind.GRAPHS, graphs: [{}] },
    { name: 'sparse_value', type: Kind.SPARSE_TENSOR },
    { name: 'type', type: Kind.TYPE_PROTO },
    { name: 'value', type: Kind.TENSOR },
    { name: 'unset' },
  ];
  for (const attribute of attributes) {
    const graph: MessageInitShape<typeof GraphProtoSchema> = {
      node: [{ opType: 'If', name: 'choice', input: [], output: ['y'], attribute: [attribute] }],
      output: [{ name: 'y' }],
    };
    const opsetImport = [{ domain: '', version: 18n }];
    const bytes = toBinary(ModelProtoSchema, create(ModelProtoSchema, { opsetImport, graph }));
    const decoded = decodeModel(bytes);
    expect(() => loadGraph(decoded)).toThrow(
      expect.objectContaining({
        code: 'ERR_OPERATOR_UNSUPPORTED',
        message: expect.stringMatching(`If "choice" with "${attribute.name}"`),
      }),
    );
  }
});

describe('operators that nobody knows', () => {
  const nodes = [node('Mystery', ['x'], ['m'], {}, 'other'), node('Add', ['m', 'x'], ['y'])];
  const outputs = [{ name: 'y', dtype: 'float32' as const, shape: [2, 4] }];

  test('may be in a model that is only loaded', () => {
    const { g, values } = loadGraph(model(nodes, { otherOpsets: { other: 5 } }));
    expect(values.get('m')).toMatchObject({ dtype: undefined, shape: undefined });
    const written = decodeModel(
      encodeModel(buildModel(g, { like: model([], { otherOpsets: { other: 5 } }) })),
    );
    expect(written.otherOpsets).toEqual({ other: 5 });
    expect(written.nodes.map(({ op }) => op)).toEqual(['Mystery', 'Add']);
  });

  test('are named if the loss depends on them, with the way to them', () => {
    const differentiate = () =>
      gradients(model(nodes, { outputs }), { loss: meanSquaredError(), wrt: ['x'] });
    expect(differentiate).toThrow(/other\.Mystery\(m\).*loss <- .*Add\(y\) <- other\.Mystery\(m\)/s);
    expect(codeOf(differentiate)).toBe('ERR_OPERATOR_UNSUPPORTED');
  });

  test.each(['ReduceMean', 'ReduceSum', 'Cast', 'Reshape', 'Clip', 'Where'])(
    'are named behind %s, too, although nothing is known of what they give',
    (op) => {
      const inputs = { Reshape: ['m', 'v'], Where: ['mask', 'm', 'x'] }[op] ?? ['m'];
      const to: Attributes = op === 'Cast' ? { to: { type: 'string', value: 'float32' } } : {};
      const initializers = new Map([
        ['v', tensor('int64', [1], [-1])],
        ['mask', tensor('bool', [1], [1])],
      ]);
      const behind = model([nodes[0] as NodeSpec, node(op, inputs, ['y'], to)], { initializers, outputs });
      const differentiate = () => gradients(behind, { loss: meanSquaredError(), wrt: ['x'] });
      expect(differentiate).toThrow(/other\.Mystery\(m\)/);
    },
  );
});
