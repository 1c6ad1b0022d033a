/** Axes and labels of the panels. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { axisOf, logTicks, share, spread } from '../src/report/figures/axes.ts';
import { drawCurves } from '../src/report/figures/curves.ts';
import { lookOf, palette, themed, themes } from '../src/report/figures/palette.ts';

describe('labels', () => {
  const places = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { minLength: 1, maxLength: 8 });

  test('are at least a line apart, above the bottom, and in their order', () => {
    fc.assert(
      fc.property(places, (wanted) => {
        const found = spread(wanted, 13, 200);
        const sorted = [...found].sort((a, b) => a - b);
        sorted.slice(1).forEach((place, i) => {
          expect(place - sorted[i]!).toBeGreaterThanOrEqual(13 - 1e-9);
        });
        expect(sorted.at(-1)!).toBeLessThanOrEqual(200 + 1e-9);
        wanted.forEach((a, i) => {
          wanted.forEach((b, j) => {
            if (a < b) expect(found[i]!).toBeLessThan(found[j]!);
          });
        });
      }),
    );
  });

  test('stay where they are if there is room', () => {
    expect(spread([10, 100, 50], 13, 200)).toEqual([10, 100, 50]);
  });
});

describe('an axis', () => {
  const value = fc.double({ min: 1e-6, max: 1e6, noNaN: true });

  test('holds all values, and is logarithmic if they are far apart', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 2, maxLength: 20 }), (values) => {
        const axis = axisOf(values);
        expect(axis.domain[0]).toBeLessThan(Math.min(...values));
        expect(axis.domain[1]).toBeGreaterThan(Math.max(...values));
        expect(axis.type).toBe(Math.max(...values) / Math.min(...values) > 30 ? 'log' : 'linear');
        const sorted = [...values].sort((a, b) => a - b).map((each) => share(axis, each));
        expect(sorted).toEqual([...sorted].sort((a, b) => a - b));
      }),
    );
  });

  test('is linear as soon as a value is 0 or less', () => {
    expect(axisOf([0, 1000], true).type).toBe('linear');
    expect(axisOf([-1, 1000]).type).toBe('linear');
  });

  test('has few logarithmic ticks, all inside, with at least one for each hundredfold', () => {
    fc.assert(
      fc.property(value, fc.double({ min: 10, max: 1e9, noNaN: true }), (low, factor) => {
        const ticks = logTicks(low, low * factor);
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThanOrEqual(7);
        expect(ticks.every((tick) => tick >= low && tick <= low * factor)).toBe(true);
      }),
    );
  });
});

describe('colours', () => {
  const optimizers = ['vradam', 'vradam-gradient-norm', 'adamw', 'adam', 'sgd-nesterov', 'rmsprop'];

  /** Relative luminance. See WCAG 2, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
  function luminance(color: string): number {
    const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255) as [
      number,
      number,
      number,
    ];
    const linear = (part: number) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  }
  const contrast = (a: string, b: string): number => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
    return (high + 0.05) / (low + 0.05);
  };
  const darkOf = (name: string): string =>
    new RegExp(`--${name}: (#\\w{6})`).exec(themes.dark)?.[1] as string;

  test.each(optimizers)('of %s can be read as text, in the light and in the dark', (optimizer) => {
    expect(contrast(lookOf(optimizer).ink, palette.paper)).toBeGreaterThan(4.5);
    const name = /--([\w-]+)/.exec(themed(lookOf(optimizer).ink))?.[1] as string;
    expect(contrast(darkOf(name), darkOf('paper'))).toBeGreaterThan(4.5);
  });

  test('of a themed figure all come from the page', () => {
    const look = lookOf('vradam');
    const points = [1, 2, 3].map((step) => ({ step, mean: step, low: step, high: step + 1 }));
    const { svg } = drawCurves({
      curves: [{ look, points, failed: true }],
      levels: [{ label: 'level', value: 2, side: 'left' }],
      xLabel: 'step',
      description: 'a figure',
    });
    expect(svg).toContain(palette.vradam);
    expect(svg).toContain('VRAdam NaN');
    expect(themed(svg)).not.toMatch(/#[0-9a-f]{6}/);
  });

  test('an unknown optimizer is grey, whatever it is called', () => {
    for (const name of ['lion', 'constructor', '__proto__']) {
      expect(lookOf(name)).toEqual({ name, color: palette.faint, ink: palette.faint });
    }
  });
});
