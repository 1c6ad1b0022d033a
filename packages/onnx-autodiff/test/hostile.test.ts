/** Calls that make little sense, or none: every operator answers with types and gradients, or an error of this package. */

import { describe, expect, test } from 'vitest';
import {
  type Attribute,
  type Attributes,
  backward,
  buildModel,
  type DataType,
  type Dim,
  encodeModel,
  GraphBuilder,
  operators,
  sizeOf,
  tensor,
  type Value,
} from '../src/index.ts';
import { openRandom } from './checkGradients.ts';

/** Attributes of the operators, by type. */
const names: Readonly<Record<Exclude<Attribute['type'], 'other' | 'reference'>, readonly string[]>> = {
  int: [
    ...[
      'axis',
      'keepdims',
      'group',
      'ceil_mode',
      'transA',
      'transB',
      'num_outputs',
      'blocksize',
      'batch_axis',
    ],
    ...[
      'time_axis',
      'batch_dims',
      'training_mode',
      'ignore_index',
      'largest',
      'sorted',
      'exclusive',
      'reverse',
    ],
    ...[
      'upper',
      'noop_with_empty_axes',
      'select_last_index',
      'start',
      'end',
      'allowzero',
      'p',
      'storage_order',
    ],
    ...['count_include_pad', 'stash_type', 'num_groups', 'antialias', 'exclude_outside', 'fmod', 'k', 'seed'],
    ...['align_corners', 'across_channels', 'output_height', 'output_width', 'sampling_ratio'],
  ],
  float: [
    'alpha',
    'beta',
    'gamma',
    'lambd',
    'bias',
    'epsilon',
    'momentum',
    'ratio',
    'cubic_coeff_a',
    'value_float',
  ],
  string: [
    'mode',
    'auto_pad',
    'reduction',
    'equation',
    'approximate',
    'nearest_mode',
    'to',
    'dtype',
    'direction',
  ],
  ints: [
    'axes',
    'perm',
    'kernel_shape',
    'strides',
    'pads',
    'dilations',
    'output_padding',
    'output_shape',
    'split',
  ],
  floats: ['scales', 'value_floats'],
  tensor: ['value'],
  strings: ['value_strings'],
};
const words = [
  ...[
    'SAME_UPPER',
    'SAME_LOWER',
    'VALID',
    'NOTSET',
    'none',
    'add',
    'mul',
    'max',
    'min',
    'mean',
    'sum',
    'reflect',
  ],
  ...[
    'edge',
    'wrap',
    'constant',
    'linear',
    'nearest',
    'cubic',
    'tanh',
    'DCR',
    'CRD',
    'float32',
    'int64',
    'bool',
  ],
  ...[
    'ij,jk->ik',
    'ii->i',
    '...i,...i',
    'ij->',
    '',
    'constructor',
    'half_pixel',
    'asymmetric',
    'align_corners',
  ],
];
const coordinates = ['coordinate_transformation_mode', 'keep_aspect_ratio_policy', 'padding_mode'];
const sizes: readonly Dim[] = [1, 2, 3, 4, 8, 0, 'n', 'm', 'n*m + 1', 1_000_000, 2 ** 40];
const integers = [0, 1, 2, 3, 4, -1, -2, -5, 100, 1_000_000, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1)];
const numbers = [0, 1, 0.5, 2, -1, 1e-5, 1e30, Number.NaN, Number.POSITIVE_INFINITY];
const types: readonly DataType[] = [
  'float32',
  'float64',
  'float16',
  'int64',
  'int32',
  'bool',
  'string',
  'uint8',
];

