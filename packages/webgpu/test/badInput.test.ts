/** What is wrong is said, with a code and the tensor's name; a step never quietly does nothing. */

import {
  accumulateGradients,
  adamw,
  averageWeights,
  defineOptimizer,
  type OptimizerSpec,
  vradam,
} from '@vradam/core';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  createOptimizer,
  type Gradient,
  type Parameter,
  VRAdamError,
  type WebGPUOptions,
} from '../src/index.ts';
import { needsDevice, newDevice, sharedDevice } from './device.ts';
import { bufferOf, writeAll } from './values.ts';

needsDevice();

let device: GPUDevice;
beforeEach(async () => {
  device = await sharedDevice();
});

const { STORAGE, COPY_SRC, COPY_DST, MAP_WRITE } = { STORAGE: 0x80, COPY_SRC: 4, COPY_DST: 8, MAP_WRITE: 2 };

const coded = (code: string, text: string | RegExp = '') =>
  expect.objectContaining({ code, message: expect.stringMatching(text) });

const create = (parameters: unknown, spec: OptimizerSpec = adamw(), options?: WebGPUOptions) =>
  createOptimizer(device, spec, parameters as Record<string, Parameter>, options);

describe('createOptimizer refuses', () => {
  test.each([
    ['no parameters', {}, 'ERR_OPTION_RANGE'],
    ['nothing', null, 'ERR_OPTION_RANGE'],
    ['a number', { w: 3 }, 'ERR_OPTION_TYPE'],
    ['null', { w: null }, 'ERR_OPTION_TYPE'],
    ['a shape that does not fit', { w: { data: [1, 2], shape: [3] } }, 'ERR_SHAPE_MISMATCH'],
    ['a shape of halves', { w: { data: [1], shape: [0.5] } }, 'ERR_OPTION_TYPE'],
    ['a buffer that is none', { w: { buffer: {} } }, 'ERR_OPTION_TYPE'],
  ])('%s', async (_, parameters, code) => {
    await expect(create(parameters)).rejects.toThrow(VRAdamError);
    await expect(create(parameters)).rejects.toEqual(coded(code));
  });

  test('what is no device', async () => {
    await expect(createOptimizer({} as GPUDevice, adamw(), { w: [1] as never })).rejects.toEqual(
      coded('ERR_OPTION_TYPE'),
    );
    await expect(createOptimizer(undefined as never, adamw(), {})).rejects.toEqual(coded('ERR_OPTION_TYPE'));
  });

  test.each([
    ['nonFinite: throw', () => adamw({ nonFinite: 'throw' })],
    ['two averages', () => averageWeights(averageWeights(adamw()))],
    [
      'batches of batches',
      () => accumulateGradients(accumulateGradients(adamw(), { steps: 2 }), { steps: 2 }),
    ],
    [
      'a transform of a stranger',
      () => ({ ...adamw(), transforms: [{ kind: 'x', options: {}, slots: [], wrap: (p: never) => p }] }),
    ],
    [
      'an algorithm that looks at a whole tensor where it moves',
      () =>
        defineOptimizer(
          {
            name: 'lamb',
            slots: () => [],
            apply: (ops, parameter, { gradient }) => ops.affine(ops.sumPower(gradient, 2), parameter, 0),
          },
          { learningRate: [1, 'rate'], weightDecay: [0, '[0, 1]'] },
          {},
        ),
    ],
  ])('%s', async (_, spec) => {
    await expect(create({ w: new Float32Array(3) }, spec() as OptimizerSpec)).rejects.toEqual(
      coded('ERR_UNSUPPORTED'),
    );
  });

  test.each([
    [{ workgroupSize: 7 }, 'ERR_OPTION_RANGE'],
    [{ workgroupSize: 4096 }, 'ERR_OPTION_RANGE'],
    [{ itemsPerInvocation: 0 }, 'ERR_OPTION_RANGE'],
    [{ items: 3 }, 'ERR_OPTION_UNKNOWN'],
  ])('options %j', async (options, code) => {
    await expect(create({ w: new Float32Array(3) }, adamw(), options as WebGPUOptions)).rejects.toEqual(
      coded(code),
    );
  });

  test('a parameter that needs more than one binding of the device, by name', async () => {
    const elements = device.limits.maxStorageBufferBindingSize / 4 + 1;
    const data = { length: elements } as ArrayLike<number>;
    await expect(create({ small: [1], large: { data } } as never)).rejects.toEqual(coded('ERR_OPTION_TYPE'));
    await expect(create({ large: { data } })).rejects.toEqual(coded('ERR_DEVICE_LIMIT', /"large"/));
  });

  test('buffers that are too small, badly used, mapped, or overlap', async () => {
    const buffer = bufferOf(device, [1, 2, 3, 4]);
    const attempts: [Parameter | Record<string, Parameter>, string, RegExp][] = [
      [{ buffer, shape: [5] }, 'ERR_SHAPE_MISMATCH', /"w" needs 20 bytes. Received: 16/],
      [{ buffer, offset: 8, shape: [3] }, 'ERR_SHAPE_MISMATCH', /"w" needs 12 bytes. Received: 8/],
      [{ buffer, offset: 2 }, 'ERR_OPTION_RANGE', /"w"/],
      [{ buffer, offset: -4 }, 'ERR_OPTION_RANGE', /"w"/],
      [bufferOf(device, [1], STORAGE), 'ERR_BUFFER', /"w" needs usage COPY_SRC and COPY_DST/],
      [bufferOf(device, [1], STORAGE | COPY_SRC), 'ERR_BUFFER', /"w" needs usage COPY_DST/],
      [
        device.createBuffer({ size: 4, usage: COPY_SRC | COPY_DST, mappedAtCreation: true }),
        'ERR_BUFFER',
        /"w" must be unmapped. Received: mapped/,
      ],
    ];
    for (const [w, code, text] of attempts) await expect(create({ w })).rejects.toEqual(coded(code, text));
    const halves = { w: { buffer, shape: [3] }, v: { buffer, offset: 8 } };
    await expect(create(halves)).rejects.toEqual(coded('ERR_BUFFER', /"w" and "v" overlap/));
  });

  test('a buffer of another device, and one that is destroyed, by name', async () => {
    const other = await newDevice();
    const parameters = { mine: bufferOf(device, [1]), foreign: bufferOf(other, [1]) };
    await expect(create(parameters)).rejects.toEqual(coded('ERR_BUFFER', /parameter "foreign"/));
    const dead = bufferOf(device, [1]);
    dead.destroy();
    await expect(create({ mine: bufferOf(device, [1]), dead })).rejects.toEqual(
      coded('ERR_BUFFER', /parameter "dead"/),
    );
    other.destroy();
  });
});

