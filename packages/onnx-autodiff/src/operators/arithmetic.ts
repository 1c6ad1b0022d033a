/**
 * Elementwise arithmetic with broadcasting.
 *
 * With `y = f(a, b)`, the gradient by `a` is `dy * df/da`, summed over the axes along which `a` was repeated.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { addDims, floorDiv, mulDims, subDims } from '../model/dims.ts';
import type { Dim } from '../model/model.ts';
import { broadcast, broadcastTo } from './infer.ts';
import type { Call, Infer, Operator, OperatorTable, Rule, TypeInfo } from './operator.ts';

/** Broadcasting that also follows small integers through `f`. */
const withInts =
  (infer: Infer, f: (a: Dim, b: Dim) => Dim | undefined): Infer =>
  (call) => {
    const [type] = infer(call) as [TypeInfo];
    return [{ ...type, ints: combine(call, type, f) }];
  };

/** Elements of a small integer result: one operand is a scalar, or both have one shape. */
function combine(
  call: Call,
  { shape }: TypeInfo,
  f: (a: Dim, b: Dim) => Dim | undefined,
): readonly Dim[] | undefined {
  const [a, b] = [call.inputs[0]?.ints, call.inputs[1]?.ints];
  if (!a || !b || !shape || shape.length > 1) return undefined;
  const length = Math.max(a.length, b.length);
  if (Math.min(a.length, b.length) === 0) return [];
  const results = Array.from({ length }, (_, i) =>
    f(a[a.length === 1 ? 0 : i] as Dim, b[b.length === 1 ? 0 : i] as Dim),
  );
  return results.every((result) => result !== undefined) ? (results as Dim[]) : undefined;
}

const numeric =
  (f: (a: number, b: number) => number) =>
  (a: Dim, b: Dim): Dim | undefined =>
    typeof a === 'number' && typeof b === 'number' ? f(a, b) : undefined;

/** Integer division rounds towards zero in ONNX; sizes are not negative. */
const quotient = (a: Dim, b: Dim): Dim | undefined => {
  if (b === 0) return undefined;
  return typeof a === 'number' && typeof b === 'number' ? Math.trunc(a / b) : floorDiv(a, b);
};

/** Whether two sizes are equal, if that can be told: different names may still have one value. */
const equality = (a: Dim, b: Dim): Dim | undefined =>
  a === b
    ? 1
    : typeof a === 'number' && typeof b === 'number'
      ? 0
      : impossible(a, b) || impossible(b, a)
        ? 0
        : undefined;
/** A size is never negative, so that a named one is not -1. */
const impossible = (a: Dim, b: Dim): boolean => typeof a === 'string' && typeof b === 'number' && b < 0;

/** Rule of a binary operator from its partial derivatives, each times dy. */
const partials =
  (
    da: (g: GraphBuilder, dy: Value, a: Value, b: Value, y: Value) => Value,
    db: (g: GraphBuilder, dy: Value, a: Value, b: Value, y: Value) => Value,
  ): Rule =>
  ({ g, inputs: [a, b], outputs: [y], dy, needs }) => [
    needs(0) ? g.sumTo(da(g, dy, a as Value, b as Value, y as Value), a as Value) : undefined,
    needs(1) ? g.sumTo(db(g, dy, a as Value, b as Value, y as Value), b as Value) : undefined,
  ];

/** d(a^b)/da = b a^(b-1); a constant exponent is written out where that is cheaper. */
function powBase(g: GraphBuilder, dy: Value, a: Value, b: Value): Value {
  const exponent =
    b.constant && !b.isParameter && b.constant.data.length === 1 ? Number(b.constant.data[0]) : undefined;
  if (exponent === 2) return g.mul(dy, g.mul(a, 2));
  if (exponent !== undefined) return g.mul(dy, g.mul(g.pow(a, exponent - 1), exponent));
  const same = g.cast(b, a.dtype ?? 'float32');
  return g.mul(dy, g.mul(same, g.pow(a, g.sub(same, 1))));
}

/** d(a^b)/db = a^b ln a; where a is 0 that is 0, the limit for a positive exponent. */
function powExponent(g: GraphBuilder, dy: Value, a: Value, _b: Value, y: Value): Value {
  const logarithm = g.log(g.where(g.greater(a, 0), a, 1));
  return g.mul(dy, g.mul(y, logarithm));
}

/** Min and Max of any number of inputs: to those that reach the result, in equal parts on a tie. */
const extremum: Rule = ({ g, inputs, outputs: [y], dy }) => {
  const reached = inputs.map((x) => g.mask(g.equal(x, y as Value), dy));
  const total =
    inputs.length === 1 ? undefined : g.sum(reached.map((mask) => g.expandLike(mask, y as Value)));
  const share = total ? g.div(dy, total) : dy;
  return inputs.map((x, i) => g.sumTo(g.mul(share, reached[i] as Value), x));
};

const sumOf: Rule = ({ g, inputs, dy }) => inputs.map((x) => g.sumTo(dy, x));

/** An operator of two inputs that follows small integers through `f`. */
const binary = (f: Parameters<typeof withInts>[1], gradient: Operator['gradient']): Operator => ({
  inputs: 2,
  infer: withInts(broadcast, f),
  gradient,
});

/** A comparison or a logical operator. */
const truth = (f: Parameters<typeof withInts>[1]): Operator => ({
  inputs: 2,
  infer: withInts(broadcastTo('bool'), f),
  gradient: 'zero',
});

const same = (_: GraphBuilder, dy: Value): Value => dy;

/** The family. */
export const arithmetic: OperatorTable = {
  Add: binary(addDims, partials(same, same)),
  Sub: binary(
    subDims,
    partials(same, (g, dy) => g.neg(dy)),
  ),
  Mul: binary(
    mulDims,
    partials(
      (g, dy, _a, b) => g.mul(dy, b),
      (g, dy, a) => g.mul(dy, a),
    ),
  ),
  Div: binary(
    quotient,
    partials(
      (g, dy, _a, b) => g.div(dy, b),
      (g, dy, _a, b, y) => g.neg(g.div(g.mul(dy, y), b)),
    ),
  ),
  Mod: binary(
    (a, b) => (b === 0 ? undefined : numeric((x, y) => x - y * Math.floor(x / y))(a, b)),
    partials(same, (g, dy, a, b) => g.neg(g.mul(dy, g.op('Floor', [g.div(a, b)])))),
  ),
  Pow: { inputs: 2, infer: broadcast, gradient: partials(powBase, powExponent) },
  Min: { inputs: 'all', infer: withInts(broadcast, numeric(Math.min)), gradient: extremum },
  Max: { inputs: 'all', infer: withInts(broadcast, numeric(Math.max)), gradient: extremum },
  Sum: { inputs: 'all', infer: broadcast, gradient: sumOf },
  Mean: {
    inputs: 'all',
    infer: broadcast,
    gradient: ({ g, inputs, dy }) => inputs.map((x) => g.sumTo(g.div(dy, inputs.length), x)),
  },
  Equal: truth(equality),
  Greater: truth(numeric((a, b) => Number(a > b))),
  GreaterOrEqual: truth(numeric((a, b) => Number(a >= b))),
  Less: truth(numeric((a, b) => Number(a < b))),
  LessOrEqual: truth(numeric((a, b) => Number(a <= b))),
  And: truth(numeric((a, b) => a & b)),
  Or: truth(numeric((a, b) => a | b)),
  Xor: truth(numeric((a, b) => a ^ b)),
};
