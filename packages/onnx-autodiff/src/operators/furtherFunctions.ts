/**
 * Elementwise functions that few models have: trigonometry, and activations beyond the classic ones.
 *
 * @see https://onnx.ai/onnx/operators for the formulas, PyTorch's functional activations for the kinks.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import {
  bool,
  checkFit,
  float,
  from,
  input,
  misfit,
  positive,
  register,
  type Slope,
  sameAsInput,
  square,
  text,
  timesSlope,
  type Value,
} from './kit.ts';
import type { Backward, Infer, Rule, TypeInfo } from './operator.ts';

/** `min(x, 0)` in one pass. */
const negativePart = (g: GraphBuilder, x: Value): Value => g.op('Clip', [x, undefined, g.scalar(0, x.dtype)]);

/** 1 where `x` is positive, else `slope`. */
function oneOr(g: GraphBuilder, slope: number, x: Value): Value {
  const step = positive(g, x);
  // max(0 or 1, slope) is one pass less
  return slope >= 0 && slope <= 1
    ? g.op('Clip', [step, g.scalar(slope, x.dtype)])
    : g.add(g.mul(step, 1 - slope), slope);
}

/** y = x, or alpha (e^x - 1) below 0: there the slope is y + alpha. */
const elu: Slope = (g, x, y, node) => {
  const alpha = float(node, 'alpha', 1);
  if (alpha === 1) return g.add(negativePart(g, y), 1);
  return g.where(g.greater(x, 0), 1, g.add(y, alpha));
};

/** gamma times elu. */
const selu: Slope = (g, x, y, node) => {
  const [alpha, gamma] = [float(node, 'alpha', 1.6732632423543772), float(node, 'gamma', 1.0507010221481323)];
  return g.where(g.greater(x, 0), gamma, g.add(y, alpha * gamma));
};

/** y = x, or alpha (e^(x / alpha) - 1) below 0: there the slope is y / alpha + 1. */
const celu: Slope = (g, _x, y, node) => g.add(g.mul(negativePart(g, y), 1 / float(node, 'alpha', 1)), 1);