describe('a step refuses', () => {
  const start = () => create({ w: Float32Array.of(1, 2, 3), v: Float32Array.of(1) }, vradam());

  test.each([
    ['an unknown name', () => ({ x: null }), 'ERR_PARAMETER_UNKNOWN', /"x"/],
    ['the name of a method', () => ({ toString: null }), 'ERR_PARAMETER_UNKNOWN', /"toString"/],
    ['numbers', () => ({ w: [1, 2, 3] }), 'ERR_OPTION_TYPE', /"w"/],
    ['a part without a buffer', () => ({ w: { offset: 0 } }), 'ERR_OPTION_TYPE', /"w"/],
    ['a small buffer', () => ({ w: bufferOf(device, [1, 2]) }), 'ERR_SHAPE_MISMATCH', /"w"/],
    [
      'bad usage',
      () => ({ w: bufferOf(device, [1, 2, 3], STORAGE | COPY_DST) }),
      'ERR_BUFFER',
      /"w" needs usage COPY_SRC/,
    ],
    [
      'a mapped buffer',
      () => ({ w: device.createBuffer({ size: 12, usage: MAP_WRITE | COPY_SRC, mappedAtCreation: true }) }),
      'ERR_BUFFER',
      /"w" must be unmapped/,
    ],
  ])('%s, and nothing changes', async (_, gradients, code, text) => {
    const optimizer = await start();
    const before = await optimizer.read();
    const given = gradients() as unknown as Record<string, Gradient>;
    expect(() => optimizer.step(given)).toThrow(coded(code, text));
    expect(() => optimizer.encode(device.createCommandEncoder(), given)).toThrow(coded(code, text));
    expect(await optimizer.read()).toEqual(before);
    expect((await optimizer.stats()).step).toBe(0);
  });

  test('gradients of another device: the next call says which', async () => {
    const other = await newDevice();
    const optimizer = await start();
    optimizer.step({ ...optimizer.gradients, w: bufferOf(other, [1, 2, 3]) });
    await expect(optimizer.stats()).rejects.toEqual(coded('ERR_BUFFER', /gradient "w"/));
    other.destroy();
  });

  test('a buffer destroyed after it was first used: the next call says which', async () => {
    const optimizer = await start();
    const w = bufferOf(device, [1, 2, 3]);
    optimizer.step({ w });
    await optimizer.stats();
    w.destroy();
    optimizer.step({ w });
    await expect(optimizer.stats()).rejects.toEqual(coded('ERR_BUFFER', /gradient "w"/));
  });

  test('after a step that failed the device goes on from the last that did not', async () => {
    const optimizer = await start();
    const dead = bufferOf(device, [1, 2, 3]);
    dead.destroy();
    optimizer.step({ w: dead, v: optimizer.gradients['v'] });
    await expect(optimizer.stats()).rejects.toEqual(coded('ERR_BUFFER'));
    optimizer.step(writeAll(optimizer, { w: [1, 1, 1], v: [1] }));
    const twin = await start();
    twin.step(writeAll(twin, { w: [1, 1, 1], v: [1] }));
    expect(await optimizer.read()).toEqual(await twin.read());
    expect(await optimizer.stats()).toEqual(await twin.stats());
  });

  test('an encoder that takes no more commands', async () => {
    const optimizer = await start();
    const encoder = device.createCommandEncoder();
    encoder.finish();
    optimizer.encode(encoder);
    await expect(optimizer.stats()).rejects.toEqual(coded('ERR_VALIDATION', /recording a step/));
  });

  test('a schedule that gives no legal rate', async () => {
    const optimizer = await create({ w: Float32Array.of(1) }, adamw({ learningRate: () => -1 }));
    expect(() => optimizer.step()).toThrow(coded('ERR_OPTION_RANGE'));
    expect((await optimizer.stats()).step).toBe(0);
  });

  test('anything, once destroyed', async () => {
    const optimizer = await start();
    optimizer.destroy();
    expect(() => optimizer.step()).toThrow(coded('ERR_DISPOSED'));
    await expect(optimizer.stats()).rejects.toEqual(coded('ERR_DISPOSED'));
  });
});

test('setLearningRate refuses negative rates and unknown groups', async () => {
  const optimizer = await create({ w: Float32Array.of(1) });
  expect(() => optimizer.setLearningRate(-1)).toThrow(coded('ERR_OPTION_RANGE'));
  expect(() => optimizer.setLearningRate(1, 'heads')).toThrow(coded('ERR_PARAMETER_UNKNOWN', /heads/));
});
