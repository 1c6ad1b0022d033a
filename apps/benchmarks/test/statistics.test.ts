/** The statistics of a report, held against their definitions. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openRandom } from '../src/random.ts';
import { performanceProfiles, profileAt, widest } from '../src/report/analysis/profile.ts';
import { bootstrapInterval, estimate, pairedDifference } from '../src/report/analysis/statistics.ts';

const number = fc.double({ min: -1000, max: 1000, noNaN: true });
const some = (least: number) => fc.array(number, { minLength: least, maxLength: 8 });

/** Every mean that a bootstrap of these values can draw, each as often as its chance: n^n of them. */
function allMeans(values: readonly number[]): number[] {
  const n = values.length;
  return Array.from({ length: n ** n }, (_, code) => {
    let sum = 0;
    for (let i = 0, rest = code; i < n; i++, rest = Math.floor(rest / n)) sum += values[rest % n]!;
    return sum / n;
  }).sort((a, b) => a - b);
}

describe('an estimate', () => {
  test('has the mean and the deviation of the textbook', () => {
    fc.assert(
      fc.property(some(2), (values) => {
        const mean = values.reduce((a, b) => a + b) / values.length;
        const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
        const found = estimate(values);
        expect(found.mean).toBeCloseTo(mean, 8);
        expect(found.sd).toBeCloseTo(Math.sqrt(variance), 6);
      }),
    );
  });

  test('of one value has no deviation and no interval', () => {
    expect(estimate([3])).toMatchObject({ mean: 3, sd: Number.NaN, interval: null, notFinite: 0 });
  });

  test('of nothing is NaN', () => expect(estimate([]).mean).toBeNaN());

  test('is NaN as soon as one seed is, and says how many are', () => {
    const broken = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY);
    fc.assert(
      fc.property(some(1), fc.array(broken, { minLength: 1, maxLength: 3 }), (values, failed) => {
        const found = estimate([...values, ...failed]);
        expect([found.mean, found.interval, found.notFinite]).toEqual([Number.NaN, null, failed.length]);
      }),
    );
  });
});

describe('a bootstrap interval', () => {
  test.each([[[1, 2]], [[0.5, 1.25, 4]], [[3, 1, 4, 1.5]], [[0.2, 0.21, 0.19, 0.5, 0.22]]])(
    'of %j is what trying every sample gives, to the noise of 10,000 draws',
    (values) => {
      const means = allMeans(values);
      const [low, high] = bootstrapInterval(values);
      // the shares of all samples that lie below each end, or at it: five standard errors of a share around 2.5 %
      const slack = 5 * Math.sqrt((0.025 * 0.975) / 10_000);
      const below = (end: number) => means.filter((mean) => mean < end - 1e-9).length / means.length;
      const upTo = (end: number) => means.filter((mean) => mean <= end + 1e-9).length / means.length;
      expect(below(low)).toBeLessThanOrEqual(0.025 + slack);
      expect(upTo(low)).toBeGreaterThanOrEqual(0.025 - slack);
      expect(below(high)).toBeLessThanOrEqual(0.975 + slack);
      expect(upTo(high)).toBeGreaterThanOrEqual(0.975 - slack);
    },
  );

  test('lies among the values, whatever their order, and is the same each time', () => {
    fc.assert(
      fc.property(some(2), (values) => {
        const [low, high] = bootstrapInterval(values);
        expect(low).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
        expect(high).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
        expect(low).toBeLessThanOrEqual(high);
        expect(bootstrapInterval([...values].reverse())).toEqual([low, high]);
      }),
      { numRuns: 25 },
    );
  });

  test('moves and stretches with the values', () => {
    fc.assert(
      fc.property(some(2), number, fc.double({ min: 0.1, max: 10, noNaN: true }), (values, shift, scale) => {
        const [low, high] = bootstrapInterval(values);
        const moved = bootstrapInterval(values.map((value) => scale * value + shift));
        expect(moved[0]).toBeCloseTo(scale * low + shift, 6);
        expect(moved[1]).toBeCloseTo(scale * high + shift, 6);
      }),
      { numRuns: 25 },
    );
  });

  test('of 20 normal numbers holds the true mean about 95 times in 100', () => {
    const { normal } = openRandom(7, 0);
    const holds = Array.from({ length: 200 }, () => {
      const [low, high] = bootstrapInterval(Array.from({ length: 20 }, normal));
      return low <= 0 && high >= 0;
    });
    // the percentile interval is known to be somewhat narrow at this size
    const share = holds.filter(Boolean).length / holds.length;
    expect(share).toBeGreaterThan(0.86);
    expect(share).toBeLessThan(0.99);
  });
});