/** x Phi(x), Phi being the normal distribution's: Phi(x) + x phi(x). */
function geluSlope(g: GraphBuilder, x: Value): Value {
  const below = g.mul(g.add(g.erf(g.mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = g.mul(g.exp(g.mul(g.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return g.add(below, g.mul(x, density));
}

/** x (1 + t) / 2 with t = tanh(c (x + 0.044715 x^3)): (1 + t + x (1 - t^2) c (1 + 3 0.044715 x^2)) / 2. */
function geluTanhSlope(g: GraphBuilder, x: Value): Value {
  const [c, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = g.mul(x, x);
  const t = g.tanh(g.mul(x, g.add(g.mul(square, c * cubic), c)));
  const inner = g.mul(x, g.add(g.mul(square, 3 * c * cubic), c));
  const bend = g.mul(g.sub(1, g.mul(t, t)), inner);
  return g.mul(g.add(g.add(t, bend), 1), 0.5);
}

/** x h with h = clip(x / 6 + 1/2, 0, 1): h + x / 6 where h is inside. */
const hardSwish: Slope = (g, x) => {
  const h = g.op('HardSigmoid', [x], { alpha: 1 / 6, beta: 0.5 });
  const inside = g.mask(g.less(g.abs(x), 3), x);
  return g.add(h, g.mul(g.mul(inside, x), 1 / 6));
};

/** x t with t = tanh(softplus(x)): t + x (1 - t^2) sigmoid(x). */
const mish: Slope = (g, x) => {
  const t = g.tanh(g.softplus(x));
  return g.add(t, g.mul(g.mul(x, g.sigmoid(x)), g.sub(1, g.mul(t, t))));
};

/** x s with s = sigmoid(alpha x): s + alpha y (1 - s). */
const swish: Slope = (g, x, y, node) => {
  const alpha = float(node, 'alpha', 1);
  const s = g.sigmoid(g.mul(x, alpha));
  return g.add(s, g.mul(g.mul(y, alpha), g.sub(1, s)));
};

/** x / (1 + |x|): 1 / (1 + |x|)^2. */
const softsign: Rule = ({ g, dy, inputs: [x] }) => {
  const size = g.add(g.abs(x as Value), 1);
  return [g.div(dy, g.mul(size, size))];
};

const inferPRelu: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  input(call, 1);
  checkFit(call, 'the slope');
  return [{ dtype, shape }];
};

/** y = x, or slope x below 0. */
const prelu: Rule = ({ g, dy, inputs: [x, slope], needs }) => {
  const [a, s] = [x as Value, slope as Value];
  // slope + (1 - slope) [x > 0]
  const dx = () => g.mul(dy, g.add(g.mul(g.mask(g.greater(a, 0), dy), g.sub(1, s)), s));
  return [needs(0) ? dx() : undefined, needs(1) ? g.sumTo(g.mul(dy, negativePart(g, a)), s) : undefined];
};

const inferClip: Infer = (call) => {
  for (const bound of call.inputs.slice(1)) {
    if (bound?.shape?.some((dim) => typeof dim === 'number' && dim !== 1))
      misfit(call, 'a bound must be one number');
  }
  return [sameAsInput(call)[0] as TypeInfo];
};

/** Where the input came through unchanged. */
function unclipped({ g, inputs: [x, low, high], outputs: [y] }: Backward): Value {
  const value = x as Value;
  if (low && high) return g.equal(value, y as Value);
  return low ? g.greaterOrEqual(value, low) : g.lessOrEqual(value, high as Value);
}

/** y = min(max(x, low), high): to a bound goes what it has replaced. */
const clip: Rule = (backward) => {
  const { g, dy, inputs, needs } = backward;
  const [x, low, high] = inputs as readonly [Value, Value | undefined, Value | undefined];
  if (!low && !high) return [dy];
  const share = (which: Value): Value => g.mul(dy, g.mask(which, dy));
  const crossed = low && high ? g.greater(low, high) : undefined;
  const below = (bound: Value): Value => {
    const replaced = g.less(x, bound);
    return crossed ? g.and(replaced, g.not(crossed)) : replaced;
  };
  const above = (bound: Value): Value => {
    const replaced = g.greater(x, bound);
    return crossed ? g.op('Or', [replaced, crossed]) : replaced;
  };
  return [
    needs(0) ? share(unclipped(backward)) : undefined,
    low && needs(1) ? g.sumTo(share(below(low)), low) : undefined,
    high && needs(2) ? g.sumTo(share(above(high)), high) : undefined,
  ];
};

register({
  Tan: timesSlope((g, dy, _x, y) => g.mul(dy, g.add(square(g, y), 1))),
  Asin: timesSlope((g, dy, x) => g.div(dy, g.sqrt(g.sub(1, square(g, x))))),
  Acos: timesSlope((g, dy, x) => g.neg(g.div(dy, g.sqrt(g.sub(1, square(g, x)))))),
  Atan: timesSlope((g, dy, x) => g.div(dy, g.add(square(g, x), 1))),
  Sinh: timesSlope((g, dy, x) => g.mul(dy, g.op('Cosh', [x]))),
  Cosh: timesSlope((g, dy, x) => g.mul(dy, g.op('Sinh', [x]))),
  Asinh: timesSlope((g, dy, x) => g.div(dy, g.sqrt(g.add(square(g, x), 1)))),
  Acosh: timesSlope((g, dy, x) => g.div(dy, g.sqrt(g.sub(square(g, x), 1)))),
  Atanh: timesSlope((g, dy, x) => g.div(dy, g.sub(1, square(g, x)))),
  IsNaN: { infer: bool, gradient: 'zero' },
  IsInf: { infer: bool, gradient: 'zero' },
  LeakyRelu: from((g, x, _y, node) => oneOr(g, float(node, 'alpha', 0.01), x)),
  PRelu: { inputs: 2, infer: inferPRelu, gradient: prelu },
  ThresholdedRelu: from((g, x, _y, node) => g.mask(g.greater(x, float(node, 'alpha', 1)), x)),
  Shrink: from((g, x, _y, node) => g.mask(g.greater(g.abs(x), float(node, 'lambd', 0.5)), x)),
  Clip: { infer: inferClip, gradient: clip },
  Elu: from(elu),
  Selu: from(selu),
  Celu: from(celu),
  Gelu: from((g, x, _y, node) =>
    text(node, 'approximate', 'none') === 'tanh' ? geluTanhSlope(g, x) : geluSlope(g, x),
  ),
  HardSwish: from(hardSwish),
  Mish: from(mish),
  Swish: from(swish),
  Softsign: { infer: sameAsInput, gradient: softsign },
});
