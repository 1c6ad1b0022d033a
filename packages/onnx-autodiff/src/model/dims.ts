/**
 * Arithmetic on dimensions, some of which have only a name.
 *
 * An unknown dimension is a polynomial with integer coefficients over named sizes, kept as canonical text:
 * `2*batch*heads + 1`. So equal sizes are equal texts, and `===` decides. What is no polynomial (a rounded quotient)
 * becomes a name of its own, made of what it was computed from.
 */

import type { Dim, Shape } from './model.ts';

/** Monomial (names joined by `*`, sorted; `''` is 1) to coefficient. */
type Polynomial = ReadonlyMap<string, number>;

const plain = /^[A-Za-z_][\w.]*$/;
/** Longer expressions, and those of more terms, are given a short name: files must not make them grow without end. */
const [longest, mostTerms] = [1024, 16];

/** 64 bits that tell texts apart: FNV-1a of two primes, without a claim to withstand forgery. */
function hash(text: string): string {
  const digest = (prime: number): string => {
    let bits = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) bits = Math.imul(bits ^ text.charCodeAt(i), prime);
    return (bits >>> 0).toString(36);
  };
  return digest(0x01000193) + digest(0x9e3779b1);
}

/** A short name for a long expression: equal ones have equal names. */
const shortName = (text: string): string => `size_${hash(text)}`;

/** A name as it may stand in an expression: anything but an identifier is put in braces. Expressions stay what they are. */
export function symbol(name: string): string {
  if (name.length > longest) return shortName(name);
  return plain.test(name) || isCanonical(name) ? name : `{${name.replace(/[{}]/g, '|')}}`;
}

const atom = /^(?:[A-Za-z_][\w.]*|\{[^{}]*\})$/;

/** True for what {@link format} writes: files of this package hold such texts. */
function isCanonical(text: string): boolean {
  const isTerm = (term: string): boolean => {
    const factors = split(term, '*');
    const names = /^-?[1-9]\d*$/.test(factors[0] ?? '') ? factors.slice(1) : factors;
    return names.every((name, i) => atom.test(name) && (i === 0 || (names[i - 1] as string) <= name));
  };
  return split(text, ' + ').every(isTerm) && format(parse(text)) === text;
}

/** Splits at a separator outside braces. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let [depth, begin] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}') depth--;
    else if (depth === 0 && text.startsWith(separator, i)) {
      parts.push(text.slice(begin, i));
      begin = i + separator.length;
    }
  }
  return [...parts, text.slice(begin)];
}

function parse(dim: Dim): Polynomial {
  if (typeof dim === 'number') return new Map(dim === 0 ? [] : [['', dim]]);
  const terms = split(dim, ' + ').map((term): [string, number] => {
    const factors = split(term, '*');
    // no name begins like a number, not even Infinity
    const leading = /^-?\d/.test(term) ? Number(factors[0]) : undefined;
    return leading === undefined ? [term, 1] : [factors.slice(1).join('*'), leading];
  });
  return new Map(terms);
}

function format(polynomial: Polynomial): Dim {
  const terms = [...polynomial].filter(([, coefficient]) => coefficient !== 0);
  if (terms.length === 0) return 0;
  const [[only, coefficient]] = terms as [[string, number]];
  if (terms.length === 1 && only === '') return coefficient;
  const text = ([monomial, c]: [string, number]) =>
    monomial === '' ? `${c}` : c === 1 ? monomial : `${c}*${monomial}`;
  // the constant comes last
  const whole = terms
    .sort(([a], [b]) => (a === '' ? 1 : b === '' ? -1 : a < b ? -1 : 1))
    .map(text)
    .join(' + ');
  const isSafe = terms.every(([, c]) => Number.isSafeInteger(c));
  return isSafe && terms.length <= mostTerms && whole.length <= longest ? whole : shortName(whole);
}

function multiplyMonomials(a: string, b: string): string {
  const factors = [a, b].filter((m) => m !== '').flatMap((m) => split(m, '*'));
  return factors.sort().join('*');
}

/** `a + b`. */
export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  const sum = new Map(parse(a));
  for (const [monomial, c] of parse(b)) sum.set(monomial, (sum.get(monomial) ?? 0) + c);
  return format(sum);
}

