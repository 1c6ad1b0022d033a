/** Shape inference that many operators share. */

import { fail } from '../errors.ts';
import type { Value } from '../graph/value.ts';
import { sameShape, symbol } from '../model/dims.ts';
import type { DataType, Dim, Shape } from '../model/model.ts';
import type { Call, Infer, TypeInfo } from './operator.ts';

/** Says that a call makes no sense. */
export function misfit({ op, inputs }: Pick<Call, 'op' | 'inputs'>, wrong: string): never {
  const shapes = inputs.map((input) => (input?.shape ? `[${input.shape.join(', ')}]` : 'unknown')).join(', ');
  fail('ERR_SHAPE_MISMATCH', `${op}: ${wrong}. Received inputs of shape ${shapes || 'none'}.`);
}

/** A required input. Throws `ERR_MODEL_INVALID` if it was left out. */
export function input(call: Call, index: number): Value {
  return (
    call.inputs[index] ??
    fail('ERR_MODEL_INVALID', `${call.op} needs input ${index + 1}. Received: ${call.inputs.length} inputs.`)
  );
}

/** The output is like the first input. */
export const sameAsInput: Infer = (call) => {
  const { dtype, shape } = input(call, 0);
  return [{ dtype, shape }];
};

/** Size of an axis along which two meet. */
function broadcastDim(call: Call, a: Dim, b: Dim): Dim {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number' && typeof b === 'number') return misfit(call, 'shapes must broadcast');
  // a named size beside a number must be 1 or that number
  if (typeof a === 'number') return a;
  return typeof b === 'number' ? b : symbol(`broadcast(${a}, ${b})`);
}

/** Shape to which all broadcast, or undefined if one is unknown. Throws `ERR_SHAPE_MISMATCH`. */
export function broadcastShapes(call: Call, shapes: readonly (Shape | undefined)[]): Shape | undefined {
  // what nearly all calls are
  if (shapes.length === 2 && sameShape(shapes[0], shapes[1])) return shapes[0];
  const known = shapes.filter((shape) => shape !== undefined);
  if (known.length < shapes.length) return undefined;
  const rank = Math.max(0, ...known.map(({ length }) => length));
  return Array.from({ length: rank }, (_, i) =>
    known.reduce((dim: Dim, shape) => broadcastDim(call, dim, shape[shape.length - rank + i] ?? 1), 1),
  );
}

/** Throws `ERR_SHAPE_MISMATCH` if an input after the first would widen it. */
export function checkFit(call: Call, what: string): void {
  const { shape } = input(call, 0);
  for (const value of call.inputs.slice(1)) {
    const wide = shape && value?.shape && broadcastShapes(call, [shape, value.shape]);
    const missing = (wide?.length ?? 0) - (shape?.length ?? 0);
    // a named size may be whatever is asked of it
    if (wide?.some((dim, i) => i < missing || (shape?.[i] === 1 && dim !== 1))) {
      misfit(call, `${what} must broadcast to the input`);
    }
  }
}

/** The inputs broadcast; the output has the type of the first. */
export const broadcast: Infer = (call) => [
  {
    dtype: input(call, 0).dtype,
    shape: broadcastShapes(
      call,
      call.inputs.map((value) => value?.shape),
    ),
  },
];

/** Elements of an input, as far as they are known. */
export const intsOf = (call: Call, index: number): readonly Dim[] | undefined => call.inputs[index]?.ints;

/** Elements of an input that must all be numbers to be of use; undefined otherwise. */
export function numbersIn(call: Call, index: number): readonly number[] | undefined {
  const values = intsOf(call, index);
  return values?.every((value) => typeof value === 'number') ? (values as readonly number[]) : undefined;
}

/** An axis counted from the front. Throws `ERR_SHAPE_MISMATCH` outside [-rank, rank). */
export function normalAxis(call: Call, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(normal) || normal < 0 || normal >= rank) {
    misfit(call, `axis must be in [${-rank}, ${rank}), not ${axis}`);
  }
  return normal;
}

/** A shape of made-up dimensions. */
export const freshShape = ({ fresh }: Call, rank: number): Shape =>
  Array.from({ length: rank }, () => fresh());

/** An output of a given type with the shape of the broadcast inputs. */
export const broadcastTo =
  (dtype: DataType): Infer =>
  (call) => [{ ...(broadcast(call)[0] as TypeInfo), dtype }];
