/** What a user sees: an arena whose views stay valid, clear errors, states that go on. */

import { adamw, createOptimizer, exportState, importState, vradam } from '@vradam/core';
import { describe, expect, test } from 'vitest';
import { momentKernels, otherKernels } from '../src/binary.ts';
import {
  arenaSize,
  createWasmOps,
  instantiateKernels,
  instantiateMomentKernels,
  type WasmOps,
} from '../src/index.ts';

const gradient = (length: number, step: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.cos(i * step + step));

describe('the arena', () => {
  test('holds parameters and state in one memory, where arenaSize says that they fit', () => {
    const parameters = { a: new Float32Array(1001), b: new Float32Array(3) };
    const spec = vradam();
    const ops = createWasmOps({ arena: arenaSize(parameters, spec) });
    const optimizer = createOptimizer(ops, spec);
    const own = { a: ops.fromArray(parameters.a, [1001]), b: ops.fromArray(parameters.b, [3]) };
    const gradients = { a: gradient(1001, 1), b: gradient(3, 1) };
    const { state } = optimizer.update(own, gradients, optimizer.init(own));
    const arrays = [...state.parameters.values()].flatMap(({ slots }) => Object.values(slots));
    expect(arrays).toHaveLength(4);
    for (const array of arrays) expect(array.buffer).toBe(own.a.buffer);
  });

  test('keeps views valid, however much more is made', () => {
    const ops = createWasmOps({ arena: 4096 });
    const first = ops.fromArray([1, 2, 3], [3]);
    const many = Array.from({ length: 100 }, (_, i) => ops.fromArray(gradient(500, i), [500]));
    expect([...first]).toEqual([1, 2, 3]);
    for (const [i, array] of many.entries()) expect(array).toEqual(gradient(500, i));
  });

  test('has room again for what was released, as zeros', () => {
    const ops = createWasmOps({ arena: 64 });
    const before = ops.fromArray([1, 2, 3], [3]);
    ops.dispose(before);
    const after = ops.zerosLike(new Float32Array(3));
    expect(after.byteOffset).toBe(before.byteOffset);
    expect([...after]).toEqual([0, 0, 0]);
  });

  test('gives room to one array only, even if it was released twice', () => {
    const ops = createWasmOps({ arena: 64 });
    const before = ops.fromArray([1, 2, 3], [3]);
    ops.dispose(before);
    ops.dispose(before);
    const [first, second] = [ops.zerosLike(new Float32Array(3)), ops.zerosLike(new Float32Array(3))];
    first.fill(7);
    expect([...second]).toEqual([0, 0, 0]);
  });

  test("knows another arena's arrays, and parts of its own, by copying them", () => {
    const [ops, other] = [createWasmOps({ arena: 64 }), createWasmOps({ arena: 64 })];
    for (const x of [other.fromArray([1, 1, 1], [3]), ops.fromArray([1, 1, 1, 1], [4]).subarray(1)]) {
      const optimizer = createOptimizer(ops, adamw({ learningRate: 0.5, weightDecay: 0 }));
      optimizer.update({ x }, { x: Float32Array.of(1, 2, -3) }, optimizer.init({ x }));
      expect([...x]).toEqual([0.5, 0.5, 1.5]);
    }
  });

  test('holds empty arrays and scalars', async () => {
    const ops = createWasmOps({ arena: 64 });
    expect(ops.fromArray([], [0])).toHaveLength(0);
    expect(await ops.toArray(ops.fromArray([7], []))).toEqual(new Float32Array([7]));
  });
});

test('a step makes no arrays: memory of 2,000 steps does not grow with the parameters', () => {
  const [length, spec] = [100_000, vradam()];
  const ops = createWasmOps({ arena: 4 * length });
  const optimizer = createOptimizer(ops, spec);
  let parameters: Readonly<Record<string, Float32Array>> = {
    x: ops.fromArray(gradient(length, 1), [length]),
  };
  let state = optimizer.init(parameters);
  const gradients = { x: gradient(length, 2) };
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 2000; i++) ({ parameters, state } = optimizer.update(parameters, gradients, state));
  // one array a step would be 800 MB
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * length);
});