describe('paired differences', () => {
  const bySeed = fc.dictionary(fc.nat({ max: 9 }).map(String), number).map((record) => {
    return new Map(Object.entries(record).map(([seed, value]) => [Number(seed), value]));
  });

  test('are over the seeds that both have, and mirrored when the two change places', () => {
    fc.assert(
      fc.property(bySeed, bySeed, (a, b) => {
        const [there, back] = [pairedDifference(a, b), pairedDifference(b, a)];
        expect(there.seeds).toEqual([...a.keys()].filter((seed) => b.has(seed)).sort());
        expect(there.difference.values.map((value) => value + 0)).toEqual(
          back.difference.values.map((value) => 0 - value),
        );
        expect([there.lower, there.higher]).toEqual([back.higher, back.lower]);
      }),
      { numRuns: 50 },
    );
  });

  test('take out what both share: a noise of each seed leaves no deviation', () => {
    const noise = [0, 1, 2, 3].map((seed) => [seed, openRandom(seed, 0).normal()] as const);
    const shifted = new Map(noise.map(([seed, value]) => [seed, value + 0.25]));
    const { difference } = pairedDifference(new Map(noise), shifted);
    expect(difference.mean).toBeCloseTo(0.25, 12);
    expect(difference.sd).toBeLessThan(1e-12);
  });

  test('count a failed seed as lost, and have no mean then', () => {
    const ours = new Map([
      [0, 1],
      [1, 1],
    ]);
    const theirs = new Map([
      [0, Number.NaN],
      [1, 2],
    ]);
    const { lower, higher, difference } = pairedDifference(ours, theirs);
    expect([lower, higher, difference.mean]).toEqual([2, 0, Number.NaN]);
  });
});

describe('performance profiles', () => {
  const cost = fc.oneof(fc.double({ min: 1, max: 1e4, noNaN: true }), fc.constant(Number.POSITIVE_INFINITY));
  const table = fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }))
    .chain(([names, tasks]) =>
      fc.array(fc.array(cost, { minLength: tasks, maxLength: tasks }), {
        minLength: names,
        maxLength: names,
      }),
    );
  const named = (rows: readonly (readonly number[])[]) =>
    new Map(rows.map((row, i) => [`optimizer ${i}`, row]));

  test('rise from factor to factor and stay between 0 and 1; somebody is best at factor 1', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const profiles = performanceProfiles(named(rows));
        const factors = [1, 1.5, 2, 4, 1e6];
        for (const profile of profiles) {
          const shares = factors.map((factor) => profileAt(profile, factor));
          expect(shares).toEqual([...shares].sort((a, b) => a - b));
          expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
        }
        const solved = rows[0]!.some((_, i) => rows.some((row) => Number.isFinite(row[i])));
        expect(Math.max(...profiles.map((profile) => profileAt(profile, 1))) > 0).toBe(solved);
      }),
    );
  });

  test('do not depend on the unit of a task', () => {
    fc.assert(
      fc.property(table, fc.integer({ min: 2, max: 1000 }), (rows, unit) => {
        const scores = performanceProfiles(named(rows)).map(({ score }) => score);
        const scaled = rows.map((row) => row.with(0, row[0]! * unit));
        performanceProfiles(named(scaled)).forEach(({ score }, i) => {
          expect(score).toBeCloseTo(scores[i]!, 9);
        });
      }),
    );
  });

  test('have as score the area under them from 1 to 4, which a sum over a grid finds', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const grid = Array.from({ length: 3000 }, (_, i) => 1 + ((i + 0.5) / 3000) * (widest - 1));
        for (const profile of performanceProfiles(named(rows))) {
          const sum = grid.reduce((total, factor) => total + profileAt(profile, factor), 0);
          expect(profile.score).toBeCloseTo(sum / grid.length, 2);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('leave out a task that nobody solved', () => {
    const [first] = performanceProfiles(
      new Map([
        ['one', [10, Number.POSITIVE_INFINITY]],
        ['other', [20, Number.POSITIVE_INFINITY]],
      ]),
    );
    expect(first).toMatchObject({ ratios: [1], score: 1 });
  });
});
