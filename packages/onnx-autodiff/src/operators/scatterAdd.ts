/**
 * The adjoint of taking rows by index: adding rows up by index.
 *
 * ONNX's ScatterND would be the fastest way, but onnxruntime's CPU kernel lets threads add to one row at the same
 * time, so that duplicate indices lose terms in sessions of more than one thread. Its ScatterElements runs on one
 * thread. What is chosen, by what was measured on onnxruntime 1.30 (4000 rows, one thread, milliseconds):
 *
 * | table     | ScatterElements by element | one-hot matrix product |
 * | 100 x 64  | 1.1 | 0.44 |
 * | 100 x 256 | 3.9 | 1.3  |
 * | 2000 x 64 | 1.1 | 9.7  |
 * | 2000 x 256 | 4.0 | 28 |
 *
 * In WebAssembly (1000 rows), products are slower: they win at tables of 32 rows and lose at 64. The limit lies between
 * where the one and the other stop being worth it.
 */

import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/value.ts';
import type { Shape } from '../model/model.ts';
import { numbersOf } from '../model/tensors.ts';
import { countUp, embed, type Size, shapeOfSizes, sizeAlong, sizeBetween } from './sizes.ts';

/** Tables of more rows are not worth a matrix product. */
const mostRowsOfProduct = 128;
/** What a size with only a name is taken to be, to choose by. */
const usualSize = 16;
/** Indices that are constants are looked at up to this many. */
const mostConstants = 2 ** 16;

/** Sums of `rows` [n, inner] by `index` [n], each in [0, count): a flat vector of count x inner. */
export function addRows(g: GraphBuilder, rows: Value, index: Value, count: Value, inner: Value): Value {
  const starts = g.unsqueeze(g.mul(index, inner), [1]);
  const places = inner.ints?.[0] === 1 ? starts : g.add(starts, countUp(g, inner));
  const zeros = g.expand(g.scalar(0, rows.dtype), g.mul(count, inner));
  return g.op('ScatterElements', [zeros, g.reshape(places, [-1]), g.reshape(rows, [-1])], {
    reduction: 'add',
  });
}

/** Indices that do not change; undefined if there are none, or too many to look at. */
function constantIndices({ constant, isParameter }: Value): readonly number[] | undefined {
  if (!constant || isParameter || constant.data.length > mostConstants) return undefined;
  return numbersOf(constant);
}

/** Where indices that go on one by one begin; undefined if they do not. */
function firstOfRun(g: GraphBuilder, x: Value, axis: number, indices: readonly number[]): Size | undefined {
  const first = indices[0] ?? 0;
  const crossesEnd = first < 0 && first + indices.length > 0;
  if (crossesEnd || !indices.every((entry, i) => entry === first + i)) return undefined;
  return first < 0 ? g.add(sizeAlong(g, x, axis), first) : first;
}

/** Places of constant indices that do not repeat, as a table from entry to place; -1 for entries that none takes. */
function inverted(indices: readonly number[], size: number): readonly number[] | undefined {
  const places = new Array<number>(size).fill(-1);
  for (const [place, entry] of indices.entries()) {
    if (places[entry] !== -1) return undefined;
    places[entry] = place;
  }
  return places;
}

/** The adjoint for constant indices, where it needs no sums. */
function withConstants(
  g: GraphBuilder,
  dy: Value,
  x: Value,
  axis: number,
  indices: readonly number[],
): Value | undefined {
  const start = firstOfRun(g, x, axis, indices);
  if (start !== undefined) return embed(g, dy, x, [{ axis, start }]);
  const size = g.knownShape(x)[axis];
  if (typeof size !== 'number' || size > mostConstants) return undefined;
  const places = inverted(
    indices.map((i) => (i < 0 ? i + size : i)),
    size,
  );
  if (!places) return undefined;
  // entries that nothing took get a zero, put behind the others
  const isFull = indices.length === size;
  const amounts = g.knownShape(dy).map((_, i) => (i === axis && !isFull ? 1 : 0));
  const wide = g.pad(dy, [...amounts.map(() => 0), ...amounts]);
  return g.gather(wide, g.ints(places.map((place) => (place < 0 ? indices.length : place))), axis);
}

