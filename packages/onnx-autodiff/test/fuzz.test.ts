/** Damaged files: whatever they become, the answer is a gradient graph or an error of this package, and soon. */

import { create, toBinary } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType as Kind, ModelProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import * as fuzz from '../bench/mutate.mjs';
import * as api from '../src/index.ts';
import { buildModel, encodeModel, GraphBuilder, operators, tensor, type Value } from '../src/index.ts';
import { openRandom } from './checkGradients.ts';

interface Mutation {
  readonly kind: string;
  readonly bytes: Uint8Array;
}
interface Attempt {
  readonly outcome: string;
  readonly ms: number;
  readonly error?: unknown;
}
const mutate = fuzz.mutate as (bytes: Uint8Array, seed: number, ops: readonly string[]) => Mutation;
const attempt = fuzz.attempt as (package_: typeof api, bytes: Uint8Array) => Attempt;

const random = openRandom(7);
/** A graph with parameters of random numbers. */
function open() {
  const g = new GraphBuilder();
  const parameter = (name: string, ...shape: number[]): Value => {
    const data = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5);
    return g.parameter(name, tensor('float32', shape, data));
  };
  return { g, parameter };
}

/** Convolutions, batch normalization, pooling, a residual connection, a head. */
function network(): Uint8Array {
  const { g, parameter } = open();
  const x = g.input('x', 'float32', ['batch', 3, 8, 8]);
  const normal = (value: Value, name: string) =>
    g.op('BatchNormalization', [
      value,
      ...['scale', 'bias', 'mean'].map((part) => parameter(`${name}.${part}`, 4)),
      g.constant([1, 1, 1, 1]),
    ]);
  const first = g.relu(
    normal(g.conv(x, parameter('conv1', 4, 3, 3, 3), undefined, { pads: [1, 1, 1, 1] }), 'norm1'),
  );
  const pooled = g.maxPool(first, { kernel_shape: [2, 2], strides: [2, 2] });
  const second = g.conv(pooled, parameter('conv2', 4, 2, 3, 3), parameter('bias', 4), {
    pads: [1, 1, 1, 1],
    group: 2,
  });
  const added = g.relu(g.add(pooled, normal(second, 'norm2')));
  const wide = g.convTranspose(added, parameter('up', 4, 4, 2, 2), undefined, { strides: [2, 2] });
  const mean = g.op('Flatten', [g.op('GlobalAveragePool', [g.averagePool(wide, { kernel_shape: [2, 2] })])]);
  g.output('y', g.gemm(mean, parameter('head', 5, 4), parameter('head.bias', 5), { transB: 1 }));
  return encodeModel(buildModel(g));
}

/** Attention over two heads, a layer normalization, a perceptron. */
function transformer(): Uint8Array {
  const { g, parameter } = open();
  const tokens = g.input('tokens', 'int64', ['batch', 6]);
  const x = g.gather(parameter('table', 11, 8), tokens);
  const heads = (value: Value) => g.transpose(g.reshape(value, [0, 0, 2, 4]), [0, 2, 1, 3]);
  const [q, k, v] = g.split(g.matMul(x, parameter('qkv', 8, 24)), [8, 8, 8], 2).map(heads) as [
    Value,
    Value,
    Value,
  ];
  const scores = g.div(g.matMul(q, g.transpose(k, [0, 1, 3, 2])), 2);
  const attended = g.matMul(g.softmax(scores), v);
  const merged = g.reshape(g.transpose(attended, [0, 2, 1, 3]), [0, 0, 8]);
  const normal = g.op(
    'LayerNormalization',
    [g.add(x, merged), parameter('norm', 8), parameter('norm.bias', 8)],
    { axis: -1, epsilon: 1e-5 },
  );
  const hidden = g.matMul(normal, parameter('up', 8, 16));
  const gelu = g.mul(g.mul(hidden, 0.5), g.add(g.erf(g.div(hidden, Math.SQRT2)), 1));
  g.output('y', g.reduceMean(g.matMul(gelu, parameter('down', 16, 8)), [1]));
  return encodeModel(buildModel(g));
}

