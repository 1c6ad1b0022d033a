import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Dim } from '../src/index.ts';
import {
  addDims,
  ceilDiv,
  evaluateDim,
  exactQuotient,
  floorDiv,
  isNegative,
  isStatic,
  mulDims,
  product,
  sameShape,
  subDims,
  symbol,
} from '../src/model/dims.ts';

const names = ['batch', 'n', '{a + b}', 'Infinity'];
const sizes = fc.record(Object.fromEntries(names.map((name) => [name, fc.integer({ min: 1, max: 50 })])));
const leaf: fc.Arbitrary<Dim> = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(...names));

/** A dimension, and what it is computed from. */
interface Term {
  readonly dim: Dim;
  readonly value: (of: Readonly<Record<string, number>>) => number;
}
const leafTerm: fc.Arbitrary<Term> = leaf.map((dim) => ({
  dim,
  value: (of) => (typeof dim === 'number' ? dim : (of[dim] as number)),
}));
/** A sum, difference or product. */
const combined = (of: fc.Arbitrary<Term>): fc.Arbitrary<Term> =>
  fc.tuple(fc.constantFrom('+', '-', '*'), of, of).map(([op, a, b]): Term => {
    if (op === '+') return { dim: addDims(a.dim, b.dim), value: (at) => a.value(at) + b.value(at) };
    if (op === '-') return { dim: subDims(a.dim, b.dim), value: (at) => a.value(at) - b.value(at) };
    return { dim: mulDims(a.dim, b.dim), value: (at) => a.value(at) * b.value(at) };
  });
const pair = fc.oneof(leafTerm, combined(leafTerm));
// no more than 16 terms: longer expressions are given names of their own
const term = fc.oneof(pair, combined(pair));

describe('a dimension', () => {
  test('has the value of what it was computed from', () => {
    fc.assert(
      fc.property(term, sizes, ({ dim, value }, of) => {
        expect(evaluateDim(dim, of)).toBe(value(of) + 0);
      }),
    );
  });

  test('is the same text however it was computed', () => {
    fc.assert(
      fc.property(pair, pair, pair, ({ dim: a }, { dim: b }, { dim: c }) => {
        expect(addDims(a, b)).toBe(addDims(b, a));
        expect(mulDims(a, b)).toBe(mulDims(b, a));
        expect(addDims(addDims(a, b), c)).toBe(addDims(a, addDims(b, c)));
        expect(mulDims(mulDims(a, b), c)).toBe(mulDims(a, mulDims(b, c)));
        expect(mulDims(a, addDims(b, c))).toBe(addDims(mulDims(a, b), mulDims(a, c)));
        expect(subDims(a, a)).toBe(0);
        expect(subDims(addDims(a, b), b)).toBe(a);
        expect([addDims(a, 0), mulDims(a, 1), mulDims(a, 0)]).toEqual([a, a, 0]);
      }),
    );
  });

  test('reads as it is written', () => {
    expect(addDims(mulDims(2, mulDims('n', 'batch')), 1)).toBe('2*batch*n + 1');
    expect(subDims('n', 1)).toBe('n + -1');
    expect(mulDims('n', -1)).toBe('-1*n');
    expect(product(['batch', 3, 'n', 2])).toBe('6*batch*n');
    expect(product([])).toBe(1);
  });

  test('is of no known size where a name has none', () => {
    expect(evaluateDim('n + 1', { m: 2 })).toBeUndefined();
    expect(evaluateDim('toString', {})).toBeUndefined();
    expect(evaluateDim(7, {})).toBe(7);
  });
});

describe('names', () => {
  test('are kept if they are identifiers, else put in braces', () => {
    expect([symbol('batch'), symbol('x.1'), symbol('_n')]).toEqual(['batch', 'x.1', '_n']);
    expect(symbol('s0/2')).toBe('{s0/2}');
    // what is written like an expression is one
    expect(symbol('2*s0 + 1')).toBe(addDims(mulDims('s0', 2), 1));
    expect(symbol('')).toBe('{}');
  });

  test('are one factor, whatever is in them', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '1', ' ', '+', '*', '-', '{', '}', '(', '|', '.') }),
        fc.integer({ min: 1, max: 9 }),
        (text, size) => {
          // behind a letter and a slash, nothing is an expression
          const name = symbol(`a/${text}`);
          expect(evaluateDim(addDims(mulDims(name, 3), 1), { [name]: size })).toBe(3 * size + 1);
          expect(exactQuotient(mulDims(name, 6), 3)).toBe(mulDims(name, 2));
          expect(exactQuotient(mulDims(name, 'n'), name)).toBe('n');
        },
      ),
    );
  });
});

