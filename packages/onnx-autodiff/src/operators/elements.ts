/**
 * Known elements of small integer tensors, followed through operators that move them.
 *
 * Exporters compute shapes with tensors: whatever can be followed here becomes a constant, or a shape with names.
 */

import type { Value } from '../graph/value.ts';
import { isStatic } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { sizeOf } from '../model/tensors.ts';

/** Tensors of more elements are not followed: sizes come from files, which may lie. */
export const mostElements = 1024;

/** True for a shape that is known and holds few elements. */
export const isSmall = (shape: Shape | undefined): shape is readonly number[] =>
  isStatic(shape) && sizeOf(shape) <= mostElements;

/** Row-major position of coordinates. */
const positionOf = (at: readonly number[], shape: readonly number[]): number =>
  at.reduce((position, i, axis) => position * (shape[axis] as number) + i, 0);

/** Coordinates of a row-major position. */
function coordinatesOf(position: number, shape: readonly number[]): number[] {
  const at: number[] = [];
  let rest = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    at[axis] = rest % size;
    rest = Math.floor(rest / size);
  }
  return at;
}

/**
 * Elements of a result that takes each of its own from one place in `x`.
 *
 * @param shape - of the result.
 * @param source - coordinates in `x` of the element that lands at given coordinates.
 * @returns undefined if they are not known, or not few.
 */
export function movedInts(
  x: Value | undefined,
  shape: Shape | undefined,
  source: (at: readonly number[]) => readonly number[],
): readonly Dim[] | undefined {
  const [values, from] = [x?.ints, x?.shape];
  if (!values || !isStatic(from) || !isSmall(shape)) return undefined;
  const found = Array.from(
    { length: sizeOf(shape) },
    (_, i) => values[positionOf(source(coordinatesOf(i, shape)), from)],
  );
  return found.every((value) => value !== undefined) ? (found as Dim[]) : undefined;
}

/** Elements that keep their order while the shape changes. */
export const keptInts = (x: Value | undefined, shape: Shape | undefined): readonly Dim[] | undefined =>
  isSmall(shape) ? x?.ints : undefined;
