/** The diagnostics: gradients that are right, criteria that can be met and missed, and fair races. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openRandom } from '../src/random.ts';
import { type ContenderName, contenderNames, contenders } from '../src/tasks/diagnostics/optimizers.ts';
import type { Diagnostic } from '../src/tasks/diagnostics/problem.ts';
import { diagnostics } from '../src/tasks/diagnostics/problems.ts';
import { attempt, learningRates, tryAll } from '../src/tasks/diagnostics/race.ts';

const named = (name: string): Diagnostic => diagnostics.find((problem) => problem.name === name)!;
const cases = diagnostics.map((problem) => [problem.name, problem] as const);

describe.each(cases)('%s', (name, problem) => {
  const start = problem.start(openRandom(0, 0));

  test('has the gradient that finite differences find', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 1000 }), fc.nat(), (seed, step, index) => {
        const random = openRandom(seed, 0);
        const x = start.map((value) => value + random.normal() / 4);
        const i = index % x.length;
        const width = 1e-5;
        // the kink is no place for differences
        fc.pre(name !== 'kink' || Math.abs(x[i]!) > width);
        const at = (offset: number) => problem.loss(x.with(i, x[i]! + offset), step);
        const slope = (at(width) - at(-width)) / (2 * width);
        const rounding = (4e-16 * Math.abs(at(0))) / width;
        const gradient = problem.gradient(x, step)[i]!;
        expect(Math.abs(gradient - slope)).toBeLessThan(1e-4 * Math.abs(gradient) + 1e-6 * scale + rounding);
      }),
      { numRuns: 40 },
    );
  });

  const scale = Math.max(...problem.gradient(start, 0).map(Math.abs), 1e-9);

  test('is not solved where it starts, unless that is what it asks for', () => {
    const solved = problem.loss(start, problem.steps) <= problem.target;
    expect(solved).toBe(name === 'at-rest' || name === 'moving-optimum');
  });

  test('has tensors of one size', () => expect(start.length % (problem.tensors ?? 1)).toBe(0));
});

test('there are 20 to 30 problems, with names of their own', () => {
  expect(new Set(diagnostics.map(({ name }) => name)).size).toBe(diagnostics.length);
  expect(diagnostics.length).toBeGreaterThanOrEqual(20);
  expect(diagnostics.length).toBeLessThanOrEqual(30);
});

test('each optimizer has the same 13 learning rates, two for each power of ten from 1e-4 to 100', () => {
  expect(learningRates).toHaveLength(13);
  expect([learningRates[0], learningRates[6], learningRates[12]]).toEqual([1e-4, 0.1, 100]);
});

test.each(contenderNames)('%s solves the sphere with some rates, not with the lowest', (name) => {
  const cell = tryAll(named('sphere'), name, [0]);
  expect(cell.passedRates).toBeGreaterThan(0);
  expect(cell.losses[0]![0]).toBeGreaterThan(named('sphere').target);
  expect(learningRates).toContain(cell.bestRate);
});

test('a loss that runs away fails, and is no error', () => {
  const cell = tryAll(named('large-scale'), 'sgd-nesterov', [0]);
  expect(cell.losses.at(-1)).toEqual([null]);
  expect(cell.passedRates).toBeLessThan(learningRates.length);
});

describe('an attempt', () => {
  const at = (name: ContenderName, problem: string, seed: number) =>
    attempt(named(problem), contenders[name](0.1, 0), seed);

  test('is the same with the same seed, and another with another', () => {
    expect(at('adamw', 'noise', 1)).toBe(at('adamw', 'noise', 1));
    expect(at('adamw', 'noise', 1)).not.toBe(at('adamw', 'noise', 2));
  });

  test('of plain gradient descent is what a loop finds', () => {
    const problem = named('ill-conditioned');
    let x = [...problem.start(openRandom(0, 0))];
    let velocity = x.map(() => 0);
    for (let step = 0; step < problem.steps; step++) {
      const gradient = problem.gradient(x, step);
      velocity = velocity.map((value, i) => 0.9 * value + gradient[i]!);
      x = x.map((value, i) => value - 0.1 * (gradient[i]! + 0.9 * velocity[i]!));
    }
    const found = attempt(problem, contenders['sgd-nesterov'](0.1, 0), 0)!;
    expect(found / problem.loss(x, problem.steps)).toBeCloseTo(1, 9);
  });

  test('leaves a tensor without gradient where it is', () => {
    const still: Diagnostic = { ...named('missing'), missing: (tensor) => tensor > 0 };
    const loss = attempt(still, contenders.adamw(0.1, 0), 0);
    // four of five tensors cost 1 each as at the start, and the fifth nothing any more
    expect(loss).toBeCloseTo(4, 3);
  });

  test('of Adam adds its decay to the gradient, that of AdamW to the step', () => {
    const problem: Diagnostic = { ...named('sphere'), steps: 1, gradient: (x) => x.map(() => 0) };
    const loss = (name: ContenderName) => attempt(problem, contenders[name](0.1, 0.5), 0)!;
    // Adam: the sign of the decay times the rate; AdamW: rate times decay
    expect(loss('adam')).toBeCloseTo(5 * (1 - 0.1) ** 2, 6);
    expect(loss('adamw')).toBeCloseTo(5 * (1 - 0.1 * 0.5) ** 2, 6);
  });
});
