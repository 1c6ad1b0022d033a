/** Options are checked once, at construction, and the error says what is legal. */

import { expect, test } from 'vitest';
import {
  accumulateGradients,
  adamw,
  averageWeights,
  clipByGlobalNorm,
  createOptimizer,
  float64Ops,
  maskWeightDecay,
  momentum,
  type NameMatch,
  rmsprop,
  sgd,
  VRAdamError,
  vradam,
  vrMomentum,
} from '../src/index.ts';

const factories = { vradam, adamw, sgd, rmsprop, momentum, vrMomentum };
type Options = Readonly<Record<string, unknown>>;

/** The code and message of what a call throws. */
function thrown(call: () => unknown): { code: string; message: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof VRAdamError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** The resolved options of the default group. */
const resolved = (spec: { groups: readonly { options: object }[] }) => spec.groups.at(-1)?.options;

test('defaults are those of the design', () => {
  expect(resolved(vradam())).toEqual({
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    beta3: 1,
    lrCutoff: 19,
    epsilon: 1e-8,
    weightDecay: 1e-5,
    power: 2,
    normGrad: false,
  });
  expect(resolved(adamw())).toEqual({
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.01,
  });
  expect(resolved(rmsprop())).toMatchObject({ learningRate: 0.01, alpha: 0.99, epsilon: 1e-8 });
  expect(resolved(vrMomentum())).toMatchObject({ beta1: 0.9, beta3: 1, lrCutoff: 19, weightDecay: 0 });
});

test('an option given as undefined takes its default', () => {
  expect(resolved(vradam({ beta1: undefined } as Options))).toEqual(resolved(vradam()));
});

const illegal: [keyof typeof factories, Options][] = [
  ['vradam', { learningRate: -1 }],
  ['vradam', { learningRate: Number.NaN }],
  ['vradam', { learningRate: Number.POSITIVE_INFINITY }],
  ['vradam', { beta1: 1 }],
  ['vradam', { beta1: -0.1 }],
  ['vradam', { beta2: 1.2 }],
  ['vradam', { beta3: -1 }],
  ['vradam', { lrCutoff: -1 }],
  ['vradam', { lrCutoff: Number.NaN }],
  ['vradam', { epsilon: -1e-8 }],
  ['vradam', { weightDecay: Number.POSITIVE_INFINITY }],
  ['vradam', { power: 0 }],
  ['vradam', { normGrad: 1 }],
  ['vradam', { normGrad: 'true' }],
  ['vradam', { nonFinite: 'ignore' }],
  ['adamw', { weightDecay: -1 }],
  ['sgd', { momentum: -0.1 }],
  ['sgd', { dampening: Number.NaN }],
  ['sgd', { nesterov: 'yes' }],
  ['rmsprop', { alpha: 1.1 }],
  ['rmsprop', { centered: 0 }],
  ['momentum', { beta1: 1 }],
  ['vrMomentum', { power: Number.NaN }],
];

test.each(illegal)('%s refuses %o, and names the option and what it received', (name, options) => {
  const [[key, value]] = Object.entries(options) as [[string, unknown]];
  const { code, message } = thrown(() => factories[name](options));
  expect(code).toBe('ERR_OPTION_RANGE');
  expect(message).toContain(`[@vradam/core] ${name}: ${key} must be in `);
  expect(message).toContain(`Received: ${typeof value === 'string' ? JSON.stringify(value) : value}.`);
});

test.each([{ learningRate: '0.1' }, { beta1: null }, { beta3: true }, { lrCutoff: [19] }])(
  'a wrong type: %o',
  (options) => {
    expect(thrown(() => vradam(options as Options)).code).toBe('ERR_OPTION_TYPE');
  },
);

test('an unknown option is refused with the list of known ones', () => {
  const { code, message } = thrown(() => vradam({ lr: 0.1 } as Options));
  expect(code).toBe('ERR_OPTION_UNKNOWN');
  expect(message).toMatch(/"lr".*learningRate, beta1/);
  expect(thrown(() => adamw({ beta3: 1 } as Options)).code).toBe('ERR_OPTION_UNKNOWN');
  expect(thrown(() => sgd(JSON.parse('{"__proto__": 1}') as Options)).code).toBe('ERR_OPTION_UNKNOWN');
});

test('a number in place of options, as tf.train.adam takes it, is refused', () => {
  expect(thrown(() => vradam(0.001 as unknown as Options)).code).toBe('ERR_OPTION_TYPE');
  expect(thrown(() => vradam(null as never)).code).toBe('ERR_OPTION_TYPE');
  expect(thrown(() => vradam({ groups: { match: 'a' } } as never)).code).toBe('ERR_OPTION_TYPE');
});

test('the limits themselves are legal', () => {
  expect(() =>
    vradam({ learningRate: 0, beta1: 0, beta2: 0, beta3: 0, lrCutoff: Number.POSITIVE_INFINITY }),
  ).not.toThrow();
  expect(() => vradam({ epsilon: 0, weightDecay: 0, power: 0.5 })).not.toThrow();
  expect(() => rmsprop({ alpha: 1, momentum: 0 })).not.toThrow();
  expect(() => sgd({ dampening: -1 })).not.toThrow();
});

test('options of a group are checked too, and group names must differ', () => {
  const group = (options: Options) => vradam({ groups: [{ match: 'a', ...options }] });
  expect(thrown(() => group({ beta1: 2 })).message).toContain('group group0: beta1');
  expect(thrown(() => group({ nonFinite: 'skip' })).code).toBe('ERR_OPTION_UNKNOWN');
  expect(thrown(() => vradam({ groups: [{ match: 'a', name: 'default' }] })).message).toContain(
    'names must differ',
  );
  expect(thrown(() => vradam({ groups: [{ match: 7 as unknown as NameMatch }] })).code).toBe(
    'ERR_OPTION_TYPE',
  );
});

test('transforms check their options', () => {
  const spec = vradam();
  expect(thrown(() => clipByGlobalNorm(spec, { maxNorm: 0 })).code).toBe('ERR_OPTION_RANGE');
  expect(thrown(() => clipByGlobalNorm(spec, { norm: 1 } as never)).code).toBe('ERR_OPTION_UNKNOWN');
  expect(thrown(() => clipByGlobalNorm(spec, {} as never)).message).toContain(
    'maxNorm must be a number. Received: undefined',
  );
  expect(thrown(() => accumulateGradients(spec, { steps: 1.5 })).code).toBe('ERR_OPTION_RANGE');
  expect(thrown(() => accumulateGradients(spec, { steps: 0 })).code).toBe('ERR_OPTION_RANGE');
  expect(thrown(() => averageWeights(spec, { decay: 1 })).code).toBe('ERR_OPTION_RANGE');
  expect(thrown(() => maskWeightDecay(spec, 1 as unknown as NameMatch)).code).toBe('ERR_OPTION_TYPE');
});

test('a backend that does not see values refuses to look for bad ones, and propagates by default', () => {
  const { countNonFinite: _, ...blind } = float64Ops;
  expect(thrown(() => createOptimizer(blind, vradam({ nonFinite: 'throw' }))).code).toBe('ERR_UNSUPPORTED');
  expect(thrown(() => createOptimizer(blind, vradam({ nonFinite: 'skip' }))).code).toBe('ERR_UNSUPPORTED');
  const optimizer = createOptimizer(blind, vradam());
  const w = Float64Array.of(1);
  optimizer.update({ w }, { w: Float64Array.of(Number.NaN) }, optimizer.init({ w }));
  expect(w[0]).toBeNaN();
});

test('names match by name, list, regular expression (also a global one) or function', () => {
  const matches: NameMatch[] = ['a.bias', ['x', 'a.bias'], /bias$/, /bias/g, (name) => name.endsWith('bias')];
  for (const match of matches) {
    const optimizer = createOptimizer(
      float64Ops,
      sgd({ learningRate: 1, groups: [{ match, learningRate: 0 }] }),
    );
    for (let round = 0; round < 2; round++) {
      const parameters = { 'a.weight': Float64Array.of(1), 'a.bias': Float64Array.of(1) };
      const { state } = optimizer.update(parameters, parameters, optimizer.init(parameters));
      expect(state.step).toBe(1);
      expect([parameters['a.weight'][0], parameters['a.bias'][0]]).toEqual([0, 1]);
    }
  }
});