/** `a b`. */
export function mulDims(a: Dim, b: Dim): Dim {
  // + 0 makes -0 a plain 0
  if (typeof a === 'number' && typeof b === 'number') return a * b + 0;
  const product = new Map<string, number>();
  for (const [m, c] of parse(a)) {
    for (const [n, d] of parse(b)) {
      const monomial = multiplyMonomials(m, n);
      product.set(monomial, (product.get(monomial) ?? 0) + c * d);
    }
  }
  return format(product);
}

/** `a - b`. */
export function subDims(a: Dim, b: Dim): Dim {
  return addDims(a, mulDims(b, -1));
}

/** Removes the factors of `divisor` from `monomial`; undefined if they are not all there. */
function divideMonomial(monomial: string, divisor: string): string | undefined {
  const factors = monomial === '' ? [] : split(monomial, '*');
  for (const factor of divisor === '' ? [] : split(divisor, '*')) {
    const at = factors.indexOf(factor);
    if (at < 0) return undefined;
    factors.splice(at, 1);
  }
  return factors.join('*');
}

/** `a / b` if that is a dimension for certain, else undefined. */
export function exactQuotient(a: Dim, b: Dim): Dim | undefined {
  if (a === b && a !== 0) return 1;
  const divisor = [...parse(b)];
  if (divisor.length !== 1) return undefined;
  const [[monomial, coefficient]] = divisor as [[string, number]];
  const quotient = new Map<string, number>();
  for (const [m, c] of parse(a)) {
    const rest = divideMonomial(m, monomial);
    if (rest === undefined || c % coefficient !== 0) return undefined;
    quotient.set(rest, c / coefficient);
  }
  return format(quotient);
}

/** `floor(a / b)`: what divides by a number leaves the floor, so that `floor((2 n + 1) / 2)` is n. */
export function floorDiv(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b);
  const exact = exactQuotient(a, b);
  if (exact !== undefined || typeof b === 'string' || b <= 0)
    return exact ?? symbol(`floor((${a}) / (${b}))`);
  const [whole, rest] = [new Map<string, number>(), new Map<string, number>()];
  for (const [monomial, c] of parse(a)) {
    const quotient = monomial === '' || c % b === 0 ? Math.floor(c / b) : 0;
    whole.set(monomial, quotient);
    rest.set(monomial, c - quotient * b);
  }
  const remainder = format(rest);
  return addDims(format(whole), typeof remainder === 'number' ? 0 : symbol(`floor((${remainder}) / (${b}))`));
}

/** `ceil(a / b)`. */
export function ceilDiv(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.ceil(a / b) + 0;
  // one spelling for both roundings
  if (typeof b === 'number' && b > 0) return floorDiv(addDims(a, b - 1), b);
  return exactQuotient(a, b) ?? symbol(`ceil((${a}) / (${b}))`);
}

/** True if a dimension is below 0 whatever its names stand for (sizes of at least 1). */
export const isNegative = (dim: Dim): boolean => {
  const coefficients = [...parse(dim).values()];
  return coefficients.length > 0 && coefficients.every((coefficient) => coefficient < 0);
};

/** A position from here on means "the end": exporters write the largest integer of 32 or 64 bits. */
export const farAway: number = 2 ** 31 - 1;

/** Product of all dimensions; 1 for a scalar. */
export function product(shape: Shape): Dim {
  return shape.reduce((a: Dim, b) => mulDims(a, b), 1);
}

/** True if every dimension is a number. */
export function isStatic(shape: Shape | undefined): shape is readonly number[] {
  return shape?.every((dim) => typeof dim === 'number') ?? false;
}

/** True if both shapes are known to be one. */
export function sameShape(a: Shape | undefined, b: Shape | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/**
 * The size of a dimension once its names have sizes.
 *
 * @returns undefined if a name in it has none.
 */
export function evaluateDim(dim: Dim, sizes: Readonly<Record<string, number>>): number | undefined {
  let total = 0;
  for (const [monomial, coefficient] of parse(dim)) {
    let term = coefficient;
    for (const name of monomial === '' ? [] : split(monomial, '*')) {
      const size = Object.hasOwn(sizes, name) ? sizes[name] : undefined;
      if (size === undefined) return undefined;
      term *= size;
    }
    total += term;
  }
  return total;
}
