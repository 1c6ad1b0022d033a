/**
 * Operators that move or repeat elements without changing them: the gradient moves them back, and sums what was
 * repeated.
 *
 * @see https://onnx.ai/onnx/operators/
 */

import { int, ints } from '../graph/value.ts';
import { exactQuotient, mulDims, product, symbol } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { keptInts, movedInts } from './elements.ts';
import { broadcastShapes, freshShape, input, misfit, normalAxis, numbersIn } from './infer.ts';
import type { Call, Infer, OperatorTable, Rule } from './operator.ts';
import { onDemand } from './registry.ts';
import { shapeFromInts } from './shapes.ts';

/** Shape that a Reshape gives: 0 copies a size, -1 is what remains. */
function reshaped(call: Call, from: Shape | undefined, wanted: Shape): Shape {
  const copies = int(call, 'allowzero', 0) === 0;
  const sizes = wanted.map((dim, i) => (dim === 0 && copies ? copied(call, from, i) : dim));
  const open = sizes.indexOf(-1);
  if (sizes.some((dim, i) => (typeof dim === 'number' && dim < -1) || (dim === -1 && i !== open))) {
    misfit(call, `a shape must have sizes of at least 0 and one -1 at most, not [${wanted.join(', ')}]`);
  }
  const known = product(sizes.filter((dim) => dim !== -1));
  const total = from && product(from);
  if (open < 0) {
    if (typeof total === 'number' && typeof known === 'number' && total !== known) {
      misfit(call, `${total} elements do not fit the shape [${wanted.join(', ')}]`);
    }
    return sizes;
  }
  const rest = total === undefined ? call.fresh() : remainder(call, total, known);
  return sizes.map((dim, i) => (i === open ? rest : dim));
}

/** The size that a 0 stands for. */
function copied(call: Call, from: Shape | undefined, axis: number): Dim {
  if (from && axis >= from.length) misfit(call, `size 0 at ${axis} must have an axis to copy from`);
  return from?.[axis] ?? call.fresh();
}

/** The size that a -1 stands for. */
function remainder(call: Call, total: Dim, known: Dim): Dim {
  const quotient = exactQuotient(total, known);
  if (quotient !== undefined || total === 0) return quotient ?? 0;
  if (typeof total === 'number' && typeof known === 'number')
    misfit(call, `${total} elements must divide by ${known}`);
  return symbol(`(${total}) / (${known})`);
}

const inferReshape: Infer = (call) => {
  const x = input(call, 0);
  const wanted = shapeFromInts(call, 1);
  const known = input(call, 1).ints !== undefined;
  const shape = wanted && known ? reshaped(call, x.shape, wanted) : wanted;
  return [{ dtype: x.dtype, shape, ints: keptInts(x, shape) }];
};

const inferFlatten: Infer = (call) => {
  const x = input(call, 0);
  if (!x.shape) return [{ dtype: x.dtype, shape: freshShape(call, 2) }];
  const rank = x.shape.length;
  const axis = int(call, 'axis', 1);
  if (axis < -rank || axis > rank) misfit(call, `axis must be in [${-rank}, ${rank}], not ${axis}`);
  const at = axis < 0 ? axis + rank : axis;
  const shape = [product(x.shape.slice(0, at)), product(x.shape.slice(at))];
  return [{ dtype: x.dtype, shape, ints: keptInts(x, shape) }];
};

const inferTranspose: Infer = (call) => {
  const x = input(call, 0);
  const { dtype, shape: from } = x;
  const perm = ints(call, 'perm') ?? from?.map((_, i) => from.length - 1 - i);
  if (!perm) return [{ dtype, shape: undefined }];
  const isPermutation = [...perm].sort((a, b) => a - b).every((axis, i) => axis === i);
  if (!isPermutation || perm.length !== (from ?? perm).length) {
    misfit(call, `perm must permute the axes, not [${perm}]`);
  }
  if (!from) return [{ dtype, shape: freshShape(call, perm.length) }];
  const shape = perm.map((axis) => from[axis] as Dim);
  return [
    { dtype, shape, ints: movedInts(x, shape, (at) => from.map((_, i) => at[perm.indexOf(i)] as number)) },
  ];
};