test('a state that was saved goes on bit for bit, in an arena or outside of one', async () => {
  const spec = adamw({ learningRate: 0.01 });
  const train = (ops: WasmOps, from: Float32Array, steps: number[], saved?: unknown) => {
    const optimizer = createOptimizer(ops, spec);
    let parameters: Readonly<Record<string, Float32Array>> = { x: ops.fromArray(from, [from.length]) };
    let state = saved ? importState(optimizer, saved as never, parameters) : optimizer.init(parameters);
    for (const step of steps)
      ({ parameters, state } = optimizer.update(parameters, { x: gradient(from.length, step) }, state));
    return { x: parameters['x'] as Float32Array, saved: exportState(optimizer, state) };
  };
  const start = gradient(37, 9);
  const whole = train(createWasmOps({ arena: 1000 }), start, [1, 2, 3, 4, 5, 6]);
  const half = train(createWasmOps({ arena: 1000 }), start, [1, 2, 3]);
  const rest = train(createWasmOps(), half.x, [4, 5, 6], await half.saved);
  expect(rest.x).toEqual(Float32Array.from(whole.x));
});

test('a module has less than 4 KiB: so much may be compiled on the main thread of any browser', () => {
  for (const hex of [momentKernels, otherKernels]) expect(Buffer.from(hex, 'hex').length).toBeLessThan(4096);
});

test('the kernels of VRAdam and AdamW are there alone, too', () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const [few, all] = [instantiateMomentKernels(memory), instantiateKernels(memory)];
  expect(Object.keys(few).sort()).toEqual(['descendTo', 'moments', 'nonFinite', 'sumSquares']);
  expect(Object.keys(all)).toEqual(expect.arrayContaining([...Object.keys(few), 'glide', 'rmsprop', 'sgd']));
  new Float32Array(memory.buffer, 0, 5).set([1, 2, 3, 4, 5]);
  expect([few.sumSquares(0, 5), all.sumSquares(0, 5)]).toEqual([55, 55]);
});

describe('what is wrong is said', () => {
  test('slots of another length, and nothing is written past them', () => {
    const ops = createWasmOps({ arena: 1000 });
    const kernel = ops.kernels?.('momentum', { beta1: 0.5 });
    const velocity = ops.zerosLike(new Float32Array(16));
    const next = ops.zerosLike(new Float32Array(16));
    const entry = { name: 'x', group: 0, gradient: new Float32Array(32).fill(1), slots: { velocity } };
    expect(() => kernel?.accumulate({ ...entry, step: 1, weightDecay: 0 }, {})).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
    expect([...velocity, ...next].every((value) => value === 0)).toBe(true);
  });

  test.each([
    ['an option that is not there', { arenas: 1 }, 'ERR_OPTION_UNKNOWN'],
    ['a fraction of an element', { arena: 1.5 }, 'ERR_OPTION_RANGE'],
    ['less than nothing', { arena: -1 }, 'ERR_OPTION_RANGE'],
    ['more than addresses reach', { arena: 2 ** 30 }, 'ERR_OPTION_RANGE'],
    ['SIMD by force', { simd: true }, 'ERR_OPTION_TYPE'],
  ])('%s', (_, options, code) => {
    expect(() => createWasmOps(options as never)).toThrow(expect.objectContaining({ code }));
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('a gradient with %s, and nothing changed', (bad) => {
    const ops = createWasmOps({ arena: 1000 });
    const optimizer = createOptimizer(ops, vradam());
    const x = ops.fromArray(gradient(50, 1), [50]);
    for (const at of [0, 3, 8, 47, 49]) {
      const broken = gradient(50, 2);
      broken[at] = bad;
      expect(() => optimizer.update({ x }, { x: broken }, optimizer.init({ x }))).toThrow(
        expect.objectContaining({ code: 'ERR_NON_FINITE' }),
      );
      expect(x).toEqual(gradient(50, 1));
    }
  });
});