/** Shapes read, cut, joined and spelled out, as exporters do. */
function arithmetic(): Uint8Array {
  const { g, parameter } = open();
  const x = g.input('x', 'float32', ['batch', 'n', 6]);
  const size = (axis: number) => g.gather(g.op('Shape', [x]), g.scalar(axis, 'int64'));
  const rows = g.mul(size(0), size(1));
  const flat = g.reshape(x, g.concat([g.unsqueeze(rows, [0]), g.ints([6])], 0));
  const positions = g.op('Range', [g.scalar(0, 'int64'), rows, g.scalar(1, 'int64')]);
  const even = g.equal(g.op('Mod', [positions, g.scalar(2, 'int64')]), g.scalar(0, 'int64'));
  const masked = g.where(
    g.unsqueeze(even, [1]),
    flat,
    g.op('Tile', [parameter('fill', 1, 3), g.ints([1, 2])]),
  );
  const cut = g.slice(masked, [1], [-1], [1], [2]);
  const padded = g.pad(cut, [0, 1, 0, 1]);
  const filled = g.op('ConstantOfShape', [g.op('Shape', [padded])], { value: tensor('float32', [1], [2]) });
  const product = g.op('Einsum', [g.mul(padded, filled), parameter('w', 4, 5)], { equation: 'ij,jk->ik' });
  const picked = g.gatherElements(product, g.op('ArgMax', [product], { axis: 1, keepdims: 1 }), 1);
  const norm = g.op('ReduceL2', [g.expand(picked, g.op('Shape', [product])), g.ints([1])], { keepdims: 0 });
  g.output('y', g.concat([norm, g.op('CumSum', [norm, g.scalar(0, 'int64')])], 0));
  return encodeModel(buildModel(g));
}

/** Functions of the model's own, one calling the other, with attributes handed down. */
function functions(): Uint8Array {
  const reference = { name: 'alpha', refAttrName: 'slope', type: Kind.FLOAT };
  const proto = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [
      { domain: '', version: 17n },
      { domain: 'my', version: 1n },
    ],
    functions: [
      {
        name: 'Soft',
        domain: 'my',
        input: ['a', 'w'],
        output: ['b'],
        attribute: ['slope'],
        node: [
          { opType: 'MatMul', input: ['a', 'w'], output: ['h'] },
          { opType: 'LeakyRelu', input: ['h'], output: ['b'], attribute: [reference] },
        ],
      },
      {
        name: 'Softer',
        domain: 'my',
        input: ['a', 'w'],
        output: ['b'],
        node: [
          { opType: 'Soft', domain: 'my', input: ['a', 'w'], output: ['h'] },
          {
            opType: 'ReduceMean',
            input: ['h'],
            output: ['m'],
            attribute: [{ name: 'axes', type: Kind.INTS, ints: [-1n] }],
          },
          { opType: 'Sub', input: ['h', 'm'], output: ['b'] },
        ],
      },
    ],
    graph: {
      input: [
        {
          name: 'x',
          type: {
            value: {
              case: 'tensorType',
              value: { elemType: 1, shape: { dim: [{}, { value: { case: 'dimValue', value: 3n } }] } },
            },
          },
        },
      ],
      initializer: [{ name: 'w', dataType: 1, dims: [3n, 3n], floatData: [1, 2, 3, 4, 5, 6, 7, 8, 9] }],
      node: [
        { opType: 'Softer', domain: 'my', input: ['x', 'w'], output: ['h'] },
        {
          opType: 'Soft',
          domain: 'my',
          input: ['h', 'w'],
          output: ['y'],
          attribute: [{ name: 'slope', type: Kind.FLOAT, f: 0.5 }],
        },
      ],
      output: [{ name: 'y' }],
    },
  });
  return toBinary(ModelProtoSchema, proto);
}

const models: [string, () => Uint8Array][] = [
  ['a convolutional network', network],
  ['a transformer', transformer],
  ['shape arithmetic', arithmetic],
  ['functions', functions],
];
const each = 250;
const ops = Object.keys(operators);

describe.each(models)('%s', (name, build) => {
  const bytes = build();

  test('has gradients before it is damaged', () => {
    const { outcome, error } = attempt(api, bytes);
    expect([outcome, error]).toEqual(['accepted', undefined]);
  });

  test(`damaged in ${each} ways is differentiated or refused, in time`, () => {
    const outcomes = new Map<string, number>();
    for (let seed = 1; seed <= each; seed++) {
      const { kind, bytes: damaged } = mutate(bytes, seed, ops);
      const { outcome, ms, error } = attempt(api, damaged);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (outcome === 'crash') throw new Error(`${name}: seed ${seed} (${kind}) crashes`, { cause: error });
      expect(ms, `seed ${seed} (${kind}), ${outcome}`).toBeLessThan(3000);
    }
    // damage that is always noticed at once would test nothing
    expect(outcomes.get('accepted')).toBeGreaterThan(each / 10);
    expect(outcomes.size).toBeGreaterThan(3);
  });
});
