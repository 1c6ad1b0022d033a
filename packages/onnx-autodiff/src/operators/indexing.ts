/**
 * Operators that take elements by index, and the one that adds them up there: what losses and embeddings need.
 *
 * @see https://onnx.ai/onnx/operators/
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { int, type Value } from '../graph/value.ts';
import type { Dim, Shape } from '../model/model.ts';
import { movedInts } from './elements.ts';
import { input, misfit, normalAxis, numbersIn, sameAsInput } from './infer.ts';
import type { Infer, OperatorTable, TypeInfo } from './operator.ts';
import { onDemand } from './registry.ts';

const inferGather: Infer = (call) => {
  const [x, indices] = [input(call, 0), input(call, 1)];
  const { dtype, shape: from } = x;
  if (!from) return [{ dtype, shape: undefined }];
  const axis = normalAxis(call, int(call, 'axis', 0), from.length);
  const size = from[axis] as Dim;
  const known = numbersIn(call, 1);
  if (typeof size === 'number' && known?.some((i) => i < -size || i >= size))
    misfit(call, `indices must be in [${-size}, ${size}), not [${known}]`);
  if (!indices.shape) return [{ dtype, shape: undefined }];
  const rank = indices.shape.length;
  const shape = [...from.slice(0, axis), ...indices.shape, ...from.slice(axis + 1)];
  const ints =
    known && typeof size === 'number'
      ? movedInts(x, shape, (at) => {
          const i = known[flat(at.slice(axis, axis + rank), indices.shape as Shape)] as number;
          return [...at.slice(0, axis), i < 0 ? i + size : i, ...at.slice(axis + rank)];
        })
      : undefined;
  return [{ dtype, shape, ints }];
};

const flat = (at: readonly number[], shape: Shape): number =>
  at.reduce((position, i, axis) => position * Number(shape[axis]) + i, 0);

const inferGatherElements: Infer = (call) => {
  const [x, indices] = [input(call, 0), input(call, 1)];
  if (x.shape && indices.shape && x.shape.length !== indices.shape.length)
    misfit(call, 'the indices must have as many axes as the input');
  return [{ dtype: x.dtype, shape: indices.shape }];
};

/** Elements that were taken along an axis go back to their places, and are added up there. */
export const elementsBack = (g: GraphBuilder, dy: Value, x: Value, indices: Value, axis: number): Value =>
  g.op('ScatterElements', [g.zerosLike(x), indices, dy], { axis, reduction: 'add' });

const inferScatterElements: Infer = (call) => {
  const [x, indices, updates] = [input(call, 0), input(call, 1), input(call, 2)];
  const ranks = [x, indices, updates].flatMap(({ shape }) => (shape ? [shape.length] : []));
  if (ranks.some((rank) => rank !== ranks[0])) misfit(call, 'all inputs must have equally many axes');
  return [sameAsInput(call)[0] as TypeInfo];
};

/** The family. */
export const indexing: OperatorTable = {
  Gather: { inputs: 2, infer: inferGather, gradient: onDemand },
  GatherElements: {
    inputs: 2,
    infer: inferGatherElements,
    gradient: ({ g, node, inputs, dy }) => {
      const [x, indices] = inputs as [Value, Value];
      return [elementsBack(g, dy, x, indices, int(node, 'axis', 0))];
    },
  },
  ScatterElements: { inputs: 3, infer: inferScatterElements, gradient: onDemand },
};
