/** The reader and writer of protocol buffers, held against an implementation of somebody else's. */

import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript, shared with the command line
import * as fuzz from '../bench/mutate.mjs';
import { buildModel } from '../src/graph/load.ts';
import { encodeModel, GraphBuilder, gradients, operators, tensor } from '../src/index.ts';
import { type Field, messageType } from '../src/model/schema.ts';
import { readMessage, writeMessage } from '../src/model/wire.ts';

const mutate = fuzz.mutate as (
  bytes: Uint8Array,
  seed: number,
  ops: readonly string[],
) => { bytes: Uint8Array };

/** Every message of the table beside its description elsewhere. */
function pairs(): Map<string, DescMessage> {
  const found = new Map<string, DescMessage>([['Model', ModelProtoSchema]]);
  for (const [name, desc] of found) {
    for (const field of desc.fields) {
      const ours = messageType(name).fields[field.number];
      if (field.message && ours) found.set(ours.kind, field.message);
    }
  }
  return found;
}
const messages = pairs();

/** Letters of the kinds by the numbers of protobuf's scalar types. */
const letters: Record<number, string> = { 1: 'd', 2: 'f', 3: 'il', 4: 'u', 5: 'n', 9: 's', 12: 'b' };

const isList = (field: DescField): boolean => field.fieldKind === 'list';
const scalarOf = (field: DescField): number | undefined =>
  field.fieldKind === 'scalar' || (field.fieldKind === 'list' && field.listKind === 'scalar')
    ? field.scalar
    : undefined;

test.each([...messages])('%s has the fields that it has elsewhere, and no others', (name, desc) => {
  const { fields } = messageType(name);
  const numbers = desc.fields.map(({ number }) => number).sort((a, b) => a - b);
  expect(fields.flatMap((field) => field?.number ?? [])).toEqual(numbers);
  for (const field of desc.fields) {
    const ours = fields[field.number] as Field;
    expect([ours.isList, ours.isChoice]).toEqual([isList(field), field.oneof !== undefined]);
    const scalar = scalarOf(field);
    if (scalar !== undefined) expect(letters[scalar]).toContain(ours.kind);
    else expect(ours.kind).toMatch(field.fieldKind === 'enum' ? /^[tp]$/ : /^[A-Z]/);
  }
});

type Plain = Record<string, unknown>;
const most = BigInt(Number.MAX_SAFE_INTEGER);
const clamped = (value: bigint): number => Number(value > most ? most : value < -most ? -most : value);

/** A message of the other implementation as ours would hold it. */
function plain(name: string, message: Message): Plain {
  const result: Plain = { ...messageType(name).empty };
  const from = message as unknown as Plain;
  const convert = ({ kind }: Field, value: unknown): unknown => {
    if (kind === 'i') return clamped(value as bigint);
    return /^[A-Z]/.test(kind) ? plain(kind, value as Message) : value;
  };
  for (const field of (messages.get(name) as DescMessage).fields) {
    const ours = messageType(name).fields[field.number] as Field;
    const choice = field.oneof && (from[field.oneof.localName] as { case?: string; value?: unknown });
    const isSaid = choice ? choice.case === field.localName : true;
    const value = choice ? choice.value : from[field.localName];
    if (!isSaid || value === undefined) continue;
    if (choice) result['which'] = field.number;
    if (ours.name !== '') {
      result[ours.name] = ours.isList
        ? (value as unknown[]).map((one) => convert(ours, one))
        : convert(ours, value);
    }
  }
  return result;
}

const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -300n, max: 300n }),
);
const scalars: Record<string, fc.Arbitrary<unknown>> = {
  i: int64,
  l: int64,
  u: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  n: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  f: fc.float(),
  d: fc.double(),
  s: fc.string({ unit: 'grapheme', maxLength: 200 }),
  b: fc.uint8Array({ maxLength: 300 }),
  t: fc.integer({ min: 0, max: 14 }),
  p: fc.integer({ min: 0, max: 1 }),
};

/** Messages of a type as the other implementation takes them. */
function anyMessage(name: string, depth: number): fc.Arbitrary<Message> {
  const desc = messages.get(name) as DescMessage;
  const entries = desc.fields.flatMap((field): [DescField, fc.Arbitrary<unknown>][] => {
    const ours = messageType(name).fields[field.number] as Field;
    const isMessage = field.message !== undefined;
    if (isMessage && depth === 0) return [];
    const one = isMessage ? anyMessage(ours.kind, depth - 1) : (scalars[ours.kind] as fc.Arbitrary<unknown>);
    return [[field, ours.isList ? fc.array(one, { maxLength: 3 }) : one]];
  });
  return fc.tuple(...entries.map(([, values]) => fc.option(values, { nil: undefined }))).map((values) => {
    const init: Plain = {};
    values.forEach((value, i) => {
      const { oneof, localName } = (entries[i] as [DescField, unknown])[0];
      if (value === undefined) return;
      if (oneof) init[oneof.localName] = { case: localName, value };
      else init[localName] = value;
    });
    return create(desc, init);
  });
}

