/**
 * A convolution with fewer multiplications, after Winograd: what it and its two gradients are made of while training.
 *
 * Along one axis, a tile of m outputs of r taps sees a = m + r - 1 elements, and is a product of polynomials, which is
 * known from its values at a points:
 *
 *     y = A^T [(G w) . (B^T x)]
 *
 * with element-wise products: a of them, not m r. Along several axes the matrices act on each; over channels, the
 * products become products of matrices, one for each of a^axes points. Zeros around an image, and what sticks out of
 * the last tile, are left out of B and A, so that each is one matrix along an axis, and all of it consists of products
 * of matrices. So do its gradients, which share B^T x, G w and A dy.
 *
 * Points are chosen for float32: results are within 2e-6 of a tensor's norm, 4 to 8 times as far as from the direct
 * sum, and half as far as for 0, 1, -1, 2, -2.
 *
 * @see https://arxiv.org/abs/1509.09308
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import { type KnownCorrelation, type KnownWindow, total } from './correlation.ts';

/** Rows of numbers. */
type Matrix = readonly (readonly number[])[];

/** Points of evaluation, besides infinity. Products of few of them are exact. */
const points = [0, 0.75, -0.75, 1.5, -1.5];

/** Elements that a tile sees along an axis. */
export const seen: number = points.length + 1;

/** Taps along an axis for which tiles are worth it. */
export const tileable = (kernel: number): boolean => kernel >= 2 && kernel < seen;

/** Coefficients of the polynomial with these roots, the constant first. */
const fromRoots = (roots: readonly number[]): readonly number[] =>
  roots.reduce(
    (p: readonly number[], root) =>
      Array.from({ length: p.length + 1 }, (_, i) => (p[i - 1] ?? 0) - root * (p[i] ?? 0)),
    [1],
  );

const othersOf = (point: number): readonly number[] => points.filter((other) => other !== point);

/** Values at all points of a polynomial with so many coefficients; at infinity, its last. */
const values = (length: number): Matrix => [
  ...points.map((point) => Array.from({ length }, (_, j) => point ** j)),
  Array.from({ length }, (_, j) => (j === length - 1 ? 1 : 0)),
];

/** G: values of the kernel, over the differences of points that B leaves out. */
const kernelMatrix = (taps: number): Matrix =>
  values(taps).map((row, i) => {
    const point = points[i];
    const scale = point === undefined ? 1 : total(othersOf(point).map((other) => point - other));
    return row.map((value) => value / scale);
  });

/** B^T: the interpolation from values at all points, turned over. */
const imageMatrix: Matrix = [
  ...points.map((point) => [...fromRoots(othersOf(point)), 0]),
  [...fromRoots(points)],
];

/** Tiles along an axis: outputs of each, and their number. */
export function tilesOf({ kernel, count }: KnownWindow): { outputs: number; tiles: number } {
  const outputs = seen + 1 - kernel;
  return { outputs, tiles: Math.ceil(count / outputs) };
}

/** A matrix over a whole axis, with a row for each point of each tile; tiles begin `step` elements apart. */
const along = (rows: Matrix, tiles: number, size: number, step: number, before: number): Matrix =>
  rows.flatMap((row) =>
    Array.from({ length: tiles }, (_, tile) =>
      Array.from({ length: size }, (_, i) => row[i + before - tile * step] ?? 0),
    ),
  );

/** B^T over an axis of the image. */
function overImage(window: KnownWindow): Matrix {
  const { outputs, tiles } = tilesOf(window);
  return along(imageMatrix, tiles, window.size, outputs, window.pads[0]);
}

/** A over an axis of the result. */
function overResult(window: KnownWindow): Matrix {
  const { outputs, tiles } = tilesOf(window);
  return along(values(outputs), tiles, window.count, outputs, 0);
}

/** All products of an element of one matrix with one of the other. */
const kronecker = (a: Matrix, b: Matrix): Matrix =>
  a.flatMap((row) => b.map((other) => row.flatMap((x) => other.map((y) => x * y))));

const turnedOver = (matrix: Matrix): Matrix =>
  (matrix[0] ?? []).map((_, column) => matrix.map((row) => row[column] as number));

const constant = (g: GraphBuilder, matrix: Matrix, like: Value): Value =>
  g.constant(matrix.flat(), [matrix.length, matrix[0]?.length ?? 0], like.dtype);

/** Rows of all matrices before the one at an index. */
const before = (matrices: readonly Matrix[], index: number): number =>
  total(matrices.slice(0, index).map(({ length }) => length));

/** [N, C, ...] at all points: [a, tiles, a, tiles, ..., a, tiles N, C]. */
function spread(g: GraphBuilder, x: Value, matrices: readonly Matrix[], channels: number): Value {
  const sizes = matrices.map((matrix) => matrix[0]?.length ?? 0);
  // as the transposition of a matrix: onnxruntime takes 5 to 8 times as long for the same with four axes
  const positionsFirst = g.transpose(g.reshape(x, [-1, total(sizes)]), [1, 0]);
  const all = matrices.reduce((value: Value, matrix, i) => {
    const apart = g.reshape(value, [before(matrices, i), matrix[0]?.length ?? 0, -1]);
    return g.matMul(constant(g, matrix, x), apart);
  }, positionsFirst);
  const axes = matrices.flatMap(({ length }) => [seen, length / seen]);
  return g.reshape(all, [...axes.slice(0, -1), -1, channels]);
}

/** From all points of all tiles to [N, M, ...]: the adjoint of {@link spread}. */
function gathered(g: GraphBuilder, products: Value, matrices: readonly Matrix[], outputs: number): Value {
  const all = matrices.reduceRight((value: Value, matrix, i) => {
    const apart = g.reshape(value, [before(matrices, i), matrix.length, -1]);
    return g.matMul(constant(g, turnedOver(matrix), products), apart);
  }, products);
  const sizes = matrices.map((matrix) => matrix[0]?.length ?? 0);
  const positions = total(sizes);
  return g.reshape(g.transpose(g.reshape(all, [positions, -1]), [1, 0]), [-1, outputs, ...sizes]);
}

/** G along all axes: a matrix of all points by all taps. */
const overKernel = (windows: readonly KnownWindow[]): Matrix =>
  windows.map(({ kernel }) => kernelMatrix(kernel)).reduce(kronecker);

/** The convolution of x by w. */
export function inTiles(
  g: GraphBuilder,
  x: Value,
  w: Value,
  { windows, taps, ...known }: KnownCorrelation,
): Value {
  const [outputs, channels] = known.w as [number, number];
  const kernels = g.matMul(
    constant(g, overKernel(windows), w),
    g.transpose(g.reshape(w, [outputs * channels, taps]), [1, 0]),
  );
  // the same for all tiles
  const axes = windows.flatMap(() => [seen, 1]).slice(0, -1);
  const image = spread(g, x, windows.map(overImage), channels);
  const products = g.matMul(image, g.swapLast(g.reshape(kernels, [...axes, outputs, channels])));
  return gathered(g, products, windows.map(overResult), outputs);
}
