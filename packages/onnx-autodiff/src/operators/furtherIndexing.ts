/**
 * Operators that take elements by index: the gradient is added up where each came from.
 *
 * @see https://onnx.ai/onnx/operators/
 */

import type { GraphBuilder } from '../graph/builder.ts';
import {
  elementsBack,
  input,
  int,
  intsOf,
  misfit,
  normalAxis,
  refuse,
  register,
  shapeOfSizes,
  sizeBetween,
  type Value,
} from './kit.ts';
import type { Infer, Rule, TypeInfo } from './operator.ts';
import { addRows, scatterBack } from './scatterAdd.ts';

const inferGatherND: Infer = (call) => {
  const [{ dtype, shape }, { shape: indices }] = [input(call, 0), input(call, 1)];
  const width = indices?.at(-1);
  if (!shape || !indices || typeof width !== 'number') return [{ dtype, shape: undefined }];
  const batch = int(call, 'batch_dims', 0);
  const taken = batch + width;
  if (batch < 0 || taken > shape.length)
    misfit(call, `an index must have at most ${shape.length} entries, not ${batch} + ${width}`);
  return [{ dtype, shape: [...indices.slice(0, -1), ...shape.slice(taken)] }];
};

/** Where tuples of indices point to, counted in rows of what they leave: [batch, n]. */
function rowsOf(g: GraphBuilder, x: Value, indices: Value, batch: number, width: number): Value {
  const sizes = g.op('Shape', [x], { start: batch, end: batch + width });
  const strides = Array.from({ length: width }, (_, i) => sizeBetween(g, x, batch + i + 1, batch + width));
  const entries = g.op('Mod', [indices, sizes]);
  const perBatch = g.reduceSum(g.mul(entries, shapeOfSizes(g, strides)), [-1]);
  const batches = sizeBetween(g, x, 0, batch);
  const rows = g.reshape(perBatch, shapeOfSizes(g, [batches, -1]));
  if (batch === 0) return rows;
  const count = g.squeeze(batches, [0]);
  const first = g.op('Range', [g.scalar(0, 'int64'), count, g.scalar(1, 'int64')]);
  return g.add(rows, g.unsqueeze(g.mul(first, sizeBetween(g, x, batch, batch + width)), [1]));
}

const gatherNDRule: Rule = ({ g, node, inputs, dy }) => {
  const [x, indices] = inputs as [Value, Value];
  const width = g.knownShape(indices).at(-1);
  if (typeof width !== 'number')
    return refuse(node, 'the size of an index must be known. Received: a computed one');
  // throws where the shape is not known, and nothing has been checked
  const [batch, rank] = [int(node, 'batch_dims', 0), g.rank(x)];
  const rows = g.reshape(rowsOf(g, x, indices, batch, width), [-1]);
  const [count, inner] = [sizeBetween(g, x, 0, batch + width), sizeBetween(g, x, batch + width, rank)];
  return [g.reshapeLike(addRows(g, dy, rows, count, inner), x)];
};

const inferTopK: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (!shape) return [dtype, 'int64' as const].map((type): TypeInfo => ({ dtype: type, shape }));
  const axis = normalAxis(call, int(call, 'axis', -1), shape.length);
  const [k, size] = [intsOf(call, 1)?.[0] ?? call.fresh(), shape[axis]];
  if (typeof k === 'number' && typeof size === 'number' && k > size)
    misfit(call, `k must be at most ${size}, not ${k}`);
  const kept = shape.map((dim, i) => (i === axis ? k : dim));
  return [
    { dtype, shape: kept },
    { dtype: 'int64', shape: kept },
  ];
};

const topKRule: Rule = ({ g, node, inputs: [x], gradients: [dy] }) => {
  const indices = (node.outputs[1] ?? g.extend(node, 2)[1]) as Value;
  return [dy && elementsBack(g, dy, x as Value, indices, int(node, 'axis', -1))];
};

const inferCompress: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (!call.attributes['axis']) return [{ dtype, shape: [call.fresh()] }];
  if (!shape) return [{ dtype, shape }];
  const axis = normalAxis(call, int(call, 'axis', 0), shape.length);
  return [{ dtype, shape: shape.map((dim, i) => (i === axis ? call.fresh() : dim)) }];
};

const compressRule: Rule = ({ g, node, inputs, dy }) => {
  const [x, condition] = inputs as [Value, Value];
  const taken = g.reshape(g.op('NonZero', [condition]), [-1]);
  if (node.attributes['axis']) return [scatterBack(g, dy, x, taken, g.axis(x, int(node, 'axis', 0)))];
  return [g.reshapeLike(scatterBack(g, dy, g.reshape(x, [-1]), taken, 0), x)];
};

const inferOneHot: Infer = (call) => {
  const { dtype } = input(call, 2);
  const { shape } = input(call, 0);
  if (!shape) return [{ dtype, shape: undefined }];
  const axis = normalAxis(call, int(call, 'axis', -1), shape.length + 1);
  const depth = intsOf(call, 1)?.[0] ?? call.fresh();
  return [{ dtype, shape: [...shape.slice(0, axis), depth, ...shape.slice(axis)] }];
};

/** y = off + (on - off) [hot]: `on` gets the sum of dy where it is hot, `off` the rest. */
const oneHotRule: Rule = ({ g, node, inputs, dy, needs }) => {
  if (!needs(2)) return [];
  const [indices, depth] = inputs as [Value, Value];
  const zeroOne = g.constant([0, 1], [2], dy.dtype ?? 'float32');
  const hot = g.node('OneHot', [indices, depth, zeroOne], node.attributes)[0] as Value;
  const sums = [g.sub(1, hot), hot].map((mask) => g.reduceSum(g.mul(dy, mask)));
  return [
    undefined,
    undefined,
    g.concat(
      sums.map((sum) => g.unsqueeze(sum, [0])),
      0,
    ),
  ];
};

const gatherRule: Rule = ({ g, node, inputs, dy }) => {
  const [x, indices] = inputs as [Value, Value];
  return [scatterBack(g, dy, x, indices, g.axis(x, int(node, 'axis', 0)))];
};

register(
  {
    GatherND: { inputs: 2, infer: inferGatherND, gradient: gatherNDRule },
    TopK: { inputs: 2, infer: inferTopK, gradient: topKRule },
    Compress: { inputs: 2, infer: inferCompress, gradient: compressRule },
    OneHot: { inputs: 3, infer: inferOneHot, gradient: oneHotRule },
  },
  { Gather: gatherRule },
);