describe.each(['Model', 'Graph', 'Node', 'Attribute', 'Tensor', 'Value', 'Type', 'Function'])(
  'a %s',
  (name) => {
    const desc = messages.get(name) as DescMessage;

    test('that others write is read as they read it', () => {
      fc.assert(
        fc.property(anyMessage(name, 2), (message) => {
          expect(readMessage(toBinary(desc, message), name)).toEqual(plain(name, message));
        }),
        { numRuns: 100 },
      );
    });

    test('that is written here is read by others as it was', () => {
      fc.assert(
        fc.property(anyMessage(name, 2), (message) => {
          const ours = plain(name, message);
          expect(plain(name, fromBinary(desc, writeMessage(name, ours)))).toEqual(ours);
          expect(readMessage(writeMessage(name, ours), name)).toEqual(ours);
        }),
        { numRuns: 100 },
      );
    });

    test('in two pieces is put together as others do it', () => {
      fc.assert(
        fc.property(anyMessage(name, 2), anyMessage(name, 2), (a, b) => {
          const bytes = Uint8Array.of(...toBinary(desc, a), ...toBinary(desc, b));
          expect(readMessage(bytes, name)).toEqual(plain(name, fromBinary(desc, bytes)));
        }),
        { numRuns: 100 },
      );
    });
  },
);

/** The file of a network with its gradient. */
function file(): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const weights = Array.from({ length: 12 }, (_, i) => Math.sin(i));
  const x = g.input('x', 'float32', ['batch', 3]);
  const hidden = g.gemm(x, g.parameter('w', tensor('float32', [4, 3], weights)), undefined, { transB: 1 });
  g.output('loss', g.reduceMean(g.mul(g.softmax(hidden), hidden)));
  return encodeModel(gradients(buildModel(g), { loss: 'loss' }).model);
}

describe('a file', () => {
  const bytes = file();
  const ops = Object.keys(operators);

  test('is read as others read it', () => {
    const read = readMessage<{ graph: { node: unknown[] } }>(bytes, 'Model');
    expect(read).toEqual(plain('Model', fromBinary(ModelProtoSchema, bytes)));
    expect(read.graph.node.length).toBeGreaterThan(5);
  });

  test('that is damaged is refused, or read as others read it', () => {
    const counts = { read: 0, refused: 0 };
    for (let seed = 1; seed <= 3000; seed++) {
      const damaged = mutate(bytes, seed, ops).bytes;
      let read: unknown;
      try {
        read = readMessage(damaged, 'Model');
      } catch {
        counts.refused++;
        continue;
      }
      counts.read++;
      expect(read, `seed ${seed}`).toEqual(plain('Model', fromBinary(ModelProtoSchema, damaged)));
    }
    expect(counts.read).toBeGreaterThan(1000);
    expect(counts.refused).toBeGreaterThan(300);
  });

  test('cut short anywhere but between its fields is refused', () => {
    const ends = new Set<number>();
    for (let length = 0; length < bytes.length; length++) {
      try {
        readMessage(bytes.subarray(0, length), 'Model');
        ends.add(length);
      } catch {}
    }
    // before each of the fields: version, producer, documentation, graph, operators
    expect(ends.size).toBe(5);
  });
});

describe('hostile bytes are refused:', () => {
  const read = (...bytes: number[]) => readMessage(Uint8Array.from(bytes), 'Tensor');
  const many = (byte: number, count: number): number[] => new Array<number>(count).fill(byte);

  test.each<[string, number[]]>([
    ['a number without an end', [16, 128]],
    ['a number of eleven bytes', [16, ...many(128, 10), 0]],
    ['a field without a number', [0, 0]],
    ['a number of a field beyond 32 bits', [136, 128, 128, 128, 16, 0]],
    ['a number of a field in six bytes', [144, 128, 128, 128, 128, 0, 1]],
    ['a wire type that is none', [22, 0]],
    ['a number where text belongs', [64, 1]],
    ['text where a number belongs', [18, 1, 65]],
    ['a double where a float belongs', [33, ...many(0, 8)]],
    ['a float that is cut short', [37, 0, 0, 0]],
    ['packed floats that are cut short', [34, 3, 0, 0, 0]],
    ['a length beyond the end', [74, 2, 0]],
    ['a negative length', [74, ...many(255, 9), 1, 0]],
    ['a length of 4 GiB', [74, 255, 255, 255, 255, 15]],
    ['a part that is longer than what holds it', [26, 2, 8, 128, 1]],
    ['a known field as a group', [19, 20]],
    ['a group that never ends', [163, 6, 8, 1]],
    ['a group that ends as another', [163, 6, 172, 6]],
    ['the end of a group that never began', [164, 6]],
    ['groups without end', many(163, 1).concat([6], ...Array.from({ length: 200 }, () => [163, 6]))],
  ])('%s', (_what, bytes) => {
    expect(() => read(...bytes)).toThrow();
  });

  test('while what is merely unknown is passed over', () => {
    const group = [163, 6, 8, 1, 171, 6, 172, 6, 164, 6];
    const bytes = [...group, 160, 6, 1, 165, 6, 0, 0, 0, 0, 161, 6, ...many(0, 8), 162, 6, 1, 65, 16, 7];
    expect(read(...bytes)).toMatchObject({ dataType: 7 });
    expect(fromBinary(TensorProtoSchema, Uint8Array.from(bytes)).dataType).toBe(7);
  });

  test('and depth is counted', () => {
    const nested = (levels: number): Uint8Array => {
      let type: number[] = [];
      const size = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, n >> 7]);
      for (let i = 0; i < levels; i++) {
        const holder = [10, ...size(type.length), ...type];
        type = [34, ...size(holder.length), ...holder];
      }
      return Uint8Array.from(type);
    };
    expect(() => readMessage(nested(40), 'Type')).not.toThrow();
    expect(() => readMessage(nested(60), 'Type')).toThrow(/deep/);
  });
});

test('bytes inside a message are views of the file', () => {
  const bytes = writeMessage('Tensor', { rawData: Uint8Array.of(1, 2, 3) });
  const { rawData } = readMessage<{ rawData: Uint8Array }>(bytes, 'Tensor');
  expect(rawData.buffer).toBe(bytes.buffer);
});
