import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backward, buildModel, type Dim, GraphBuilder, type Value } from '../../src/index.ts';
import type { ImageForm, KernelForm } from '../../src/operators/convCost.ts';
import { imageGradient } from '../../src/operators/convImage.ts';
import { kernelGradient } from '../../src/operators/convKernel.ts';
import { windowsOf } from '../../src/operators/windows.ts';
import { checkGradients, openRandom } from '../checkGradients.ts';
import { checkShapes, counted } from '../checkShapes.ts';
import { type HostTensor, runModel } from '../runtime.ts';

/** A convolution's shapes and attributes. */
interface Form {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attributes?: Record<string, number | string | readonly number[]>;
  readonly dims?: readonly Dim[];
}

const check = ({ x, w, attributes = {}, dims }: Form, bias = false): Promise<void> =>
  checkGradients({
    inputs: { x, w, ...(bias ? { b: [w[0] as number] } : {}) },
    ...(dims ? { dims: { x: dims } } : {}),
    dtype: 'float32',
    build: (g, { x, w, b }) => g.op('Conv', [x, w, b], attributes),
  });

const forms: Record<string, Form> = {
  '1-D': { x: [2, 2, 5], w: [3, 2, 3], attributes: { pads: [1, 1] } },
  '1-D in steps, taps apart': { x: [1, 2, 9], w: [2, 2, 3], attributes: { strides: [2], dilations: [2] } },
  '2-D': { x: [2, 2, 4, 4], w: [2, 2, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
  '2-D in steps that leave a rest': { x: [1, 2, 6, 5], w: [2, 2, 3, 2], attributes: { strides: [2, 3] } },
  '2-D, more zeros than the kernel reaches over': {
    x: [1, 1, 3, 3],
    w: [2, 1, 2, 2],
    attributes: { pads: [3, 0, 1, 2] },
  },
  '2-D of one element': { x: [2, 3, 3, 3], w: [2, 3, 1, 1] },
  '2-D of one element, in steps': { x: [2, 2, 4, 5], w: [2, 2, 1, 1], attributes: { strides: [2, 2] } },
  '2-D patches': { x: [2, 2, 5, 4], w: [3, 2, 2, 2], attributes: { strides: [2, 2], kernel_shape: [2, 2] } },
  '2-D of the whole image': { x: [2, 2, 3, 3], w: [2, 2, 3, 3] },
  '2-D in groups': { x: [1, 4, 4, 3], w: [4, 2, 2, 2], attributes: { group: 2, pads: [0, 1, 1, 0] } },
  '2-D depthwise': { x: [2, 3, 4, 4], w: [3, 1, 3, 3], attributes: { group: 3, pads: [1, 1, 1, 1] } },
  '2-D depthwise in steps, twice as many results': {
    x: [1, 2, 5, 4],
    w: [4, 1, 2, 2],
    attributes: { group: 2, strides: [2, 1] },
  },
  '3-D': { x: [1, 2, 3, 3, 2], w: [2, 2, 2, 2, 2], attributes: { pads: [1, 0, 0, 0, 1, 0] } },
  '3-D in steps, taps apart': {
    x: [1, 1, 5, 3, 4],
    w: [1, 1, 2, 2, 2],
    attributes: { strides: [1, 1, 2], dilations: [2, 1, 1] },
  },
  SAME_UPPER: { x: [1, 1, 5, 6], w: [1, 1, 3, 2], attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] } },
  SAME_LOWER: { x: [1, 1, 5, 6], w: [1, 1, 3, 2], attributes: { auto_pad: 'SAME_LOWER', strides: [2, 3] } },
  VALID: { x: [1, 1, 5, 6], w: [1, 1, 3, 2], attributes: { auto_pad: 'VALID' } },
};

describe('Conv has the gradients of its formula', () => {
  test.each(Object.entries(forms))('%s', (_, form) => check(form, true));
});

describe('Conv with sizes that only the running graph knows', () => {
  test.each(Object.entries(forms))('%s: a symbolic batch', (_, form) =>
    check({ ...form, dims: ['batch', ...form.x.slice(1)] }),
  );

  const open = (form: Form): Form => ({
    ...form,
    dims: ['batch', form.x[1] as number, ...form.x.slice(2).map((_, i) => `size${i}`)],
  });
  test.each(Object.entries(forms))('%s: a symbolic image', (_, form) => check(open(form)));
});
