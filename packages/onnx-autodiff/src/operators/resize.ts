/**
 * Resize: an image sampled at other positions.
 *
 * All modes are linear, and separate by axis: `y = x A`, where column o of A weighs the elements that output o is
 * made of. So `dx = dy A^T` along each axis. What A is, Resize itself says: it is what becomes of the unit matrix. So
 * the gradient is that of the runtime's own interpolation in every mode, and needs no size to be known.
 *
 * Repeating every element k times, the usual case of `nearest`, is the adjoint of summing k neighbours.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Resize.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Attributes, Dim, Shape } from '../model/model.ts';
import {
  asCall,
  countUp,
  freshShape,
  input,
  ints,
  intsOf,
  misfit,
  mulDims,
  type Node,
  normalAxis,
  numbersOf,
  refuse,
  register,
  type Size,
  shapeOfSizes,
  sizeAlong,
  text,
  type Value,
} from './kit.ts';
import type { Call, Infer, Rule } from './operator.ts';

/** How one axis is resized: by a factor or to a size, neither of which may be known. */
interface Axis {
  /** Factor, if it is known. */
  readonly factor?: number | undefined;
  /** Size of the result, if it is given and known. */
  readonly size?: Dim | undefined;
  /** Where the factor or size is in its input; undefined if the axis is left as it is. */
  readonly at: number | undefined;
}

/** An input, unless it has no elements: exporters leave inputs out either way. */
function given(call: Call, index: number): Value | undefined {
  const value = call.inputs[index];
  return value?.shape?.[0] === 0 ? undefined : value;
}

/** How each of `rank` axes is resized. */
function axesOf(call: Call, rank: number): readonly Axis[] {
  const [scales, sizes] = [given(call, 2), given(call, 3)];
  if ((scales === undefined) === (sizes === undefined)) misfit(call, 'either scales or sizes must be given');
  const axes =
    ints(call, 'axes')?.map((axis) => normalAxis(call, axis, rank)) ??
    Array.from({ length: rank }, (_, i) => i);
  const factors = scales?.constant && !scales.isParameter ? numbersOf(scales.constant) : undefined;
  const wanted = sizes && intsOf(call, 3);
  const count = (factors ?? wanted)?.length ?? (scales ?? sizes)?.shape?.[0];
  if (typeof count === 'number' && count !== axes.length)
    misfit(call, `${axes.length} axes need as many scales or sizes, not ${count}`);
  if (factors?.some((factor) => !(factor > 0))) misfit(call, `scales must be positive, not [${factors}]`);
  return Array.from({ length: rank }, (_, axis) => {
    const at = axes.indexOf(axis);
    return at < 0 ? { factor: 1, at: undefined } : { factor: factors?.[at], size: wanted?.[at], at };
  });
}

/** Size of a resized axis, if it has a name. */
function resizedDim(call: Call, dim: Dim, { factor, size, at }: Axis): Dim {
  if (at === undefined || factor === 1) return dim;
  const policy = text(call, 'keep_aspect_ratio_policy', 'stretch');
  if (factor === undefined) return (policy === 'stretch' ? size : undefined) ?? call.fresh();
  if (typeof dim === 'number') return Math.floor(Math.fround(factor * dim));
  return Number.isInteger(factor) ? mulDims(dim, factor) : call.fresh();
}

const inferResize: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  if (!shape) {
    const rank = ints(call, 'axes') ? undefined : (given(call, 2) ?? given(call, 3))?.shape?.[0];
    return [{ dtype, shape: typeof rank === 'number' ? freshShape(call, rank) : undefined }];
  }
  const axes = axesOf(call, shape.length);
  return [{ dtype, shape: shape.map((dim, i) => resizedDim(call, dim, axes[i] as Axis)) }];
};

/** Modes in which an integer factor k makes k equal neighbours of each element. */
function repeats(node: Node, factor: number): boolean {
  const rounding = text(node, 'nearest_mode', 'round_prefer_floor');
  const coordinates = text(node, 'coordinate_transformation_mode', 'half_pixel');
  if (text(node, 'mode', 'nearest') !== 'nearest' || !Number.isInteger(factor)) return false;
  if (coordinates === 'asymmetric')
    return rounding === 'floor' || (rounding === 'round_prefer_floor' && factor === 2);
  return coordinates === 'half_pixel' && rounding.startsWith('round');
}

/** Integer factors by axis, if each element is repeated so many times. */
function repeatedTimes(node: Node, x: Shape, y: Shape, axes: readonly Axis[]): readonly number[] | undefined {
  const factors = axes.map(({ factor }, i) => {
    const [from, to] = [x[i], y[i]];
    if (from === to) return 1;
    return factor ?? (typeof from === 'number' && typeof to === 'number' ? to / from : Number.NaN);
  });
  return factors.every((factor) => factor === 1 || repeats(node, factor)) ? factors : undefined;
}

