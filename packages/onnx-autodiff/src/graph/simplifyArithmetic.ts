/**
 * Arithmetic that can be had with fewer passes over memory: constants that meet, signs that cancel, repetition that
 * broadcasting does anyway, gradients by parts of a tensor that only lie side by side.
 */

import { isStatic, sameShape } from '../model/dims.ts';
import { numbersOf } from '../model/tensors.ts';
import type { GraphBuilder } from './builder.ts';
import type { Inputs, Simplification } from './simplify.ts';
import { text, type Value } from './value.ts';

/** The number in a constant float of one element. */
function scalarOf(value: Value | undefined): number | undefined {
  const { constant, isParameter, dtype } = value ?? {};
  if (!constant || isParameter || constant.data.length !== 1) return undefined;
  return dtype === 'float32' || dtype === 'float64' ? numbersOf(constant)[0] : undefined;
}

/** True for a constant whose only element is `number`, and that cannot widen `other` by broadcasting. */
function isAll(value: Value | undefined, number: number, other: Value | undefined): boolean {
  if (!value?.constant || value.isParameter || value.constant.data.length !== 1) return false;
  if ((value.shape?.length ?? 0) > (other?.shape?.length ?? 0)) return false;
  return numbersOf(value.constant)[0] === number;
}

/** Leaves out an operand that changes nothing, on the sides where it may stand. */
const neutral =
  (number: number, sides: readonly number[]): Simplification =>
  ([a, b]) => {
    if (sides.includes(1) && isAll(b, number, a)) return a;
    return sides.includes(0) && isAll(a, number, b) ? b : undefined;
  };

/** Computes with two constants. */
const folded =
  (f: (a: number, b: number) => number): Simplification =>
  ([a, b], _attributes, g) => {
    const [x, y] = [scalarOf(a), scalarOf(b)];
    if (x === undefined || y === undefined || a?.dtype !== b?.dtype) return undefined;
    const [shape, other] = [a?.shape ?? [], b?.shape ?? []];
    const wide = shape.length >= other.length ? shape : other;
    return isStatic(wide) ? g.constant([f(x, y)], wide, a?.dtype) : undefined;
  };

/** An operand that is only repeated to a shape that another one has already. */
function unexpanded(value: Value | undefined, others: Inputs): Value | undefined {
  const { node } = value ?? {};
  if (node?.op !== 'Expand' || node.domain !== '') return undefined;
  return others.some((other) => other !== value && sameShape(other?.shape, value?.shape))
    ? node.inputs[0]
    : undefined;
}

/** Lets broadcasting repeat operands. */
const broadcast =
  (op: string): Simplification =>
  (inputs, attributes, g) => {
    const at = inputs.findIndex((value) => unexpanded(value, inputs));
    if (at < 0) return undefined;
    const narrow = inputs.map((value, i) => (i === at ? unexpanded(value, inputs) : value));
    return g.node(op, narrow, attributes)[0];
  };

/** A value as a multiple of another: `x` times a number. */
function multipleOf(value: Value | undefined): { x: Value; times: number } | undefined {
  const [a, b] = value?.node?.domain === '' ? value.node.inputs : [];
  if (!a || !value?.node) return undefined;
  if (value.node.op === 'Neg') return { x: a, times: -1 };
  const [left, right] = [scalarOf(a), scalarOf(b)];
  if (value.node.op === 'Mul' && left !== undefined && b) return { x: b, times: left };
  if (right === undefined) return undefined;
  if (value.node.op === 'Mul') return { x: a, times: right };
  return value.node.op === 'Div' ? { x: a, times: 1 / right } : undefined;
}

/** Factors outside this range might overflow together where they did not one by one. */
const isMild = (factor: number): boolean => Math.abs(factor) > 1e-18 && Math.abs(factor) < 1e18;

/** A constant times a multiple is another multiple. */
function scaled(
  g: GraphBuilder,
  value: Value | undefined,
  factor: number,
  by: Value | undefined,
): Value | undefined {
  const inner = multipleOf(value);
  if (!inner || ![inner.times, factor, inner.times * factor].every(isMild)) return undefined;
  // neither the constant here nor the one inside may have widened it
  if (!sameShape(inner.x.shape, value?.shape) || (by?.shape?.length ?? 0) > (value?.shape?.length ?? 0))
    return undefined;
  return inner.times * factor === -1 ? g.neg(inner.x) : g.mul(inner.x, inner.times * factor);
}

const multiplied: Simplification = ([a, b], _attributes, g) => {
  const [left, right] = [scalarOf(a), scalarOf(b)];
  if (right !== undefined) return scaled(g, a, right, b);
  return left !== undefined ? scaled(g, b, left, a) : undefined;
};

const divided: Simplification = ([a, b], _attributes, g) => {
  const right = scalarOf(b);
  return right !== undefined && right !== 0 ? scaled(g, a, 1 / right, b) : undefined;
};

const negated = (value: Value | undefined): Value | undefined =>
  value?.node?.op === 'Neg' && value.node.domain === '' ? value.node.inputs[0] : undefined;