/** A vector of 0 and 1, or several: 1 at each index. */
const oneHot = (g: GraphBuilder, index: Value, depth: number, like: Value, axis: number): Value =>
  g.op('OneHot', [index, g.scalar(depth, 'int64'), g.constant([0, 1], [2], like.dtype ?? 'float32')], {
    axis,
  });

/** The adjoint as a product with a one-hot matrix, where x has few entries along the axis and dy many elements. */
function asProduct(g: GraphBuilder, dy: Value, x: Value, axis: number, index: Value): Value | undefined {
  const shape = g.knownShape(x);
  const size = shape[axis];
  if (typeof size !== 'number' || size > mostRowsOfProduct) return undefined;
  const [before, after] = [shape.slice(0, axis), shape.slice(axis + 1)];
  const width = (part: Shape): number =>
    part.reduce((total: number, dim) => total * (typeof dim === 'number' ? dim : usualSize), 1);
  // the one-hot matrix must not be much larger than dy
  if (after.length === 0 && width(before) * 4 >= size) {
    return g.matMul(dy, oneHot(g, index, size, dy, -1));
  }
  if (width(after) * 4 < size) return undefined;
  const inner = sizeBetween(g, x, axis + 1, shape.length);
  const outer = sizeBetween(g, x, 0, axis);
  const rows = g.reshape(dy, shapeOfSizes(g, axis === 0 ? [-1, inner] : [outer, -1, inner]));
  return g.reshapeLike(g.matMul(oneHot(g, index, size, dy, 0), rows), x);
}

/** The adjoint by adding rows; those of each entry before the axis have places of their own. */
function asRows(g: GraphBuilder, dy: Value, x: Value, axis: number, index: Value): Value {
  const size = sizeAlong(g, x, axis);
  const outer = sizeBetween(g, x, 0, axis);
  const inner = sizeBetween(g, x, axis + 1, g.rank(x));
  // an index may be counted from the end
  const entry = g.op('Mod', [index, size]);
  const isOne = outer.ints?.[0] === 1;
  const firsts = isOne ? undefined : g.unsqueeze(g.mul(countUp(g, outer), size), [1]);
  const rows = firsts ? g.reshape(g.add(firsts, entry), [-1]) : entry;
  return g.reshapeLike(addRows(g, dy, rows, g.mul(outer, size), inner), x);
}

/**
 * The adjoint of `Gather(x, indices, axis)`.
 *
 * @param dy - gradient by what was gathered.
 */
export function scatterBack(g: GraphBuilder, dy: Value, x: Value, indices: Value, axis: number): Value {
  const rank = g.rank(x);
  const size = g.knownShape(x)[axis];
  // one axis of indices, whatever they had
  const joined = joinAxes(g, dy, axis, g.rank(indices), rank);
  const constants = constantIndices(indices);
  const moved = constants && withConstants(g, joined, x, axis, constants);
  if (moved) return moved;
  const index = g.cast(g.reshape(indices, [-1]), 'int64');
  if (typeof size === 'number' && g.knownShape(index)[0] === 1)
    return atOnePlace(g, joined, x, axis, index, size);
  return asProduct(g, joined, x, axis, index) ?? asRows(g, joined, x, axis, index);
}

/** dy with the axes of the indices made one. */
function joinAxes(g: GraphBuilder, dy: Value, axis: number, joined: number, rank: number): Value {
  if (joined === 1) return dy;
  if (joined === 0) return g.unsqueeze(dy, [axis]);
  const sizes = Array.from({ length: rank }, (_, i) =>
    i === axis ? -1 : sizeAlong(g, dy, i < axis ? i : i + joined - 1),
  );
  return g.reshape(dy, shapeOfSizes(g, sizes));
}

/** dy at a single place that only the running graph knows, zeros elsewhere. */
function atOnePlace(g: GraphBuilder, dy: Value, x: Value, axis: number, index: Value, size: number): Value {
  const rank = g.rank(x);
  const hot = oneHot(g, index, size, dy, -1);
  const shape = Array.from({ length: rank }, (_, i) => (i === axis ? size : 1));
  return g.mul(dy, g.reshape(hot, shape));
}
