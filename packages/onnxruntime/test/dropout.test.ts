/** Masks: drawn from the seed and the pass, with the share that was asked for. */

import { expect, test } from 'vitest';
import { drawMasks } from '../src/dropout.ts';
import type { Mask } from '../src/graphs.ts';

const mask = (ratio: number, ...shape: (number | string)[]): Mask => ({ name: 'mask', shape, ratio });
const draw = (at: Mask, seed = 1, pass = 0) =>
  drawMasks([at], { batch: 50 }, seed, pass)[0]?.data as Float32Array;

test.each([0.1, 0.2, 0.5, 0.9])('a share of %d is dropped, the rest makes up for it', (ratio) => {
  const data = draw(mask(ratio, 'batch', 4001));
  expect(data.length).toBe(50 * 4001);
  const dropped = data.filter((x) => x === 0).length / data.length;
  // five standard deviations
  expect(Math.abs(dropped - ratio)).toBeLessThan(5 * Math.sqrt((ratio * (1 - ratio)) / data.length));
  const rest = new Set(data.filter((x) => x !== 0));
  expect(rest.size).toBe(1);
  expect(([...rest][0] ?? 0) * (1 - ratio)).toBeCloseTo(1, 3);
});

test('neighbours, passes and seeds have nothing in common', () => {
  const at = mask(0.5, 'batch', 2000);
  const correlation = (a: Float32Array, b: Float32Array) =>
    a.reduce((sum, x, i) => sum + (x - 1) * ((b[i] ?? 1) - 1), 0) / a.length;
  const [one, nextPass, nextSeed] = [draw(at, 1, 0), draw(at, 1, 1), draw(at, 2, 0)];
  for (const other of [nextPass, nextSeed, one.slice(1), one.slice(2)]) {
    expect(Math.abs(correlation(one.slice(0, other.length), other))).toBeLessThan(
      5 / Math.sqrt(other.length),
    );
  }
  expect(draw(at, 1, 0)).toEqual(one);
});

test('everything dropped is zeros, not NaN', () => {
  expect(new Set(draw(mask(1, 3, 5)))).toEqual(new Set([0]));
});

test('a size that the feeds do not tell is refused by name', () => {
  expect(() => draw(mask(0.5, 'tokens'))).toThrow(/mask .* tokens/);
});