const inferUnsqueeze: Infer = (call) => {
  const x = input(call, 0);
  const axes = numbersIn(call, 1);
  if (!x.shape || !axes) return [{ dtype: x.dtype, shape: undefined }];
  const rank = x.shape.length + axes.length;
  const at = new Set(axes.map((axis) => normalAxis(call, axis, rank)));
  if (at.size < axes.length) misfit(call, `axes must differ, not [${axes}]`);
  const rest = [...x.shape];
  const shape = Array.from({ length: rank }, (_, i) => (at.has(i) ? 1 : (rest.shift() as Dim)));
  return [{ dtype: x.dtype, shape, ints: keptInts(x, shape) }];
};

const inferSqueeze: Infer = (call) => {
  const x = input(call, 0);
  const { dtype, shape: from } = x;
  if (!from) return [{ dtype, shape: undefined }];
  const given = call.inputs[1];
  const axes = given ? numbersIn(call, 1)?.map((axis) => normalAxis(call, axis, from.length)) : undefined;
  // without axes, all of size 1 go: a name may have size 1
  const isOpen = given ? !axes : from.some((dim) => typeof dim === 'string');
  if (isOpen) return [{ dtype, shape: undefined }];
  const wrong = axes?.find((axis) => typeof from[axis] === 'number' && from[axis] !== 1);
  if (wrong !== undefined) misfit(call, `axis ${wrong} must have size 1`);
  const shape = from.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1));
  return [{ dtype, shape, ints: keptInts(x, shape) }];
};

const inferExpand: Infer = (call) => {
  const x = input(call, 0);
  const target = shapeFromInts(call, 1);
  if (target?.some((dim) => typeof dim === 'number' && dim < 0))
    misfit(call, `sizes must be at least 0, not [${target.join(', ')}]`);
  const { dtype, shape: from } = x;
  const shape = from && target && broadcastShapes(call, [from, target]);
  if (!shape) return [{ dtype, shape }];
  const missing = shape.length - from.length;
  const repeated = movedInts(x, shape, (at) =>
    from.map((size, i) => (size === 1 ? 0 : (at[i + missing] as number))),
  );
  return [{ dtype, shape, ints: repeated }];
};

const inferTile: Infer = (call) => {
  const x = input(call, 0);
  const { dtype, shape: from } = x;
  const repeats = input(call, 1).ints;
  if (!from) return [{ dtype, shape: undefined }];
  if (!repeats) return [{ dtype, shape: freshShape(call, from.length) }];
  if (repeats.length !== from.length)
    misfit(call, `repeats must have a number for each of the ${from.length} axes, not ${repeats.length}`);
  const shape = from.map((dim, i) => mulDims(dim, repeats[i] as Dim));
  const copies = movedInts(x, shape, (at) => at.map((position, i) => position % Number(from[i])));
  return [{ dtype, shape, ints: copies }];
};

const back: Rule = ({ g, inputs: [x], dy }) => [x && g.reshapeLike(dy, x)];

/** The family. */
export const layout: OperatorTable = {
  Reshape: { inputs: 2, infer: inferReshape, gradient: back },
  Flatten: { infer: inferFlatten, gradient: back },
  Squeeze: { infer: inferSqueeze, gradient: back },
  Unsqueeze: { inputs: 2, infer: inferUnsqueeze, gradient: back },
  Transpose: {
    infer: inferTranspose,
    gradient: ({ g, node, dy }) => {
      const perm = ints(node, 'perm');
      return [
        g.transpose(
          dy,
          perm?.map((_, axis) => perm.indexOf(axis)),
        ),
      ];
    },
  },
  Expand: { inputs: 2, infer: inferExpand, gradient: ({ g, inputs: [x], dy }) => [x && g.sumTo(dy, x)] },
  Tile: { inputs: 2, infer: inferTile, gradient: onDemand },
};
