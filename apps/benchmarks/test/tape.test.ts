/** A model and an optimizer as plain data are the model and the optimizer. */

import {
  accumulateGradients,
  adamw,
  clipByGlobalNorm,
  maskWeightDecay,
  vradam,
  warmupCosine,
} from '@vradam/core';
import { expect, test } from 'vitest';
import { pack, unpack } from '../src/engines/chromium/messages.ts';
import { describeSpec, RateTable, ratesAround, specOf } from '../src/engines/chromium/spec.ts';
import { startEngine } from '../src/engines/index.ts';
import { summarize } from '../src/nn/shapes.ts';
import { playTape, recordNetwork, type Tape } from '../src/nn/tape.ts';
import { neverZeroGradients } from '../src/tasks/languageModel/accumulateBug.ts';
import { lossesOn, smokes } from './smoke.ts';

/** What becomes of something on its way to a page. */
const sent = <T>(thing: T): T => (unpack(pack({ value: thing })) as { value: T }).value;

test('numbers, typed arrays and what is not there arrive as they are', () => {
  const thing = {
    floats: Float32Array.of(1.5, Number.NaN, -0),
    integers: new Int32Array([1, -2, 3]).subarray(1),
    doubles: Float64Array.of(Math.PI),
    bytes: Uint8Array.of(1, 2),
    odd: [Number.POSITIVE_INFINITY, Number.NaN, null],
  };
  expect(sent(thing)).toEqual(thing);
  expect(sent({ left: undefined })).toEqual({});
});

test.each(Object.entries(smokes))('%s: a network that was sent trains to the same bits', async (_, smoke) => {
  const network = playTape(sent<Tape>(recordNetwork(smoke.network)));
  expect(summarize(network)).toEqual(summarize(smoke.network));
  const engine = await startEngine('onnxruntime-node');
  expect(await lossesOn(engine, { ...smoke, network })).toEqual(await lossesOn(engine, smoke));
});

test('an optimizer that was sent has the same rules, groups, rates and transforms', () => {
  const learningRate = warmupCosine({ learningRate: 1e-2, warmup: 4, total: 40 });
  const groups = [{ name: 'heads', match: /^head/, learningRate: 0.5, lrCutoff: Number.POSITIVE_INFINITY }];
  const plain = maskWeightDecay(vradam({ learningRate, groups }), (name) => !name.endsWith('bias'));
  const spec = neverZeroGradients(clipByGlobalNorm(plain, { maxNorm: 2 }));
  const names = ['head.weight', 'head.bias', 'body.weight', 'body.bias'];
  const rates = new RateTable();
  const made = specOf(sent(describeSpec(spec, names)), rates);
  rates.add(sent(ratesAround(spec, 7)));
  expect(made.algorithm).toBe(spec.algorithm);
  expect(made.transforms.map(({ kind, options }) => [kind, options])).toEqual([
    ['clipByGlobalNorm', { maxNorm: 2 }],
    ['neverZeroGradients', {}],
  ]);
  for (const [i, group] of spec.groups.entries()) {
    const { name, match, options } = made.groups[i] as typeof group;
    expect([name, names.map(match)]).toEqual([group.name, names.map(group.match)]);
    const { learningRate: rate, ...rest } = options;
    const { learningRate: wanted, ...others } = group.options;
    expect(rest).toEqual(others);
    const at = (one: typeof rate, step: number) => (typeof one === 'function' ? one(step) : one);
    for (const step of [6, 7, 8]) expect(at(rate, step)).toBe(at(wanted, step));
  }
  expect(names.map(made.decays)).toEqual(names.map(spec.decays));
});

test('what a page does not know is refused by name', () => {
  const unknown = { ...adamw(), algorithm: { ...adamw().algorithm, name: 'lion' } };
  expect(() => describeSpec(unknown, [])).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  expect(() => describeSpec(unknown, [])).toThrow(/lion/);
  const known = accumulateGradients(adamw(), { steps: 2 });
  const transforms = known.transforms.map((one) => ({ ...one, kind: 'mirror' }));
  expect(() => describeSpec({ ...known, transforms }, [])).toThrow(/mirror/);
});