/** Sums of neighbours: so many of them along each axis. */
function sumNeighbours(g: GraphBuilder, dy: Value, x: Value, factors: readonly number[]): Value {
  const taps = factors.reduce((a, b) => a * b, 1);
  const kernel_shape = factors.slice(2);
  const isImage =
    factors[0] === 1 && factors[1] === 1 && kernel_shape.length >= 1 && kernel_shape.length <= 3;
  // a mean over windows is faster than a sum over short axes, but not there for doubles
  if (isImage && dy.dtype !== 'float64')
    return g.mul(g.averagePool(dy, { kernel_shape, strides: kernel_shape }), taps);
  const sizes = factors.flatMap((factor, axis): Size[] => [sizeAlong(g, x, axis), factor]);
  const apart = g.reshape(dy, shapeOfSizes(g, sizes));
  return g.reduceSum(
    apart,
    factors.map((_, axis) => 2 * axis + 1),
  );
}

/** Attributes that say how an axis is sampled. */
const samplingAttributes = [
  ...[
    'mode',
    'nearest_mode',
    'coordinate_transformation_mode',
    'cubic_coeff_a',
    'exclude_outside',
    'antialias',
  ],
];

/** The matrix A [n, o] of one axis: the unit matrix, resized along its rows. */
function matrixOf(g: GraphBuilder, node: Node, x: Value, axis: number, { at = 0 }: Axis): Value {
  const length = sizeAlong(g, x, axis);
  const positions = countUp(g, length);
  const unit = g.mask(g.equal(g.unsqueeze(positions, [1]), positions), x);
  const attributes = Object.fromEntries(
    Object.entries(node.attributes).filter(([name]) => samplingAttributes.includes(name)),
  ) as Attributes;
  const [scales, sizes] = [given(asCall(g, node), 2), given(asCall(g, node), 3)];
  const one = (value: Value): Value => g.gather(value, g.ints([at]));
  const inputs = scales
    ? [undefined, g.concat([g.constant([1, 1, 1]), factorOf(g, scales, at)], 0)]
    : [undefined, undefined, shapeOfSizes(g, [1, 1, length, one(sizes as Value)])];
  const [resized] = g.node('Resize', [g.unsqueeze(unit, [0, 1]), ...inputs], attributes);
  return g.squeeze(resized as Value, [0, 1]);
}

/** One of the factors, as a vector of one. */
function factorOf(g: GraphBuilder, scales: Value, at: number): Value {
  const { constant, isParameter } = scales;
  return constant && !isParameter
    ? g.constant([numbersOf(constant)[at] as number])
    : g.gather(scales, g.ints([at]));
}

/** dy A^T along an axis. */
function contracted(g: GraphBuilder, dy: Value, matrix: Value, axis: number): Value {
  const rank = g.rank(dy);
  if (axis === rank - 1) return g.matMul(dy, g.swapLast(matrix));
  if (axis === rank - 2) return g.matMul(matrix, dy);
  const before = Array.from({ length: axis + 1 }, () => 0);
  const flat = g.matMul(matrix, g.reshape(dy, [...before, -1]));
  const sizes = Array.from(
    { length: rank },
    (_, i): Size => (i === axis ? sizeAlong(g, matrix, 0) : sizeAlong(g, dy, i)),
  );
  return g.reshape(flat, shapeOfSizes(g, sizes));
}

const resizeRule: Rule = ({ g, node, inputs: [image], outputs: [y], dy }) => {
  const x = image as Value;
  if (text(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize')
    refuse(node, 'coordinate_transformation_mode must not be tf_crop_and_resize to differentiate');
  if (text(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    refuse(node, 'keep_aspect_ratio_policy must be stretch to differentiate');
  const [from, to] = [g.knownShape(x), g.knownShape(y as Value)];
  const axes = axesOf(asCall(g, node), from.length);
  const factors = repeatedTimes(node, from, to, axes);
  if (factors) return [g.reshapeLike(sumNeighbours(g, dy, x, factors), x)];
  const dx = axes.reduceRight((value: Value, axis, i) => {
    const isSame = axis.at === undefined || axis.factor === 1 || from[i] === to[i];
    return isSame ? value : contracted(g, value, matrixOf(g, node, x, i, axis), i);
  }, dy);
  return [g.reshapeLike(dx, x)];
};

register({
  Resize: {
    infer: inferResize,
    gradient: resizeRule,
  },
});