describe('a quotient', () => {
  test('is exact where it is certain to be', () => {
    fc.assert(
      fc.property(
        term,
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(...names),
        ({ dim }, factor, name) => {
          expect(exactQuotient(mulDims(dim, factor), factor)).toBe(dim);
          expect(exactQuotient(mulDims(dim, name), name)).toBe(dim);
          expect(exactQuotient(mulDims(dim, mulDims(name, factor)), mulDims(name, factor))).toBe(dim);
        },
      ),
    );
    expect(exactQuotient('n', 2)).toBeUndefined();
    expect(exactQuotient('n', 'm')).toBeUndefined();
    expect(exactQuotient('n + 1', 'n + 1')).toBe(1);
    expect(exactQuotient('n', 0)).toBeUndefined();
    expect(exactQuotient(7, 2)).toBeUndefined();
  });

  test('times the divisor is the dividend', () => {
    fc.assert(
      fc.property(term, leaf, ({ dim }, divisor) => {
        const quotient = exactQuotient(dim, divisor);
        if (quotient !== undefined && divisor !== 0) expect(mulDims(quotient, divisor)).toBe(dim);
      }),
    );
  });

  test('is rounded down or up', () => {
    fc.assert(
      fc.property(fc.integer({ min: -99, max: 99 }), fc.integer({ min: 1, max: 9 }), (a, b) => {
        expect(floorDiv(a, b)).toBe(Math.floor(a / b));
        expect(ceilDiv(a, b)).toBe(Math.ceil(a / b) + 0);
      }),
    );
    expect(floorDiv('4*n', 2)).toBe('2*n');
    expect(floorDiv('n', 2)).toBe('{floor((n) / (2))}');
    expect(ceilDiv('n', 2)).toBe('{floor((n + 1) / (2))}');
    expect(ceilDiv('n', 2)).toBe(addDims(floorDiv(subDims('n', 1), 2), 1));
    expect(ceilDiv(7, 'n')).toBe('{ceil((7) / (n))}');
    expect(mulDims(floorDiv('n', 2), 2)).toBe('2*{floor((n) / (2))}');
  });

  test('of names is floor of what can be divided and what remains', () => {
    fc.assert(
      fc.property(term, fc.integer({ min: 1, max: 9 }), sizes, ({ dim }, divisor, of) => {
        for (const [divide, round] of [
          [floorDiv, Math.floor],
          [ceilDiv, Math.ceil],
        ] as const) {
          const value = evaluateDim(divide(dim, divisor), of);
          const size = evaluateDim(dim, of) as number;
          if (value !== undefined) expect(value).toBe(round(size / divisor) + 0);
        }
      }),
    );
    expect(floorDiv('2*n + 1', 2)).toBe('n');
    expect(ceilDiv('2*n + 1', 2)).toBe('n + 1');
    expect(floorDiv('4*n + 6', 4)).toBe('n + 1');
    expect(floorDiv('2*m + n', 2)).toBe('m + {floor((n) / (2))}');
  });
});

test('a dimension below 0 is told from one that may be above', () => {
  expect(['-1*n', '-2*n + -3', -1].map(isNegative)).toEqual([true, true, true]);
  expect(['n', 'n + -1', '-1*n + 1', 0, 3].map(isNegative)).toEqual([false, false, false, false, false]);
});

test('shapes are compared by what is known', () => {
  expect(isStatic([1, 2])).toBe(true);
  expect(isStatic(['n'])).toBe(false);
  expect(isStatic(undefined)).toBe(false);
  expect(sameShape(['n', 2], ['n', 2])).toBe(true);
  expect(sameShape(['n'], ['m'])).toBe(false);
  expect(sameShape([1], [1, 1])).toBe(false);
  expect(sameShape(undefined, undefined)).toBe(false);
});