/** An input of a call that makes sense: the shape of a float or of another type, integers, floats, or none. */
type Plain =
  | readonly Dim[]
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | '';
/** Calls that make sense, of operators that random shapes seldom fit. */
const sensible: Readonly<Record<string, [readonly Plain[], Attributes?]>> = (() => {
  const ints = (...value: number[]): Plain => ({ ints: value });
  const int = (value: number): Attribute => ({ type: 'int', value });
  const list = (...value: number[]): Attribute => ({ type: 'ints', value });
  const window = { kernel_shape: list(2, 2), strides: list(2, 1), pads: list(1, 0, 0, 1) };
  const slide = { group: int(2), strides: list(2, 1), dilations: list(1, 2), pads: list(1, 0, 2, 1) };
  const image: Plain = [2, 4, 6, 6];
  return {
    Conv: [[image, [4, 2, 3, 3], [4]], slide],
    ConvTranspose: [[image, [4, 2, 3, 3], [4]], { ...slide, output_padding: list(1, 0) }],
    AveragePool: [[image], { ...window, count_include_pad: int(1) }],
    MaxPool: [[image], { ...window, ceil_mode: int(1) }],
    LpPool: [[image], window],
    BatchNormalization: [[image, [4], [4], [4], [4]], { training_mode: int(1) }],
    InstanceNormalization: [[image, [4], [4]]],
    GroupNormalization: [[image, [4], [4]], { num_groups: int(2) }],
    LayerNormalization: [[[2, 3, 4], [4], [4]], { axis: int(-1) }],
    RMSNormalization: [[[2, 3, 4], [4]], { axis: int(-1) }],
    DepthToSpace: [[[1, 8, 2, 3]], { blocksize: int(2) }],
    SpaceToDepth: [[[1, 2, 4, 6]], { blocksize: int(2) }],
    Resize: [[image, '', { floats: [1, 1, 2, 1.5] }], { mode: { type: 'string', value: 'linear' } }],
    Slice: [[[4, 6], ints(1, -2), ints(4, -5), ints(0, 1), ints(2, -1)]],
    Pad: [[[3, 4], ints(0, 1, 2, -1)]],
    Tile: [[[2, 3], ints(2, 1)]],
    Reshape: [[[2, 6], ints(-1, 4)]],
    Split: [[[4, 6], ints(2, 4)], { axis: int(1) }],
    Gather: [[[3, 4], ints(0, -1, 2)], { axis: int(1) }],
    ScatterElements: [[[4], ints(0, 2), [2]], { reduction: { type: 'string', value: 'add' } }],
    OneHot: [[ints(0, 2), ints(3), [2]], { axis: int(0) }],
    Einsum: [
      [
        [2, 3],
        [3, 4],
      ],
      { equation: { type: 'string', value: 'ij,jk->ik' } },
    ],
    Gemm: [[[2, 3], [4, 3], [4]], { transB: int(1), alpha: { type: 'float', value: 0.5 } }],
    MatMul: [
      [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
    ],
    SoftmaxCrossEntropyLoss: [[[4, 3], ints(0, 2, 1, 0), [3]], { ignore_index: int(1) }],
    NegativeLogLikelihoodLoss: [[[4, 3], ints(0, 2, 1, 0), [3]], { ignore_index: int(1) }],
  };
})();

/** Random calls; `tame` is how often a choice makes sense. */
function openCalls(op: string, seed: number) {
  const random = openRandom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const tame = random();
  const chance = (p: number): boolean => random() < p;
  const many = <T>(most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make);
  const rank = below(5);

  const shape = (): readonly Dim[] | undefined => {
    if (chance(0.1 * (1 - tame))) return undefined;
    const axes = chance(tame) ? rank : below(6);
    return Array.from({ length: axes }, () => (chance(tame) ? pick([2, 2, 4, 1]) : pick(sizes)));
  };
  const integer = (): number => (chance(tame) ? pick([0, 1, 2, 3, -1]) : pick(integers));
  const constant = (g: GraphBuilder): Value => {
    const dims = chance(0.7) ? [below(6)] : many(2, () => 1 + below(3));
    const data = Array.from({ length: sizeOf(dims) }, integer);
    const dtype = chance(0.8) ? 'int64' : pick(['float32', 'int32', 'bool'] as const);
    return g.tensor(tensor(dtype, dims, data));
  };
  const input = (g: GraphBuilder, i: number): Value | undefined => {
    if (chance(0.1)) return undefined;
    if (i > 0 && chance(0.5)) return constant(g);
    return g.input(`x${i}`, i === 0 || chance(0.7) ? 'float32' : pick(types), shape());
  };
  const values: { [T in keyof typeof names]: () => Attribute } = {
    int: () => ({ type: 'int', value: integer() }),
    float: () => ({ type: 'float', value: pick(numbers) }),
    string: () => ({ type: 'string', value: pick(words) }),
    ints: () => ({ type: 'ints', value: many(chance(tame) ? rank : 8, integer) }),
    floats: () => ({ type: 'floats', value: many(4, () => pick(numbers)) }),
    tensor: () => ({ type: 'tensor', value: tensor('float32', [1], [pick(numbers)]) }),
    strings: () => ({ type: 'strings', value: many(3, () => pick(words)) }),
  };
  const attributes = (): Attributes => {
    const drawn = many(5, (): [string, Attribute] => {
      const type = pick(Object.keys(names) as (keyof typeof names)[]);
      // now and then of the wrong type
      const made = values[chance(0.95) ? type : 'string']();
      return [chance(0.1) ? pick(coordinates) : pick(names[type]), made];
    });
    return Object.fromEntries(drawn);
  };
  const template = Object.hasOwn(sensible, op) && chance(0.8) ? sensible[op] : undefined;
  const plain = (g: GraphBuilder, like: Plain, i: number): Value | undefined => {
    if (chance(0.1 * (1 - tame))) return input(g, i);
    const loose = <T>(value: T, other: () => T): T => (chance(0.1 * (1 - tame)) ? other() : value);
    if (like === '') return undefined;
    if (Array.isArray(like)) {
      return g.input(
        `x${i}`,
        'float32',
        (like as readonly Dim[]).map((dim) => loose(dim, () => pick(sizes))),
      );
    }
    if ('floats' in (like as object)) return g.constant((like as { floats: readonly number[] }).floats);
    return g.ints(
      (like as { ints: readonly number[] }).ints.map((value) => loose(value, () => pick(integers))),
    );
  };
  return {
    inputs: (g: GraphBuilder) =>
      template
        ? template[0].map((like, i) => plain(g, like, i))
        : Array.from({ length: 1 + below(5) }, (_, i) => input(g, i)),
    attributes: () => ({ ...template?.[1], ...(template && chance(tame) ? {} : attributes()) }),
    outputCount: chance(tame) ? 1 : 1 + below(3),
    opset: 18 + below(7),
  };
}

/** Applies an operator at random, and differentiates it twice. */
function apply(op: string, seed: number): GraphBuilder {
  const { inputs: draw, attributes, outputCount, opset } = openCalls(op, seed);
  const g = new GraphBuilder({ opset });
  const inputs = draw(g);
  const wrt = inputs.filter((value) => value?.dtype === 'float32') as Value[];
  const outputs = g.node(op, inputs, attributes(), { outputs: outputCount });
  const named = new Map(outputs.map((value, i) => [`y${i}`, value]));
  let y = outputs.find(({ dtype }) => dtype === 'float32');
  for (let order = 0; order < 2 && y; order++) {
    const gradients = backward(g, g.reduceSum(g.mul(y, y)), wrt);
    gradients.forEach((gradient, i) => {
      if (gradient) named.set(`gradient.${order}.${i}`, gradient);
    });
    y = gradients.find((gradient) => gradient !== undefined);
  }
  encodeModel(buildModel(g, { outputs: named }));
  return g;
}

const each = 60;

describe.each(Object.keys(operators))('%s', (op) => {
  test(`called at random in ${each} ways has gradients or an error, and both soon`, () => {
    let differentiated = 0;
    for (let seed = 1; seed <= each; seed++) {
      const begin = performance.now();
      try {
        const { nodes } = apply(op, seed);
        expect(nodes.length, `seed ${seed}`).toBeLessThan(20_000);
        differentiated++;
      } catch (error) {
        const { name, code } = error as { name?: string; code?: string };
        if (name !== 'VRAdamError' || !code?.startsWith('ERR_'))
          throw new Error(`${op}, seed ${seed}: ${error}`, { cause: error });
      }
      expect(performance.now() - begin, `seed ${seed}`).toBeLessThan(3000);
    }
    // calls that are all refused would test little
    expect(differentiated).toBeGreaterThan(0);
  });
});

test('numbers given in the place of a shape are refused without being repeated', () => {
  const numbers = Array.from({ length: 10_000 }, () => 2);
  const wrong = () => tensor('float32', numbers, [1]);
  expect(wrong).toThrow(expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }));
  expect(wrong).toThrow(/\(10000 axes\).{0,60}$/);
  expect(wrong).toThrow(/^.{0,150}$/);
});
