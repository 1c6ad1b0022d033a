/** State dicts: by name, versioned, and refused when they are for something else. */

import { beforeEach, expect, test } from 'vitest';
import {
  accumulateGradients,
  adamw,
  averageWeights,
  createOptimizer,
  decodeSafetensors,
  decodeState,
  encodeSafetensors,
  encodeState,
  exportState,
  float32Ops,
  float64Ops,
  importState,
  type StateDict,
  setLearningRate,
  vradam,
} from '../src/index.ts';

const make = (...values: number[]) => ({ 'a/kernel': Float64Array.from(values), bias: Float64Array.of(1) });
const optimizer = createOptimizer(float64Ops, vradam({ groups: [{ name: 'biases', match: 'bias' }] }));
let dict: StateDict;

beforeEach(async () => {
  const parameters = make(1, 2, 3);
  let { state } = optimizer.update(parameters, make(0.1, 0.2, 0.3), optimizer.init(parameters));
  ({ state } = optimizer.update(parameters, { 'a/kernel': Float64Array.of(1, 1, 1) }, state));
  dict = await exportState(optimizer, setLearningRate(optimizer, state, 0.5, 'biases'));
});

test('it is plain data keyed by names', () => {
  expect(dict).toMatchObject({
    schema: 'vradam-state/1',
    algorithm: 'vradam',
    step: 2,
    skippedSteps: 0,
    microStep: 0,
    learningRates: { biases: 0.5, default: null },
    parameterSteps: { 'a/kernel': 2, bias: 1 },
  });
  expect(Object.keys(dict.tensors).sort()).toEqual([
    'secondMoment/a/kernel',
    'secondMoment/bias',
    'velocity/a/kernel',
    'velocity/bias',
  ]);
  expect(dict.tensors['velocity/bias']).toEqual({
    dtype: 'F64',
    shape: [1],
    data: Float64Array.of((1 - 0.9) * 1),
  });
});

test('it is a copy: later steps do not change it', async () => {
  const parameters = make(1, 2, 3);
  const state = importState(optimizer, dict, parameters);
  const before = structuredClone(dict);
  optimizer.update(parameters, make(5, 5, 5), state);
  expect(dict).toEqual(before);
});

test('as a safetensors file it comes back whole', () => {
  expect(decodeState(encodeState(dict))).toEqual(dict);
});

test('other tools see the tensors under slot/name', () => {
  expect(Object.keys(decodeSafetensors(encodeState(dict)).tensors)).toContain('velocity/a/kernel');
});

test('a float32 optimizer continues a float64 state', () => {
  const single = createOptimizer(float32Ops, optimizer.spec);
  const parameters = { 'a/kernel': Float32Array.of(1, 2, 3), bias: Float32Array.of(1) };
  const state = importState(single, dict, parameters);
  expect(state.parameters.get('bias')?.slots['velocity']).toEqual(Float32Array.of(0.1));
});

const wrong: [string, string, (dict: StateDict) => StateDict][] = [
  ['another version', 'ERR_STATE_VERSION', (d) => ({ ...d, schema: 'vradam-state/2' })],
  ['another algorithm', 'ERR_STATE_MISMATCH', (d) => ({ ...d, algorithm: 'adamw' })],
  ['another group', 'ERR_STATE_MISMATCH', (d) => ({ ...d, learningRates: { default: null } })],
  ['a parameter too few', 'ERR_STATE_MISMATCH', (d) => ({ ...d, parameterSteps: { bias: 1 } })],
  [
    'a parameter too many',
    'ERR_STATE_MISMATCH',
    (d) => ({ ...d, parameterSteps: { ...d.parameterSteps, c: 0 } }),
  ],
  [
    'a tensor of nobody',
    'ERR_STATE_MISMATCH',
    (d) => ({ ...d, tensors: { ...d.tensors, 'velocity/c': tensorOf(d) } }),
  ],
  [
    'a slot it does not keep',
    'ERR_STATE_MISMATCH',
    (d) => ({ ...d, tensors: { ...d.tensors, 'mean/bias': tensorOf(d) } }),
  ],
  [
    'another shape',
    'ERR_STATE_MISMATCH',
    (d) => ({ ...d, tensors: { ...d.tensors, 'velocity/a/kernel': tensorOf(d) } }),
  ],
  ['a missing slot', 'ERR_STATE_MISMATCH', (d) => ({ ...d, tensors: { 'velocity/bias': tensorOf(d) } })],
  [
    'another dtype',
    'ERR_STATE_MISMATCH',
    (d) => ({
      ...d,
      tensors: { ...d.tensors, 'velocity/bias': { dtype: 'I32', shape: [1], data: Int32Array.of(1) } },
    }),
  ],
];
const tensorOf = (d: StateDict) => d.tensors['velocity/bias'] as StateDict['tensors'][string];

test.each(wrong)('%s is refused', (_, code, change) => {
  expect(() => importState(optimizer, change(dict), make(1, 2, 3))).toThrow(
    expect.objectContaining({ code }),
  );
});

test('slots of a transform are kept, asked for, and refused without it', async () => {
  const decorated = createOptimizer(float64Ops, averageWeights(accumulateGradients(adamw(), { steps: 2 })));
  const parameters = make(1, 2, 3);
  const { state } = decorated.update(parameters, make(1, 1, 1), decorated.init(parameters));
  const saved = await exportState(decorated, state);
  expect(saved.microStep).toBe(1);
  expect(Object.keys(saved.tensors).sort()).toEqual([
    'average/a/kernel',
    'average/bias',
    'gradientSum/a/kernel',
    'gradientSum/bias',
  ]);
  const mismatch = expect.objectContaining({ code: 'ERR_STATE_MISMATCH' });
  expect(() => importState(createOptimizer(float64Ops, adamw()), saved, parameters)).toThrow(mismatch);
  const { 'average/bias': _, ...rest } = saved.tensors;
  expect(() => importState(decorated, { ...saved, tensors: rest }, parameters)).toThrow(mismatch);
});

const damaged: [string, Record<string, string>][] = [
  ['no state', {}],
  ['numbers that are not JSON', { state: '{' }],
  ['numbers that are null', { state: 'null' }],
  [
    'a negative step',
    { state: '{"step":-1,"skippedSteps":0,"microStep":0,"learningRates":{},"parameterSteps":{}}' },
  ],
  [
    'a step that is a text',
    { state: '{"step":"1","skippedSteps":0,"microStep":0,"learningRates":{},"parameterSteps":{}}' },
  ],
  [
    'a rate that is not a number',
    { state: '{"step":1,"skippedSteps":0,"microStep":0,"learningRates":{"a":"x"},"parameterSteps":{}}' },
  ],
];

test.each(damaged)('a file with %s is refused', (_, metadata) => {
  const bytes = encodeSafetensors({ tensors: {}, metadata: { schema: 'vradam-state/1', ...metadata } });
  expect(() => decodeState(bytes)).toThrow(expect.objectContaining({ code: 'ERR_FILE_FORMAT' }));
});

test('a file of another kind is refused by its version', () => {
  const bytes = encodeSafetensors({ tensors: {}, metadata: { format: 'pt' } });
  expect(() => decodeState(bytes)).toThrow(expect.objectContaining({ code: 'ERR_STATE_VERSION' }));
});
