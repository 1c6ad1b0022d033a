/**
 * Operators that move elements without changing them: the gradient moves them back.
 */

import { int, ints } from '../graph/value.ts';
import { exactQuotient, mulDims, product, symbol } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { broadcastShapes, freshShape, input, misfit, normalAxis, numbersIn } from './infer.ts';
import type { Call, Infer, OperatorTable } from './operator.ts';
import { shapeFromInts } from './shapes.ts';

/** Shape that a Reshape gives: 0 copies a size, -1 is what remains. */
function reshaped(call: Call, from: Shape | undefined, wanted: Shape): Shape {
  const copies = int(call, 'allowzero', 0) === 0;
  const sizes = wanted.map((dim, i) => (dim === 0 && copies ? (from?.[i] ?? call.fresh()) : dim));
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
  const rest =
    total === undefined ? call.fresh() : (exactQuotient(total, known) ?? remainder(call, total, known));
  return sizes.map((dim, i) => (i === open ? rest : dim));
}

function remainder(call: Call, total: Dim, known: Dim): Dim {
  if (total === 0) return 0;
  if (typeof total === 'number' && typeof known === 'number')
    misfit(call, `${total} elements do not divide by ${known}`);
  return symbol(`(${total}) / (${known})`);
}

const inferReshape: Infer = (call) => {
  const x = input(call, 0);
  const wanted = shapeFromInts(call, 1);
  const known = input(call, 1).ints !== undefined;
  const shape = wanted && known ? reshaped(call, x.shape, wanted) : wanted;
  return [{ dtype: x.dtype, shape, ints: shape && shape.length <= 1 ? x.ints : undefined }];
};

const inferFlatten: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (!shape) return [{ dtype, shape: freshShape(call, 2) }];
  const at = int(call, 'axis', 1);
  const axis = at < 0 ? at + shape.length : at;
  return [{ dtype, shape: [product(shape.slice(0, axis)), product(shape.slice(axis))] }];
};

const inferTranspose: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (!shape) return [{ dtype, shape: undefined }];
  const perm = ints(call, 'perm') ?? shape.map((_, i) => shape.length - 1 - i);
  if ([...perm].sort((a, b) => a - b).some((axis, i) => axis !== i) || perm.length !== shape.length) {
    misfit(call, `perm must permute the axes, not [${perm}]`);
  }
  return [{ dtype, shape: perm.map((axis) => shape[axis] as Dim) }];
};

const inferUnsqueeze: Infer = (call) => {
  const { dtype, shape, ints: values } = input(call, 0);
  const axes = numbersIn(call, 1);
  if (!shape || !axes) return [{ dtype, shape: undefined, ints: values }];
  const rank = shape.length + axes.length;
  const at = new Set(axes.map((axis) => normalAxis(call, axis, rank)));
  if (at.size < axes.length) misfit(call, `axes must differ, not [${axes}]`);
  const rest = [...shape];
  const wide = Array.from({ length: rank }, (_, i) => (at.has(i) ? 1 : (rest.shift() as Dim)));
  return [{ dtype, shape: wide, ints: wide.length <= 1 ? values : undefined }];
};

const inferSqueeze: Infer = (call) => {
  const { dtype, shape, ints: values } = input(call, 0);
  if (!shape) return [{ dtype, shape: undefined, ints: values }];
  const given = call.inputs[1];
  const axes = given ? numbersIn(call, 1)?.map((axis) => normalAxis(call, axis, shape.length)) : undefined;
  if (given && !axes) return [{ dtype, shape: undefined, ints: values }];
  if (!given && shape.some((dim) => typeof dim === 'string'))
    return [{ dtype, shape: undefined, ints: values }];
  const wrong = axes?.find((axis) => typeof shape[axis] === 'number' && shape[axis] !== 1);
  if (wrong !== undefined) misfit(call, `axis ${wrong} must have size 1`);
  const narrow = shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1));
  return [{ dtype, shape: narrow, ints: values }];
};

const inferExpand: Infer = (call) => {
  const { dtype, shape, ints: values } = input(call, 0);
  const target = shapeFromInts(call, 1);
  const wide = shape && target && broadcastShapes(call, [shape, target]);
  const single =
    wide?.length === 1 && wide[0] !== undefined && Number(wide[0]) <= 1024 && values?.length === 1;
  return [
    { dtype, shape: wide, ints: single ? new Array<Dim>(Number(wide[0])).fill(values[0] as Dim) : undefined },
  ];
};

const inferTile: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  const repeats = input(call, 1).ints;
  if (!shape) return [{ dtype, shape: undefined }];
  return [
    {
      dtype,
      shape: repeats ? shape.map((dim, i) => mulDims(dim, repeats[i] ?? 1)) : freshShape(call, shape.length),
    },
  ];
};

/** Upgrades for operators whose attribute axes became an input at 13 are not needed: 13 is the oldest set read. */
const gradientBack: OperatorTable[string]['gradient'] = ({ g, inputs: [x], dy }) => [
  x && g.reshapeLike(dy, x),
];

/** The family. */
export const layout: OperatorTable = {
  Reshape: { infer: inferReshape, gradient: gradientBack },
  Flatten: { infer: inferFlatten, gradient: gradientBack },
  Squeeze: { infer: inferSqueeze, gradient: gradientBack },
  Unsqueeze: { infer: inferUnsqueeze, gradient: gradientBack },
  Transpose: {
    infer: inferTranspose,
    gradient: ({ g, node, dy }) => {
      const perm = ints(node, 'perm');
      return [g.transpose(dy, perm && perm.map((_, axis) => perm.indexOf(axis)))];
    },
  },
  Expand: { infer: inferExpand, gradient: ({ g, inputs: [x], dy }) => [x && g.sumTo(dy, x)] },
  // x repeated r times along an axis: dx = sum over the r copies
  Tile: {
    infer: inferTile,
    gradient: ({ g, inputs: [x, repeats], dy }) => {
      if (!x || !repeats) return [];
      const rank = g.rank(x);
      // [r1, d1, r2, d2, ...]: every copy has an axis of its own
      const pairs = g.concat([g.unsqueeze(repeats, [1]), g.unsqueeze(g.shapeOf(x), [1])], 1);
      const apart = g.reshape(dy, g.reshape(pairs, [2 * rank]));
      const copies = Array.from({ length: rank }, (_, i) => 2 * i);
      return [g.reshapeLike(g.reduceSum(apart, copies), x)];
    },
  },
};
