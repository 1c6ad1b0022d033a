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
export const timesSlope = (dx: (g: GraphBuilder, dy: Value, x: Value, y: Value) => Value): Operator => ({
  infer: sameAsInput,
  gradient: ({ g, dy, inputs: [x], outputs: [y] }) => [dx(g, dy, x as Value, y as Value)],
});

/** Piecewise constant: the gradient is 0 wherever it exists. */
const steps: Operator = { infer: sameAsInput, gradient: 'zero' };

const negated: Infer = (call) => [
  { ...(sameAsInput(call)[0] as TypeInfo), ints: call.inputs[0]?.ints?.map((value) => mulDims(value, -1)) },
];

/** True or false, element by element. */
export const bool: Infer = (call) => [{ ...(sameAsInput(call)[0] as TypeInfo), dtype: 'bool' }];

/** `x^2`. */
export const square = (g: GraphBuilder, x: Value): Value => g.mul(x, x);

/** The family. */
export const unary: OperatorTable = {
  Neg: { infer: negated, gradient: ({ g, dy }) => [g.neg(dy)] },
  Abs: timesSlope((g, dy, x) => g.mul(dy, g.sign(x))),
  Exp: timesSlope((g, dy, _x, y) => g.mul(dy, y)),
  Log: timesSlope((g, dy, x) => g.div(dy, x)),
  Sqrt: timesSlope((g, dy, _x, y) => g.div(dy, g.mul(y, 2))),
  Reciprocal: timesSlope((g, dy, _x, y) => g.neg(g.mul(dy, square(g, y)))),
  Sin: timesSlope((g, dy, x) => g.mul(dy, g.cos(x))),
  Cos: timesSlope((g, dy, x) => g.neg(g.mul(dy, g.sin(x)))),
  Erf: timesSlope((g, dy, x) => g.mul(dy, g.mul(g.exp(g.neg(square(g, x))), 2 / Math.sqrt(Math.PI)))),
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
};
