/** Operators that join, cut and choose: Concat, Split, Slice, Pad, Where, Trilu. */

import { int, type Value } from '../graph/value.ts';
import { addDims } from '../model/dims.ts';
import type { Dim } from '../model/model.ts';
import { broadcastShapes, freshShape, input, normalAxis } from './infer.ts';
import type { Infer, OperatorTable } from './operator.ts';

const inferConcat: Infer = (call) => {
  const { dtype } = input(call, 0);
  const shapes = call.inputs.map((value) => value?.shape);
  const [first] = shapes;
  if (!first) return [{ dtype, shape: undefined }];
  const axis = normalAxis(call, int(call, 'axis', 0), first.length);
  if (!shapes.every((shape) => shape?.length === first.length))
    return [{ dtype, shape: freshShape(call, first.length) }];
  const total = shapes.reduce((sum: Dim, shape) => addDims(sum, shape?.[axis] as Dim), 0);
  const isVector = first.length === 1 && call.inputs.every((value) => value?.ints);
  const values = isVector ? call.inputs.flatMap((value) => value?.ints ?? []) : undefined;
  return [{ dtype, shape: first.map((dim, i) => (i === axis ? total : dim)), ints: values }];
};

const inferWhere: Infer = (call) => {
  const [condition, x, y] = [input(call, 0), input(call, 1), input(call, 2)];
  const shape = broadcastShapes(call, [condition.shape, x.shape, y.shape]);
  const chosen = condition.ints?.map((test, i) => {
    const pick = test === 1 ? x : y;
    return typeof test === 'number' ? pick.ints?.[pick.ints.length === 1 ? 0 : i] : undefined;
  });
  const known = (shape?.length ?? 2) <= 1 && chosen?.every((value) => value !== undefined);
  return [{ dtype: x.dtype, shape, ints: known ? (chosen as Dim[]) : undefined }];
};

/** The family. */
export const selection: OperatorTable = {
  Concat: { infer: inferConcat, gradient: 'zero' },
  Where: {
    infer: inferWhere,
    gradient: ({ g, inputs: [condition, x, y], dy }) => [
      undefined,
      g.sumTo(g.where(condition as Value, dy, 0), x as Value),
      g.sumTo(g.where(condition as Value, 0, dy), y as Value),
    ],
  },
};
