/** Sizes that have only a name are computed with as numbers are. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Dim, evaluateDim } from '../src/index.ts';
import {
  addDims,
  ceilDiv,
  exactQuotient,
  floorDiv,
  mulDims,
  product,
  sameShape,
  subDims,
  symbol,
} from '../src/model/dims.ts';

const sizes = { n: 5, m: 7, 'k.1': 11, '{what ever}': 13 };
const leaf: fc.Arbitrary<Dim> = fc.oneof(
  fc.integer({ min: -4, max: 4 }),
  fc.constantFrom(...Object.keys(sizes)),
);
/** Sums and products of names and numbers. */
const dims: fc.Arbitrary<Dim> = fc
  .array(fc.tuple(fc.constantFrom(addDims, subDims, mulDims), leaf), { maxLength: 4 })
  .chain((steps) => leaf.map((first) => steps.reduce((dim: Dim, [f, other]) => f(dim, other), first)));
const value = (dim: Dim): number => evaluateDim(dim, sizes) as number;

describe('arithmetic', () => {
  test('gives what it gives with the numbers that names stand for', () => {
    fc.assert(
      fc.property(dims, dims, (a, b) => {
        expect(value(addDims(a, b))).toBe(value(a) + value(b));
        expect(value(subDims(a, b))).toBe(value(a) - value(b));
        expect(value(mulDims(a, b))).toBe(value(a) * value(b) + 0);
        expect(value(product([a, b, 2]))).toBe(value(a) * value(b) * 2 + 0);
      }),
    );
  });

  test('writes equal sizes as equal texts, whatever the order', () => {
    fc.assert(
      fc.property(dims, dims, dims, (a, b, c) => {
        expect(addDims(a, b)).toBe(addDims(b, a));
        expect(mulDims(a, b)).toBe(mulDims(b, a));
        expect(addDims(addDims(a, b), c)).toBe(addDims(a, addDims(b, c)));
        expect(mulDims(a, addDims(b, c))).toBe(addDims(mulDims(a, b), mulDims(a, c)));
        expect(subDims(a, a)).toBe(0);
        expect(addDims(subDims(a, b), b)).toBe(a);
      }),
    );
  });

  test('divides exactly, or not at all', () => {
    fc.assert(
      fc.property(dims, leaf, (a, b) => {
        if (b === 0) return;
        expect(exactQuotient(mulDims(a, b), b)).toBe(a);
        const quotient = exactQuotient(a, b);
        if (quotient !== undefined) expect(mulDims(quotient, b)).toBe(a);
      }),
    );
    expect(exactQuotient('2*n', 3)).toBeUndefined();
    expect(exactQuotient('n + 1', 'n')).toBeUndefined();
    expect(exactQuotient('n', 'm + 1')).toBeUndefined();
    expect(exactQuotient('n*m', 'm')).toBe('n');
  });

  test('names what it must round by what it came from', () => {
    expect([floorDiv(7, 2), ceilDiv(7, 2), floorDiv('4*n', 2), ceilDiv('n*m', 'n')]).toEqual([
      3,
      4,
      '2*n',
      'm',
    ]);
    expect(floorDiv('n + 1', 2)).toBe('{floor((n + 1) / (2))}');
    expect(floorDiv(addDims('n', 1), 2)).toBe(floorDiv(addDims(1, 'n'), 2));
    expect(floorDiv('n', 2)).not.toBe(ceilDiv('n', 2));
    expect(addDims(floorDiv('n', 2), floorDiv('n', 2))).toBe('2*{floor((n) / (2))}');
    expect(evaluateDim(floorDiv('n', 2), sizes)).toBeUndefined();
  });
});

describe('names', () => {
  test('may be anything', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), (text) => {
        const name = symbol(text);
        expect(symbol(name)).toBe(name);
        expect(subDims(addDims(name, 'n'), 'n')).toBe(name);
        expect(exactQuotient(mulDims(name, 3), 3)).toBe(name);
      }),
    );
  });

  test('that look like numbers are none', () => {
    for (const text of ['2', '-1', '1e3', 'Infinity', 'NaN', '0x10', ' ', '']) {
      const name = symbol(text);
      expect(typeof name).toBe('string');
      expect(addDims(name, name)).toBe(`2*${name}`);
    }
  });

  test('of Object.prototype have no size', () => {
    for (const name of ['constructor', 'toString', '__proto__'])
      expect(evaluateDim(name, {})).toBeUndefined();
  });

  test('that are expressions of this package stay expressions', () => {
    for (const text of ['2*n + 1', 'm*n', 'n + -1', '3*n*{a b} + 3', '-2*n']) expect(symbol(text)).toBe(text);
    expect(subDims(symbol('2*n + 1'), 1)).toBe('2*n');
    for (const text of ['n*m', '1 + n', 'n+1', '0*n', '1*n', '2*3', 'n + n', 'a*']) {
      expect(symbol(text)).toBe(`{${text}}`);
    }
  });
});

describe('expressions do not grow without end', () => {
  test('and equal ones stay equal', () => {
    const grow = (): Dim => {
      let dim: Dim = 'n';
      for (let i = 0; i < 200; i++) dim = addDims(mulDims(dim, dim), `x${i % 7}`);
      return dim;
    };
    expect(String(grow()).length).toBeLessThan(1100);
    expect(grow()).toBe(grow());
    expect(addDims(grow(), 1)).not.toBe(grow());
  });

  test('nor do coefficients', () => {
    let dim: Dim = 'n';
    for (let i = 0; i < 100; i++) dim = mulDims(dim, 1_000_000);
    expect(String(dim)).not.toMatch(/Infinity|NaN|e\+/);
    expect(subDims(dim, dim)).toBe(0);
  });
});

test('shapes are the same if all their sizes are', () => {
  expect(sameShape([2, 'n'], [2, 'n'])).toBe(true);
  expect(sameShape([], [])).toBe(true);
  for (const other of [[2, 'm'], [2], [2, 'n', 1], [3, 'n'], undefined]) {
    expect(sameShape([2, 'n'], other)).toBe(false);
  }
  expect(sameShape(undefined, undefined)).toBe(false);
});
