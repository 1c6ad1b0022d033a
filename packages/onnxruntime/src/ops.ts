/**
 * The core's operations as nodes of an ONNX graph.
 *
 * A step of the core that runs over these operations computes nothing: it writes itself down. So the update that runs
 * inside onnxruntime is the core's own Algorithm 1, and there is no second one.
 */

import type { Scalar, ScalarOps, TensorOps } from '@vradam/core';
import { type GraphBuilder, sizeOf, type Value } from '@vradam/onnx-autodiff/lazy';
import { fail } from './errors.ts';

type Operand = Scalar<Value>;

/** Makes a graph value of a host number that changes from step to step. */
export type Lift = (value: number, role: string) => Value;

/** `a x`, without a node where `a` is 1. */
const scale = (g: GraphBuilder, a: Operand, x: Value): Value => (a === 1 ? x : g.mul(x, a));

function scalarOps(g: GraphBuilder, lift: Lift): ScalarOps<Value> {
  return {
    of: lift,
    add: (a, b) => g.add(a, b),
    mul: (a, b) => g.mul(a, b),
    div: (a, b) => g.div(a, b),
    min: (a, b) => g.min(a, b),
    sqrt: (a) => g.sqrt(a),
    sum: (terms) => g.sum(terms),
  };
}

/** The largest divisor up to the square root; 1 for a prime. */
function divisorOf(size: number): number {
  let divisor = Math.floor(Math.sqrt(size));
  while (size % divisor !== 0) divisor--;
  return divisor;
}

const powerOf = (g: GraphBuilder, x: Value, power: number): Value => (power === 1 ? x : g.pow(x, power));

/** Elements that onnxruntime adds up in one go; in WebAssembly a float32 sum of a million is off by 4e-4. */
const largestSum = 4096;

/** `sum |x|^power`; many elements by rows first, which keeps the rounding of a sum near that of a row. */
function sumPower(g: GraphBuilder, x: Value, power: number): Value {
  // the shape is unknown where gradients come as a sequence
  const size = sizeOf((x.shape ?? []) as readonly number[]);
  const isLarge = size > largestSum;
  if (power === 2 && !isLarge) return g.op('ReduceSumSquare', [x], { keepdims: 0 });
  // onnxruntime squares rows more slowly than it multiplies and adds them
  const terms = power === 2 ? g.mul(x, x) : powerOf(g, g.abs(x), power);
  return g.reduceSum(isLarge ? g.reduceSum(g.reshape(terms, [divisorOf(size), -1]), [1]) : terms);
}

const notYet = (): never =>
  fail(
    'ERR_UNSUPPORTED',
    'a value of a graph has no numbers before the graph runs. Received: a request to read one.',
  );

/**
 * Operations that add nodes to a graph. Element type float32, norms too.
 *
 * @param g - the graph, whose values are the tensors; shapes of parameters must be known.
 * @param lift - makes inputs of the graph for learning rates and bias corrections.
 * @returns operations that own nothing: `tidy` and `dispose` do nothing, `replace` gives the new value.
 */
export function createGraphOps(g: GraphBuilder, lift: Lift): TensorOps<Value, Value> {
  return {
    name: 'onnx-graph',
    dtype: 'float32',
    scalars: scalarOps(g, lift),
    fromArray: (data, shape) => g.constant(Array.from(data), shape),
    toArray: notYet,
    readScalar: notYet,
    shape: (x) => x.shape as readonly number[],
    zerosLike: (x) => g.zerosLike(x),
    axpby: (a, x, b, y) => g.add(scale(g, a, x), scale(g, b, y)),
    affine: (a, x, b) => (b === 0 ? scale(g, a, x) : g.add(scale(g, a, x), b)),
    mul: (x, y) => g.mul(x, y),
    div: (x, y) => g.div(x, y),
    sqrt: (x) => g.sqrt(x),
    sumPower: (x, power) => sumPower(g, x, power),
    replace: (_previous, next) => next,
    tidy: (scope) => scope(),
    dispose: () => {},
  };
}