/** A negative term is subtracted. */
const added: Simplification = ([a, b], _attributes, g) => {
  const [left, right] = [negated(a), negated(b)];
  if (right && a) return g.sub(a, right);
  return left && b ? g.sub(b, left) : undefined;
};

/** Zeros around a part along a single axis: the gradient of cutting it out. */
interface Part {
  readonly term: Value;
  readonly inner: Value;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

function partOf(term: Value): Part | undefined {
  const { node, shape } = term;
  if (node?.op !== 'Pad' || node.domain !== '' || text(node, 'mode', 'constant') !== 'constant')
    return undefined;
  const [inner, pads, value, axes] = node.inputs;
  const rank = shape?.length ?? 0;
  if (!inner || value || axes || pads?.ints?.length !== 2 * rank) return undefined;
  const padded = Array.from({ length: rank }, (_, i) => i).filter(
    (i) => pads.ints?.[i] !== 0 || pads.ints?.[i + rank] !== 0,
  );
  const [axis = 0] = padded;
  const [start, size] = [pads.ints[axis], inner.shape?.[axis]];
  if (padded.length !== 1 || typeof start !== 'number' || typeof size !== 'number' || start < 0)
    return undefined;
  // an empty part would continue itself
  if (size === 0) return undefined;
  return { term, inner, axis, start, end: start + size };
}

/** The longest run of parts that continue one another. */
function longestRun(parts: readonly Part[]): readonly Part[] {
  const key = ({ axis, term }: Part, at: number): string => `${axis}:${at}:${term.shape}`;
  const byStart = new Map(parts.map((part) => [key(part, part.start), part]));
  const ends = new Set(parts.map((part) => key(part, part.end)));
  let longest: readonly Part[] = [];
  for (const head of parts.filter((part) => !ends.has(key(part, part.start)))) {
    const run = [head];
    for (let next = byStart.get(key(head, head.end)); next; next = byStart.get(key(next, next.end))) {
      run.push(next);
    }
    if (run.length > longest.length) longest = run;
  }
  return longest;
}

/** Terms of which those that lie side by side are joined instead of added. */
function joined(g: GraphBuilder, terms: readonly Value[]): readonly Value[] | undefined {
  if (!terms.some(({ node }) => node?.op === 'Pad')) return undefined;
  const run = longestRun(terms.flatMap((term) => partOf(term) ?? []));
  const [first, last] = [run[0], run.at(-1)];
  if (run.length < 2 || !first || !last) return undefined;
  const { axis } = first;
  const [before, after] = [first, last].map(({ term }) => term.node?.inputs[1]) as [Value, Value];
  const rank = g.rank(first.term);
  const inside = g.concat(
    run.map(({ inner }) => inner),
    axis,
  );
  const amounts = new Array<Value>(2 * rank).fill(g.ints([0]));
  amounts[axis] = g.gather(before, g.ints([axis]));
  amounts[axis + rank] = g.gather(after, g.ints([axis + rank]));
  const whole = g.pad(inside, g.concat(amounts, 0));
  const used = new Set(run.map(({ term }) => term));
  // a term that stands there twice is used once
  return [...terms.filter((term) => !used.delete(term)), whole];
}

/** Terms of a sum, as few as joining makes them. */
export function joinTerms(g: GraphBuilder, terms: readonly Value[]): readonly Value[] {
  let fewer = terms;
  for (let next = joined(g, fewer); next; next = joined(g, fewer)) fewer = next;
  return fewer;
}

const summed: Simplification = (inputs, _attributes, g) => {
  if (inputs.length === 1) return inputs[0];
  if (inputs.includes(undefined)) return undefined;
  const fewer = joined(g, inputs as readonly Value[]);
  return fewer && (fewer.length === 1 ? fewer[0] : g.sum(fewer));
};

/** The first that applies. */
const firstOf =
  (...all: readonly Simplification[]): Simplification =>
  (inputs, attributes, g) => {
    for (const one of all) {
      const found = one(inputs, attributes, g);
      if (found) return found;
    }
    return undefined;
  };

const comparisons = ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Where', 'Min', 'Max'];

/** Simplifications by operator. */
export const arithmeticSimplifications: Readonly<Record<string, Simplification>> = {
  ...Object.fromEntries(comparisons.map((op) => [op, broadcast(op)])),
  Mul: firstOf(
    neutral(1, [0, 1]),
    folded((a, b) => a * b),
    multiplied,
    broadcast('Mul'),
  ),
  Div: firstOf(
    neutral(1, [1]),
    folded((a, b) => a / b),
    divided,
    broadcast('Div'),
  ),
  Add: firstOf(
    neutral(0, [0, 1]),
    folded((a, b) => a + b),
    added,
    broadcast('Add'),
    summed,
  ),
  Sub: firstOf(
    neutral(0, [1]),
    folded((a, b) => a - b),
    ([a, b], _attributes, g) => (a && negated(b) ? g.add(a, negated(b) as Value) : undefined),
    broadcast('Sub'),
  ),
  Pow: firstOf(([x, y]) => (isAll(y, 1, x) ? x : undefined), broadcast('Pow')),
  Sum: firstOf(summed, broadcast('Sum')),
  Neg: ([x], _attributes, g) => negated(x) ?? scaled(g, x, -1, undefined),
};
