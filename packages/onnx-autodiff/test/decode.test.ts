/** Files: what is read is what was written, and what makes no sense is refused. */

import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import {
  type GraphProtoSchema,
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  TensorProto_DataLocation,
  type TensorProtoSchema,
  type TensorShapeProto_DimensionSchema,
} from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import {
  type DataType,
  decodeModel,
  encodeModel,
  type Model,
  type NodeSpec,
  numbersOf,
  tensor,
} from '../src/index.ts';

type TensorInit = MessageInitShape<typeof TensorProtoSchema>;
type GraphInit = MessageInitShape<typeof GraphProtoSchema>;

/** Bytes of a file. */
const file = (graph: GraphInit, opsetImport = [{ domain: '', version: 18n }]): Uint8Array =>
  toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph }));

/** Bytes of a file with one initializer, `w`. */
const fileOf = (init: TensorInit): Uint8Array => file({ initializer: [{ name: 'w', ...init }] });
const read = (init: TensorInit, options = {}) => decodeModel(fileOf(init), options).initializers.get('w');

/** The code of what is thrown; undefined if nothing is. */
function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${error}`;
  }
  return undefined;
}
const refused = (action: () => unknown): void => expect(codeOf(action)).toBe('ERR_FILE_FORMAT');

const bytesOf = (data: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Every element type: its number, elements in memory, and the same as a file's fields hold them. */
const types: Record<Exclude<DataType, 'string'>, [number, ArrayBufferView<ArrayBuffer>, TensorInit]> = {
  float32: [1, Float32Array.of(1.5, -2), { floatData: [1.5, -2] }],
  uint8: [2, Uint8Array.of(1, 255), { int32Data: [1, 255] }],
  int8: [3, Int8Array.of(1, -128), { int32Data: [1, -128] }],
  uint16: [4, Uint16Array.of(1, 65535), { int32Data: [1, 65535] }],
  int16: [5, Int16Array.of(1, -32768), { int32Data: [1, -32768] }],
  int32: [6, Int32Array.of(1, -(2 ** 31)), { int32Data: [1, -(2 ** 31)] }],
  int64: [7, BigInt64Array.of(1n, -(2n ** 63n)), { int64Data: [1n, -(2n ** 63n)] }],
  bool: [9, Uint8Array.of(1, 0), { int32Data: [1, 0] }],
  float16: [10, Uint16Array.of(0x3e00, 0xc000), { int32Data: [0x3e00, 0xc000] }],
  float64: [11, Float64Array.of(1.5, -2), { doubleData: [1.5, -2] }],
  uint32: [12, Uint32Array.of(1, 2 ** 32 - 1), { uint64Data: [1n, 2n ** 32n - 1n] }],
  uint64: [13, BigUint64Array.of(1n, 2n ** 64n - 1n), { uint64Data: [1n, 2n ** 64n - 1n] }],
  bfloat16: [16, Uint16Array.of(0x3fc0, 0xc000), { int32Data: [0x3fc0, 0xc000] }],
};

describe.each(Object.entries(types))('a tensor of %s', (dtype, [dataType, data, typed]) => {
  const expected = { dtype, shape: [2], data };
  const keep = { keepPrecision: true };

  test('is read from raw bytes and from numbers', () => {
    expect(read({ dataType, dims: [2n], rawData: bytesOf(data) }, keep)).toEqual(expected);
    expect(read({ dataType, dims: [2n], ...typed }, keep)).toEqual(expected);
  });

  test('is written as it was read', () => {
    const model = decodeModel(fileOf({ dataType, dims: [2n], ...typed }), keep);
    expect(decodeModel(encodeModel(model), keep)).toEqual(model);
  });

  test('may be a scalar or empty', () => {
    const one = bytesOf(data).slice(0, data.byteLength / 2);
    expect(read({ dataType, rawData: one }, keep)).toMatchObject({ dtype, shape: [] });
    const none = read({ dataType, dims: [0n, 3n] }, keep);
    expect(none).toMatchObject({ dtype, shape: [0, 3] });
    expect(none?.data).toHaveLength(0);
  });

  test('is refused with too few or too many elements', () => {
    for (const dims of [[3n], [1n], [], [2n, 2n], [2n ** 30n, 2n ** 30n]]) {
      refused(() => read({ dataType, dims, rawData: bytesOf(data) }));
      refused(() => read({ dataType, dims, ...typed }));
    }
    refused(() => read({ dataType, dims: [2n], rawData: bytesOf(data).slice(1) }));
    refused(() => read({ dataType, dims: [2n] }));
    refused(() => read({ dataType, dims: [0n], rawData: bytesOf(data) }));
  });
});

test('a tensor of text is read and written', () => {
  const stringData = ['a', 'b\u00e9'].map((text) => new TextEncoder().encode(text));
  const model = decodeModel(fileOf({ dataType: 8, dims: [2n], stringData }));
  expect(model.initializers.get('w')).toEqual({ dtype: 'string', shape: [2], data: ['a', 'b\u00e9'] });
  expect(decodeModel(encodeModel(model))).toEqual(model);
  refused(() => read({ dataType: 8, dims: [3n], stringData }));
});

test('elements at an odd place in the file are aligned', () => {
  for (const name of ['', 'a', 'ab', 'abc']) {
    const bytes = file({
      initializer: [{ name, dataType: 11, dims: [1n], rawData: bytesOf(Float64Array.of(Math.PI)) }],
    });
    expect(decodeModel(bytes, { keepPrecision: true }).initializers.get(name)?.data).toEqual(
      Float64Array.of(Math.PI),
    );
  }
});

test('types that nobody can compute with are refused', () => {
  for (const dataType of [0, 14, 15, 17, 23, 99, -1]) refused(() => read({ dataType, dims: [0n] }));
});

test('sizes that cannot be are refused', () => {
  for (const dim of [-1n, 2n ** 31n, 2n ** 62n, -(2n ** 63n)])
    refused(() => read({ dataType: 1, dims: [dim, 0n] }));
});

test('names of tensors differ', () => {
  const w = { name: 'w', dataType: 1, dims: [0n] };
  refused(() => decodeModel(file({ initializer: [w, w] })));
});

test('sparse tensors are refused', () => {
  refused(() => decodeModel(file({ sparseInitializer: [{}] })));
});

describe('precision', () => {
  const halves = new Uint16Array([0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0xfc00, 0x8000, 0x3555]);
  const halfValues = [1, -2, 65504, 2 ** -24, 2 ** -14, Infinity, -Infinity, -0, 0.333251953125];
  const brains = new Uint16Array([0x3f80, 0xc000, 0x7f7f, 0x0001, 0x7f80, 0xff80, 0x8000, 0x3eab]);
  const brainValues = [1, -2, 2 ** 127 * (2 - 2 ** -7), 2 ** -133, Infinity, -Infinity, -0, 0.333984375];
  const doubles = Float64Array.of(Math.PI, 1e300, -1e-300);

  test.each([
    ['float16', 10, halves, halfValues],
    ['bfloat16', 16, brains, brainValues],
    ['float64', 11, doubles, [Math.fround(Math.PI), Infinity, -0]],
  ] as const)('%s becomes float32, and the model says so', (from, dataType, data, values) => {
    const bytes = fileOf({ dataType, dims: [BigInt(data.length)], rawData: bytesOf(data) });
    const model = decodeModel(bytes);
    expect(model.initializers.get('w')).toEqual({
      dtype: 'float32',
      shape: [data.length],
      data: Float32Array.from(values),
    });
    expect(model.converted).toEqual([{ name: 'w', from, size: data.length }]);
    expect(decodeModel(bytes, { keepPrecision: true }).converted).toEqual([]);
  });

  test.each(['float16', 'bfloat16'] as const)('every %s is the nearest to its own value', (dtype) => {
    const data = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
    const values = numbersOf({ dtype, shape: [data.length], data });
    const back = tensor(dtype, [data.length], values).data as Uint16Array;
    const changed = data.filter((bits, i) => !Number.isNaN(values[i]) && back[i] !== bits);
    expect([...changed]).toEqual([]);
  });

  test.each(['float16', 'bfloat16'] as const)(
    'a number becomes the nearest %s, the even one of two',
    (dtype) => {
      const near = (value: number) => numbersOf(tensor(dtype, [], [value]))[0];
      const step = dtype === 'float16' ? 2 ** -10 : 2 ** -7;
      expect([1 + 0.49 * step, 1 + 0.5 * step, 1 + 0.51 * step].map(near)).toEqual([1, 1, 1 + step]);
      expect([1 + 1.5 * step, 1 + 2.5 * step].map(near)).toEqual([1 + 2 * step, 1 + 2 * step]);
      expect([0.1, -0.1].map(near)).toEqual(
        dtype === 'float16' ? [0.0999755859375, -0.0999755859375] : [0.10009765625, -0.10009765625],
      );
      expect([Infinity, -Infinity, NaN, -0, 1e39].map(near)).toEqual([
        Infinity,
        -Infinity,
        NaN,
        -0,
        Infinity,
      ]);
      if (dtype !== 'float16') return;
      expect([65519, 65520, 2 ** -25, 1.01 * 2 ** -25, 3 * 2 ** -25].map(near)).toEqual([
        ...[65504, Infinity, 0, 2 ** -24, 2 ** -23],
      ]);
    },
  );

  test('no number is NaN in every precision', () => {
    const nan = (dataType: number, bits: number) =>
      numbersOf(read({ dataType, rawData: bytesOf(Uint16Array.of(bits)) }) as never);
    expect([...nan(10, 0x7e00), ...nan(10, 0xfc01), ...nan(16, 0x7fc0)]).toEqual([NaN, NaN, NaN]);
  });

  test('goes for inputs, casts and constants, too', () => {
    const graph: GraphInit = {
      input: [{ name: 'x', type: { value: { case: 'tensorType', value: { elemType: 10 } } } }],
      node: [
        { opType: 'Cast', input: ['x'], output: ['y'], attribute: [{ name: 'to', type: Kind.INT, i: 11n }] },
        { opType: 'Cast', input: ['x'], output: ['i'], attribute: [{ name: 'to', type: Kind.INT, i: 7n }] },
        {
          opType: 'Constant',
          output: ['c'],
          attribute: [
            {
              name: 'value',
              type: Kind.TENSOR,
              t: { dataType: 10, rawData: bytesOf(Uint16Array.of(0x3c00)) },
            },
          ],
        },
      ],
    };
    const model = decodeModel(file(graph));
    expect(model.inputs[0]?.dtype).toBe('float32');
    expect(model.nodes.slice(0, 2).map(({ attributes }) => attributes['to']?.value)).toEqual([
      'float32',
      'int64',
    ]);
    expect(model.converted).toEqual([{ name: 'Constant.value', from: 'float16', size: 1 }]);
    const kept = decodeModel(file(graph), { keepPrecision: true });
    expect(kept.inputs[0]?.dtype).toBe('float16');
    expect(kept.nodes[0]?.attributes['to']?.value).toBe('float64');
    expect(decodeModel(encodeModel(kept), { keepPrecision: true })).toEqual(kept);
  });
});

describe('external data', () => {
  const weights = Uint8Array.from({ length: 24 }, (_, i) => i);
  const outside = (entries: Record<string, string>, dims = [4n]): TensorInit => ({
    dataType: 2,
    dims,
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });
  const externalData = { 'w.bin': weights, 'deep/w.bin': weights };

  test('is read from its place', () => {
    const from = (entries: Record<string, string>) => read(outside(entries), { externalData })?.data;
    expect(from({ location: 'w.bin', offset: '8', length: '4' })).toEqual(Uint8Array.of(8, 9, 10, 11));
    expect(from({ location: 'w.bin', offset: '20' })).toEqual(Uint8Array.of(20, 21, 22, 23));
    expect(from({ location: 'w.bin', length: '4' })).toEqual(Uint8Array.of(0, 1, 2, 3));
    expect(from({ location: 'deep/w.bin' })).toEqual(Uint8Array.of(0, 1, 2, 3));
    expect(from({ location: 'w.bin', checksum: 'whatever' })).toEqual(Uint8Array.of(0, 1, 2, 3));
  });

  test('may be opened by a function', () => {
    const opened: string[] = [];
    const open = (location: string) => {
      opened.push(location);
      return weights;
    };
    expect(read(outside({ location: 'w.bin' }), { externalData: open })?.data).toHaveLength(4);
    expect(opened).toEqual(['w.bin']);
  });

  test('never lies outside the folder of the model', () => {
    const asked: string[] = [];
    const open = (location: string) => {
      asked.push(location);
      return weights;
    };
    for (const location of [
      ...[
        '../w.bin',
        'a/../../w.bin',
        '..',
        'a/..',
        '/etc/passwd',
        '\\\\server\\w.bin',
        'C:\\w.bin',
        'c:w.bin',
      ],
      ...['..\\w.bin', 'a\\..\\..\\w.bin', '', 'w.bin\0.png'],
    ]) {
      refused(() => read(outside({ location }), { externalData: open }));
    }
    refused(() => read(outside({}), { externalData: open }));
    expect(asked).toEqual([]);
  });

  test('is refused if it is not there', () => {
    refused(() => read(outside({ location: 'w.bin' })));
    refused(() => read(outside({ location: 'v.bin' }), { externalData }));
    for (const location of ['constructor', '__proto__', 'toString'])
      refused(() => read(outside({ location }), { externalData }));
    refused(() =>
      read(outside({ location: 'w.bin' }), {
        externalData: () => {
          throw new Error('no such file');
        },
      }),
    );
  });

  test('is refused if file, place and size do not fit', () => {
    for (const entries of [
      { offset: '22' },
      { offset: '21', length: '4' },
      { length: '25' },
      { length: '3' },
      { length: '5' },
      { offset: '-1' },
      { offset: '1.5' },
      { offset: '0x4' },
      { offset: '' },
      { length: '1e1' },
      { offset: '999999999999999', length: '4' },
      { offset: '99999999999999999999' },
    ]) {
      refused(() => read(outside({ location: 'w.bin', ...entries }), { externalData }));
    }
    refused(() => read(outside({ location: 'w.bin' }, [2n ** 31n - 1n, 2n ** 31n - 1n]), { externalData }));
  });
});

describe('a model', () => {
  const node = (attributes: NodeSpec['attributes']): NodeSpec => ({
    op: 'Strange',
    domain: 'my.ops',
    name: 'n',
    inputs: ['x', '', 'w'],
    outputs: ['y', ''],
    attributes,
  });
  const model: Model = {
    name: 'graph',
    irVersion: 9,
    opset: 19,
    otherOpsets: { 'my.ops': 3 },
    producer: 'test',
    doc: 'a text',
    metadata: { author: 'me', __proto__: 'you' } as Record<string, string>,
    inputs: [
      { name: 'x', dtype: 'float32', shape: ['batch', 3, '{what ever}'] },
      { name: 'sizes', dtype: 'float32', shape: ['2*batch*n + 1', '{floor((h) / (2))} + 1', '{2}', 'a.b'] },
      { name: 'ids', dtype: 'int64', shape: [] },
      { name: 'any', dtype: 'bool', shape: undefined },
    ],
    outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
    initializers: new Map([['w', tensor('float32', [2, 1], [1, 2])]]),
    nodes: [
      node({
        count: { type: 'int', value: -3 },
        alpha: { type: 'float', value: 0.5 },
        mode: { type: 'string', value: 'reflect' },
        to: { type: 'string', value: 'uint8' },
        value: { type: 'tensor', value: tensor('int64', [], [7]) },
        axes: { type: 'ints', value: [0, -1] },
        scales: { type: 'floats', value: [1, 2.5] },
        words: { type: 'strings', value: ['a', ''] },
      }),
    ],
    values: [{ name: 'z', dtype: 'int32', shape: [2] }],
    functions: [],
    converted: [],
  };

  test('is read as it was written', () => {
    expect(decodeModel(encodeModel(model))).toEqual(model);
  });

  test('has integers as large as a number can hold', () => {
    const attribute = [
      { name: 'ends', type: Kind.INTS, ints: [2n ** 63n - 1n, -(2n ** 63n), 5n] },
      { name: 'end', type: Kind.INT, i: 2n ** 63n - 1n },
    ];
    const [{ attributes }] = decodeModel(file({ node: [{ opType: 'Slice', attribute }] })).nodes as [
      NodeSpec,
    ];
    const largest = Number.MAX_SAFE_INTEGER;
    expect(attributes['ends']?.value).toEqual([largest, -largest, 5]);
    expect(attributes['end']?.value).toBe(largest);
  });

  test('lists no initializer among its inputs', () => {
    const w = { name: 'w', dataType: 1, dims: [0n] };
    expect(decodeModel(file({ input: [{ name: 'w' }, { name: 'x' }], initializer: [w] })).inputs).toEqual([
      { name: 'x', dtype: undefined, shape: undefined },
    ]);
  });

  test('names sizes that have no name', () => {
    const dim: MessageInitShape<typeof TensorShapeProto_DimensionSchema>[] = [
      {},
      { value: { case: 'dimParam', value: '' } },
      { value: { case: 'dimValue', value: -1n } },
    ];
    const x = {
      name: 'x',
      type: { value: { case: 'tensorType' as const, value: { elemType: 1, shape: { dim } } } },
    };
    expect(decodeModel(file({ input: [x] })).inputs[0]?.shape).toEqual(['x.0', 'x.1', 'x.2']);
  });

  test('gives a size with a very long name a short one', () => {
    const shapeOf = (value: string) => {
      const dim = [{ value: { case: 'dimParam' as const, value } }];
      const x = {
        name: 'x',
        type: { value: { case: 'tensorType' as const, value: { elemType: 1, shape: { dim } } } },
      };
      return decodeModel(file({ input: [x] })).inputs[0]?.shape?.[0];
    };
    const long = 'n'.repeat(100_000);
    expect(String(shapeOf(long)).length).toBeLessThan(30);
    expect(shapeOf(long)).toBe(shapeOf(long));
    expect(shapeOf(long)).not.toBe(shapeOf(`${long}n`));
  });

  test('calls the domain of ONNX by one name', () => {
    const bytes = file({ node: [{ opType: 'Relu', domain: 'ai.onnx' }] }, [
      { domain: 'ai.onnx', version: 17n },
    ]);
    expect(decodeModel(bytes)).toMatchObject({ opset: 17, otherOpsets: {}, nodes: [{ domain: '' }] });
  });

  test('must say which operators it means', () => {
    refused(() => decodeModel(file({}, [])));
    refused(() => decodeModel(file({}, [{ domain: 'other', version: 1n }])));
  });

  test('cannot be written with what only a file can hold', () => {
    const other = { ...model, nodes: [node({ body: { type: 'other', value: 'GRAPH' } })] };
    expect(codeOf(() => encodeModel(other))).toBe('ERR_OPERATOR_UNSUPPORTED');
    const f = { name: 'F', domain: '', inputs: [], outputs: [], attributes: {}, nodes: [] };
    expect(codeOf(() => encodeModel({ ...model, functions: [f] }))).toBe('ERR_OPERATOR_UNSUPPORTED');
    for (const attributes of [
      { count: { type: 'int', value: 0.5 } },
      { count: { type: 'int', value: 2 ** 60 } },
      { axes: { type: 'ints', value: [Number.NaN] } },
      { alpha: { type: 'float', value: 1e300 } },
      { scales: { type: 'floats', value: [1, -1e39] } },
      { to: { type: 'string', value: 'complex64' } },
    ] as NodeSpec['attributes'][]) {
      expect(codeOf(() => encodeModel({ ...model, nodes: [node(attributes)] }))).toBe('ERR_MODEL_INVALID');
    }
  });
});

describe('bytes that are no model', () => {
  const bytes = file({
    node: [{ opType: 'Relu', input: ['x'], output: ['y'] }],
    input: [{ name: 'x' }],
    output: [{ name: 'y' }],
    initializer: [{ name: 'w', dataType: 1, dims: [2n], floatData: [1, 2] }],
  });
  const isModelOrRefused = (candidate: Uint8Array) => {
    const code = codeOf(() => decodeModel(candidate));
    expect([undefined, 'ERR_FILE_FORMAT']).toContain(code);
  };

  test('are refused: none, noise, text', () => {
    refused(() => decodeModel(new Uint8Array()));
    refused(() => decodeModel(new Uint8Array(1000).fill(255)));
    refused(() => decodeModel(new TextEncoder().encode('<!DOCTYPE html><title>404</title>')));
    expect(codeOf(() => decodeModel('model.onnx' as never))).toBe('ERR_OPTION_TYPE');
    expect(codeOf(() => decodeModel(new ArrayBuffer(8) as never))).toBe('ERR_OPTION_TYPE');
  });

  test('cut short anywhere, are refused or read', () => {
    for (let length = 0; length < bytes.length; length++) isModelOrRefused(bytes.slice(0, length));
  });

  test('with any bit turned over, are refused or read', () => {
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const turned = bytes.slice();
      turned[bit >> 3] = (turned[bit >> 3] as number) ^ (1 << (bit & 7));
      isModelOrRefused(turned);
    }
  });

  test('of any kind are refused or read', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), isModelOrRefused), { numRuns: 300 });
  });

  test('nested without end are refused', () => {
    // type of a sequence of a sequence of ...: field 4 of TypeProto holds field 1, a TypeProto
    const varint = (value: number): number[] =>
      value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
    let type: number[] = [];
    for (let depth = 0; depth < 3000; depth++) {
      const sequence = [10, ...varint(type.length), ...type];
      type = [34, ...varint(sequence.length), ...sequence];
    }
    const input = [10, 1, 120, 18, ...varint(type.length), ...type];
    const graph = [90, ...varint(input.length), ...input];
    const nested = Uint8Array.from([58, ...varint(graph.length), ...graph, 66, 2, 16, 18]);
    isModelOrRefused(nested);
  });

  test('claiming to be long allocate nothing', () => {
    // a graph of 2 GiB, and a packed field of as many numbers
    refused(() => decodeModel(Uint8Array.of(58, 255, 255, 255, 255, 7)));
    refused(() => decodeModel(Uint8Array.of(58, 8, 42, 6, 34, 255, 255, 255, 255, 7)));
  });
});
