/** Safetensors files: what is written is read back, and what is broken is refused. */

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile, VRAdamError } from '../src/index.ts';

const file: SafetensorsFile = {
  metadata: { format: 'pt', note: 'żółw 🐢' },
  tensors: {
    'layer/weight': { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, -2, 3.5, Number.NaN, -0, 1e-45) },
    scalar: { dtype: 'F64', shape: [], data: Float64Array.of(Math.PI) },
    empty: { dtype: 'F32', shape: [0, 3], data: new Float32Array(0) },
    counts: { dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) },
    half: { dtype: 'BF16', shape: [3], data: Uint16Array.of(1, 2, 3) },
    mask: { dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) },
  },
};

test('all dtypes, empty tensors, scalars and metadata come back as they were', () => {
  expect(decodeSafetensors(encodeSafetensors(file))).toEqual(file);
});

test('the same contents give the same bytes, whatever the order of names', () => {
  const reversed = Object.fromEntries(Object.entries(file.tensors).reverse());
  expect(encodeSafetensors({ ...file, tensors: reversed })).toEqual(encodeSafetensors(file));
});

test('the layout is that of the format: length, JSON padded with spaces to 8, aligned data', () => {
  const bytes = encodeSafetensors(file);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(length % 8).toBe(0);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  expect(header.__metadata__).toEqual(file.metadata);
  const [begin, end] = header['layer/weight'].data_offsets;
  const data = bytes.slice(8 + length + begin, 8 + length + end);
  expect(new Float32Array(data.buffer)).toEqual(file.tensors['layer/weight']?.data);
});

test('a file inside a larger buffer, at an odd offset, is read', () => {
  const bytes = encodeSafetensors(file);
  const larger = new Uint8Array(bytes.length + 10);
  larger.set(bytes, 3);
  expect(decodeSafetensors(larger.subarray(3, 3 + bytes.length))).toEqual(file);
});

test('a Buffer, whose slices share memory, is read like any other bytes', () => {
  const pooled = Buffer.from(encodeSafetensors(file));
  expect(decodeSafetensors(pooled)).toEqual(file);
});

test('tensors survive a round trip (property)', () => {
  const tensor = fc
    .float32Array({ maxLength: 20 })
    .map((data) => ({ dtype: 'F32' as const, shape: [data.length], data }));
  const names = fc.string().filter((name) => name !== '__metadata__' && name !== '__proto__');
  fc.assert(
    fc.property(fc.dictionary(names, tensor, { noNullPrototype: true }), (tensors) => {
      expect(decodeSafetensors(encodeSafetensors({ tensors, metadata: {} })).tensors).toEqual(tensors);
    }),
  );
});

/** A file with a hand-made header. */
function withHeader(header: unknown, data = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const four = new Uint8Array(4);
const tensor = (change: object) => ({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...change } });

const broken: [string, Uint8Array][] = [
  ['no bytes', new Uint8Array(0)],
  ['a header length beyond the file', Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 1)],
  ['a header that is not JSON', withHeader('{"a": ')],
  ['a header that is not UTF-8', new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe])],
  ['a header that is an array', withHeader([])],
  ['a header that is null', withHeader('null')],
  ['a tensor that is null', withHeader({ a: null })],
  ['an unknown dtype', withHeader(tensor({ dtype: 'F8' }), four)],
  ['a dtype from the prototype', withHeader(tensor({ dtype: 'toString' }), four)],
  ['a negative size', withHeader(tensor({ shape: [-1] }), four)],
  ['a fractional size', withHeader(tensor({ shape: [0.5] }), four)],
  ['a shape too large to count', withHeader(tensor({ shape: [2 ** 50, 2 ** 50] }), four)],
  ['a shape that does not fit the offsets', withHeader(tensor({ shape: [2] }), four)],
  ['an end beyond the data', withHeader(tensor({ shape: [2], data_offsets: [0, 8] }), four)],
  ['an end before its begin', withHeader(tensor({ shape: [], data_offsets: [4, 0] }), four)],
  ['one offset', withHeader(tensor({ data_offsets: [0] }), four)],
  ['a hole', withHeader(tensor({ shape: [0], data_offsets: [4, 4] }), four)],
  ['an overlap', withHeader({ ...tensor({}), b: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, four)],
  ['bytes at the end', withHeader(tensor({}), new Uint8Array(5))],
  ['metadata that are not texts', withHeader({ __metadata__: { a: 1 } })],
];

test.each(broken)('%s is refused', (_, bytes) => {
  expect(() => decodeSafetensors(bytes)).toThrow(expect.objectContaining({ code: 'ERR_FILE_FORMAT' }));
});

test('every truncation is refused', () => {
  const bytes = encodeSafetensors(file);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeSafetensors(bytes.subarray(0, length)), `${length} bytes`).toThrow(VRAdamError);
  }
});

test('random damage gives a file or a VRAdamError, never another exception (property)', () => {
  const bytes = encodeSafetensors(file);
  fc.assert(
    fc.property(
      fc.nat(bytes.length - 1),
      fc.nat(255),
      fc.nat(bytes.length - 1),
      fc.nat(255),
      (i, a, j, b) => {
        const damaged = bytes.slice();
        damaged[i] = a;
        damaged[j] = b;
        try {
          decodeSafetensors(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(VRAdamError);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('data and shape that disagree are not written', () => {
  const wrong = { a: { dtype: 'F32' as const, shape: [3], data: new Float32Array(2) } };
  expect(() => encodeSafetensors({ tensors: wrong, metadata: {} })).toThrow(
    expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
  );
  const reserved = { __metadata__: { dtype: 'F32' as const, shape: [], data: new Float32Array(1) } };
  expect(() => encodeSafetensors({ tensors: reserved, metadata: {} })).toThrow(VRAdamError);
});
