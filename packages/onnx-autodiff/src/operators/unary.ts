/**
 * Elementwise functions of one variable: `dx = dy f'(x)`, written with `y = f(x)` where that saves work.
 *
 * Activations are in a family of their own.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { mulDims } from '../model/dims.ts';
import { sameAsInput } from './infer.ts';
import type { Infer, Operator, OperatorTable, TypeInfo } from './operator.ts';

/** An operator from its derivative times dy. */
const from = (dx: (g: GraphBuilder, dy: Value, x: Value, y: Value) => Value): Operator => ({
  infer: sameAsInput,
  gradient: ({ g, dy, inputs: [x], outputs: [y] }) => [dx(g, dy, x as Value, y as Value)],
});

/** Piecewise constant: the gradient is 0 wherever it exists. */
const steps: Operator = { infer: sameAsInput, gradient: 'zero' };

const negated: Infer = (call) => [
  { ...(sameAsInput(call)[0] as TypeInfo), ints: call.inputs[0]?.ints?.map((value) => mulDims(value, -1)) },
];

const bool: Infer = (call) => [{ ...(sameAsInput(call)[0] as TypeInfo), dtype: 'bool' }];

/** `1 - x^2` and its relatives. */
const square = (g: GraphBuilder, x: Value): Value => g.mul(x, x);

/** The family. */
export const unary: OperatorTable = {
  Neg: { infer: negated, gradient: ({ g, dy }) => [g.neg(dy)] },
  Abs: from((g, dy, x) => g.mul(dy, g.sign(x))),
  Exp: from((g, dy, _x, y) => g.mul(dy, y)),
  Log: from((g, dy, x) => g.div(dy, x)),
  Sqrt: from((g, dy, _x, y) => g.div(dy, g.mul(y, 2))),
  Reciprocal: from((g, dy, _x, y) => g.neg(g.mul(dy, square(g, y)))),
  Sin: from((g, dy, x) => g.mul(dy, g.cos(x))),
  Cos: from((g, dy, x) => g.neg(g.mul(dy, g.sin(x)))),
  Tan: from((g, dy, _x, y) => g.mul(dy, g.add(square(g, y), 1))),
  Asin: from((g, dy, x) => g.div(dy, g.sqrt(g.sub(1, square(g, x))))),
  Acos: from((g, dy, x) => g.neg(g.div(dy, g.sqrt(g.sub(1, square(g, x)))))),
  Atan: from((g, dy, x) => g.div(dy, g.add(square(g, x), 1))),
  Sinh: from((g, dy, x) => g.mul(dy, g.op('Cosh', [x]))),
  Cosh: from((g, dy, x) => g.mul(dy, g.op('Sinh', [x]))),
  Asinh: from((g, dy, x) => g.div(dy, g.sqrt(g.add(square(g, x), 1)))),
  Acosh: from((g, dy, x) => g.div(dy, g.sqrt(g.sub(square(g, x), 1)))),
  Atanh: from((g, dy, x) => g.div(dy, g.sub(1, square(g, x)))),
  Erf: from((g, dy, x) => g.mul(dy, g.mul(g.exp(g.neg(square(g, x))), 2 / Math.sqrt(Math.PI)))),
  Identity: {
    infer: (call) => [{ ...(sameAsInput(call)[0] as TypeInfo), ints: call.inputs[0]?.ints }],
    gradient: ({ dy }) => [dy],
  },
  Sign: steps,
  Floor: steps,
  Ceil: steps,
  Round: steps,
  Not: {
    infer: (call) => [
      {
        ...(bool(call)[0] as TypeInfo),
        ints: call.inputs[0]?.ints?.every((value) => typeof value === 'number')
          ? call.inputs[0].ints.map((value) => Number(value === 0))
          : undefined,
      },
    ],
    gradient: 'zero',
  },
  IsNaN: { infer: bool, gradient: 'zero' },
  IsInf: { infer: bool, gradient: 'zero' },
};
