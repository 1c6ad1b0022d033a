/** What is suggested for a mistyped name. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistance, nearest } from '../src/names.ts';

/** By its definition, without a table: slow, and plain to see. */
function byDefinition(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  const [x, y] = [a.slice(1), b.slice(1)];
  const ways = [byDefinition(x, b) + 1, byDefinition(a, y) + 1, byDefinition(x, y) + (a[0] === b[0] ? 0 : 1)];
  if (a.length > 1 && a[0] === b[1] && a[1] === b[0]) ways.push(byDefinition(x.slice(1), y.slice(1)) + 1);
  return Math.min(...ways);
}

test('edits are counted as the definition counts them', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, b)).toBe(byDefinition(a, b));
    }),
  );
});

const known = ['vradam', 'adamw', 'sgd-nesterov', 'rmsprop'];

test('one typing error is understood, wherever it is', () => {
  const typed = fc
    .constantFrom(...known)
    .chain((name) =>
      fc.tuple(fc.constant(name), fc.nat({ max: name.length - 1 }), fc.constantFrom('x', 'q')),
    );
  fc.assert(
    fc.property(typed, ([name, at, letter]) => {
      expect(nearest(name.slice(0, at) + letter + name.slice(at + 1), known)).toBe(name);
      expect(nearest(name.slice(0, at) + name.slice(at + 1), known)).toBe(name);
    }),
  );
});

test('the beginning of a name is understood, capitals too; what is far from all is not', () => {
  expect(nearest('SGD', known)).toBe('sgd-nesterov');
  expect(nearest('lion', known)).toBeUndefined();
  expect(nearest('', known)).toBeUndefined();
});
