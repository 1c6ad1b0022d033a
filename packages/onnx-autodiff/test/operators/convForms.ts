/** Convolutions to test with. */

import fc from 'fast-check';
import type { Dim } from '../../src/index.ts';

/** Attributes as the builder takes them. */
export type Attributes = Record<string, number | string | readonly number[]>;

/** A convolution's shapes and attributes. */
export interface Form {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attributes?: Attributes;
  readonly dims?: readonly Dim[];
}

/** One whose dimensions and attributes are all numbers. */
export type GivenForm = Required<Omit<Form, 'dims'>>;

/** Any convolution that makes sense, of 1 to 3 axes. */
export const anyForm: fc.Arbitrary<GivenForm> = fc
  .record({
    rank: fc.integer({ min: 1, max: 3 }),
    group: fc.constantFrom(1, 1, 2, 3),
    channels: fc.integer({ min: 1, max: 2 }),
    outputs: fc.integer({ min: 1, max: 2 }),
    batch: fc.integer({ min: 1, max: 2 }),
  })
  .chain(({ rank, group, channels, outputs, batch }) => {
    const list = (min: number, max: number, length = rank) =>
      fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });
    return fc
      .record({
        kernel: list(1, 3),
        strides: list(1, 3),
        dilations: list(1, 2),
        pads: list(0, 2, 2 * rank),
        room: list(0, 3),
      })
      .map(({ kernel, strides, dilations, pads, room }): GivenForm => {
        const image = kernel.map((k, i) => (dilations[i] as number) * (k - 1) + 1 + (room[i] as number));
        const attributes = { strides, dilations, pads, group };
        return {
          x: [batch, group * channels, ...image],
          w: [group * outputs, channels, ...kernel],
          attributes,
        };
      });
  });
