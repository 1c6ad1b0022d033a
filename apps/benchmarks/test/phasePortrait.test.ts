/** The phase portrait: what is conserved, what converges to what, and what a user gets. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapeXml } from '../src/report/figures/figure.ts';
import { renderPng } from '../src/report/figures/png.ts';
import { drawPortrait } from '../src/tasks/phasePortrait/figure.ts';
import { type Brakes, energy, optimizerFlow, orbit, paperFlow } from '../src/tasks/phasePortrait/flow.ts';
import { computePortrait } from '../src/tasks/phasePortrait/portrait.ts';
import { follow, type Phase } from '../src/tasks/phasePortrait/rk4.ts';
import { braked, descend, unbraked } from '../src/tasks/phasePortrait/steps.ts';

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const somewhere = fc.record({ x: number(0.5, 4), v: number(-1, 1) });
const distance = (a: Phase, b: Phase): number => Math.hypot(a.x - b.x, a.v - b.v);

describe('the flow of the paper', () => {
  const drift = (from: Phase, time: number): number => {
    const path = follow(paperFlow, from, time, Math.round(4 / time));
    return Math.max(...path.map((at) => Math.abs(energy(at) - energy(from))));
  };

  test('conserves energy within 1e-6 over 100 units of time', () => {
    fc.assert(
      fc.property(somewhere, (from) => {
        for (const at of follow(paperFlow, from, 0.01, 10_000)) {
          expect(Math.abs(energy(at) - energy(from))).toBeLessThan(1e-6);
        }
      }),
      { numRuns: 10 },
    );
  });

  test('followed in steps half as long, drifts at least 2^4 / 1.6 times less', () => {
    fc.assert(
      fc.property(somewhere, (from) => {
        expect(drift(from, 0.05)).toBeGreaterThan(10 * drift(from, 0.025));
      }),
      { numRuns: 50 },
    );
  });

  test('comes back to where it began: an orbit is closed, on one energy, and symmetric', () => {
    fc.assert(
      fc.property(number(0.1, 8), (x) => {
        const path = orbit(x);
        expect(path.at(-1)!.x).toBeCloseTo(x, 12);
        expect(path.at(-1)!.v).toBeCloseTo(0, 12);
        for (const at of path) expect(energy(at)).toBeCloseTo(x ** 2 / 2, 6);
        expect(Math.min(...path.map((at) => at.x))).toBeCloseTo(-x, 12);
      }),
      { numRuns: 20 },
    );
  });
});

describe('the steps of the core’s optimizers', () => {
  const brakes = fc.record({
    learningRate: number(0.5, 5),
    beta1: number(0.5, 0.9),
    beta3: number(0, 4),
    lrCutoff: fc.constantFrom(19, Number.POSITIVE_INFINITY),
  });
  /** Distance after one unit of time between steps of this length and the flow. */
  const error = (all: Brakes, time: number): number => {
    const small = { ...all, learningRate: all.learningRate * time, beta1: 1 - (1 - all.beta1) * time };
    const steps = Math.round(1 / time);
    const end = follow(optimizerFlow(all), { x: 2, v: 0 }, 1 / 256, 256).at(-1)!;
    return distance(descend(braked(small), 2, steps).at(-1)!, end);
  };

  test('follow the continuous flow with friction as they get small: a 16th of the step, about a 16th of the error', () => {
    fc.assert(
      fc.property(brakes, (all) => {
        const [coarse, fine] = [error(all, 1 / 64), error(all, 1 / 1024)];
        expect(fine).toBeLessThan(2e-2);
        expect(fine).toBeLessThan(coarse / 8);
      }),
      { numRuns: 50 },
    );
  });

  test('are those of a few lines by hand', () => {
    const [learningRate, beta1, beta3, lrCutoff] = [5, 0.9, 1, 19];
    const path = descend(braked({ learningRate, beta1, beta3, lrCutoff }), 4, 40);
    let [x, velocity] = [4, 0];
    for (const step of path.slice(1)) {
      velocity = beta1 * velocity + (1 - beta1) * x;
      x -= (learningRate * velocity) / (1 + Math.min(beta3 * velocity ** 2, lrCutoff));
      expect(step.x).toBeCloseTo(x, 12);
      expect(step.v).toBeCloseTo(-velocity, 12);
    }
  });

  test('are those of Momentum without the brake, and never longer with it', () => {
    fc.assert(
      fc.property(brakes, number(0.5, 4), (all, start) => {
        const free = descend(unbraked(all), start, 30);
        const off = descend(braked({ ...all, beta3: 0 }), start, 30);
        expect(off.map(({ x }) => x)).toEqual(free.map(({ x }) => x));
        const slowed = descend(braked(all), start, 30);
        expect(Math.abs(slowed[1]!.x - start)).toBeLessThanOrEqual(Math.abs(free[1]!.x - start));
        for (const { effectiveLearningRate } of slowed.slice(1)) {
          expect(effectiveLearningRate).toBeLessThanOrEqual(all.learningRate);
          expect(effectiveLearningRate).toBeGreaterThanOrEqual(all.learningRate / (1 + all.lrCutoff));
        }
      }),
    );
  });

  test('leave Momentum stable up to 2 (1 + beta1) / (1 - beta1), and no further', () => {
    const end = (learningRate: number): number =>
      Math.abs(descend(unbraked({ learningRate, beta1: 0.9, beta3: 0, lrCutoff: 19 }), 1, 2000).at(-1)!.x);
    expect(end(37.9)).toBeLessThan(1);
    expect(end(38.1)).toBeGreaterThan(1e3);
  });
});

describe('the figure', () => {
  const portrait = computePortrait();
  const { svg, width, height } = drawPortrait(portrait);

  test('shows a dot for each point of both optimizers, and a line for each orbit', () => {
    const circles = svg.match(/<circle/g) ?? [];
    const inLegend = 6;
    expect(circles.length - inLegend).toBe(2 * (2 * (portrait.options.steps + 1) + portrait.options.steps));
    expect(portrait.orbits).toHaveLength(4);
    for (const color of ['#0072b2', '#d55e00']) expect(svg).toContain(color);
  });

  test('is well-formed SVG that becomes a PNG of twice its size, with our own font', () => {
    const png = renderPng(svg);
    const view = new DataView(png.buffer, png.byteOffset);
    expect([...png.subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
    expect([view.getUint32(16), view.getUint32(20)]).toEqual([2 * width, 2 * height]);
    const words = `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20" font-family="Inter"><text y="15">VR</text></svg>`;
    const blank = words.replace('VR', '');
    expect(Buffer.compare(renderPng(words), renderPng(blank))).not.toBe(0);
  });

  test('is the same every time', () => {
    expect(drawPortrait(computePortrait()).svg).toBe(svg);
  });

  test('escapes what is written in it', () => {
    expect(escapeXml(`<script>"&'`)).toBe('&lt;script&gt;&quot;&amp;&apos;');
  });
});

test('a learning rate at which Momentum runs away is an error that says so', () => {
  for (const learningRate of [60, 1e200]) {
    expect(() => computePortrait({ learningRate, steps: 400 })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_RANGE' }),
    );
  }
});
