/**
 * Products of matrices.
 *
 * `Y = A B`: `dA = dY B^T`, `dB = A^T dY`, summed over batch axes along which an operand was repeated.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { float, int, type Value } from '../graph/value.ts';
import type { Dim, Shape } from '../model/model.ts';
import { broadcastShapes, input, misfit } from './infer.ts';
import type { Call, Infer, OperatorTable, Rule } from './operator.ts';

/** True unless two sizes are known to differ. */
const mayMatch = (a: Dim | undefined, b: Dim | undefined): boolean =>
  typeof a !== 'number' || typeof b !== 'number' || a === b;

const inferMatMul: Infer = (call) => {
  const [a, b] = [input(call, 0), input(call, 1)];
  return [{ dtype: a.dtype, shape: a.shape && b.shape && productShape(call, a.shape, b.shape) }];
};

function productShape(call: Call, a: Shape, b: Shape): Shape {
  if (a.length === 0 || b.length === 0) misfit(call, 'a scalar has no matrix product');
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  if (!mayMatch(left.at(-1), right.at(-2))) misfit(call, 'columns of the first must be rows of the second');
  const batch = broadcastShapes(call, [left.slice(0, -2), right.slice(0, -2)]) as Shape;
  return [
    ...batch,
    ...(a.length === 1 ? [] : [left.at(-2) as Dim]),
    ...(b.length === 1 ? [] : [right.at(-1) as Dim]),
  ];
}

const matMulRule: Rule = ({ g, inputs: [a, b], dy, needs }) => {
  const [left, right] = [a as Value, b as Value];
  // vectors are matrices of one row or column
  const wideLeft = g.rank(left) === 1 ? g.unsqueeze(left, [0]) : left;
  const wideRight = g.rank(right) === 1 ? g.unsqueeze(right, [1]) : right;
  const rows = g.rank(left) === 1 ? g.unsqueeze(dy, [g.rank(right) === 1 ? 0 : -2]) : dy;
  const wide = g.rank(right) === 1 ? g.unsqueeze(rows, [-1]) : rows;
  const da = () => g.sumTo(g.matMul(wide, g.swapLast(wideRight)), wideLeft);
  return [
    needs(0) ? g.reshapeLike(da(), left) : undefined,
    needs(1) ? g.reshapeLike(rightGradient(g, wideLeft, wide, wideRight), right) : undefined,
  ];
};

/** dB; a matrix shared by a whole batch is one product over all rows, not a sum of many. */
function rightGradient(g: GraphBuilder, a: Value, dy: Value, b: Value): Value {
  if (g.rank(b) === 2 && g.rank(a) > 2) {
    const [k, n] = g.knownShape(b);
    if (typeof k === 'number' && typeof n === 'number') {
      return g.gemm(g.reshape(a, [-1, k]), g.reshape(dy, [-1, n]), undefined, { transA: 1 });
    }
  }
  return g.sumTo(g.matMul(g.swapLast(a), dy), b);
}

const inferGemm: Infer = (call) => {
  const [a, b] = [input(call, 0), input(call, 1)];
  if (!a.shape || !b.shape) return [{ dtype: a.dtype, shape: undefined }];
  if (a.shape.length !== 2 || b.shape.length !== 2) misfit(call, 'operands must be matrices');
  const [m, k] = int(call, 'transA', 0) ? [a.shape[1], a.shape[0]] : a.shape;
  const [rows, n] = int(call, 'transB', 0) ? [b.shape[1], b.shape[0]] : b.shape;
  if (!mayMatch(k, rows)) misfit(call, 'columns of the first must be rows of the second');
  const shape = [m as Dim, n as Dim];
  const c = call.inputs[2]?.shape;
  const wide = c && broadcastShapes(call, [shape, c]);
  if (wide && (wide.length > 2 || !wide.every((dim, i) => mayMatch(dim, shape[i]))))
    misfit(call, 'the third must broadcast to the product');
  return [{ dtype: a.dtype, shape }];
};

/** Y = alpha A' B' + beta C, primes being transposes: dA' = alpha dY B'^T, dB' = alpha A'^T dY, dC = beta sum dY. */
const gemmRule: Rule = ({ g, node, inputs: [a, b, c], dy, needs }) => {
  const [transA, transB] = [int(node, 'transA', 0), int(node, 'transB', 0)];
  const alpha = float(node, 'alpha', 1);
  const product = (left: Value, right: Value, tLeft: number, tRight: number): Value =>
    g.gemm(left, right, undefined, { alpha, transA: tLeft, transB: tRight });
  const da = () => (transA ? product(b as Value, dy, transB, 1) : product(dy, b as Value, 0, transB ? 0 : 1));
  const db = () => (transB ? product(dy, a as Value, 1, transA) : product(a as Value, dy, transA ? 0 : 1, 0));
  const dc = () => g.mul(g.sumTo(dy, c as Value), float(node, 'beta', 1));
  return [needs(0) ? da() : undefined, needs(1) ? db() : undefined, needs(2) ? dc() : undefined];
};

/** The family. */
export const products: OperatorTable = {
  MatMul: { inputs: 2, infer: inferMatMul, gradient: matMulRule },
  Gemm: { inputs: 2, infer: inferGemm, gradient: gemmRule },
};
