/** Operations that change nothing, or that follow another that they undo. */

import type { Attributes } from '../model/model.ts';
import { numbersOf } from '../model/tensors.ts';
import type { GraphBuilder } from './builder.ts';
import { int, ints, type Value } from './value.ts';

type Inputs = readonly (Value | undefined)[];
type Simplification = (inputs: Inputs, attributes: Attributes, g: GraphBuilder) => Value | undefined;

/** True for a constant whose elements are all `number`, and that cannot widen `other` by broadcasting. */
function isAll(value: Value | undefined, number: number, other: Value | undefined): boolean {
  if (!value?.constant || value.isParameter || value.constant.data.length !== 1) return false;
  const rank = value.shape?.length ?? 0;
  if (rank > (other?.shape?.length ?? 0)) return false;
  return numbersOf(value.constant)[0] === number;
}

const neutral =
  (number: number, sides: readonly number[]): Simplification =>
  ([a, b]) => {
    if (sides.includes(1) && isAll(b, number, a)) return a;
    return sides.includes(0) && isAll(a, number, b) ? b : undefined;
  };

const isIdentityPermutation = (perm: readonly number[] | undefined): boolean =>
  perm?.every((axis, i) => axis === i) ?? false;

/** Known shape that `x` would be given by `target`. */
function keepsShape(x: Value | undefined, target: Value | undefined): boolean {
  if (!x?.shape || target?.ints?.length !== x.shape.length) return false;
  const unknown = target.ints.filter((dim, i) => dim !== x.shape?.[i]);
  return unknown.length === 0 || (unknown.length === 1 && unknown[0] === -1);
}

const simplifications: Readonly<Record<string, Simplification>> = {
  Identity: ([x]) => x,
  Mul: neutral(1, [0, 1]),
  Div: neutral(1, [1]),
  Add: neutral(0, [0, 1]),
  Sub: neutral(0, [1]),
  Pow: ([x, y]) => (isAll(y, 1, x) ? x : undefined),
  Sum: (inputs) => (inputs.length === 1 ? inputs[0] : undefined),

  Cast: ([x], attributes) => {
    const to = attributes['to'];
    return x?.dtype !== undefined && to?.type === 'string' && to.value === x.dtype ? x : undefined;
  },

  Transpose: ([x], attributes, g) => {
    const perm = ints({ attributes }, 'perm');
    if (isIdentityPermutation(perm)) return x;
    const before = x?.node?.op === 'Transpose' ? ints(x.node, 'perm') : undefined;
    if (!perm || !before) return undefined;
    return g.transpose(
      x?.node?.inputs[0] as Value,
      perm.map((axis) => before[axis] as number),
    );
  },

  Reshape: ([x, target], attributes, g) => {
    if (int({ attributes }, 'allowzero', 0) === 0 && keepsShape(x, target)) return x;
    const inner = x?.node?.op === 'Reshape' && !target?.ints?.includes(0) ? x.node.inputs[0] : undefined;
    return inner && int({ attributes }, 'allowzero', 0) === 0 ? g.op('Reshape', [inner, target]) : undefined;
  },

  Expand: ([x, target]) =>
    x?.shape &&
    target?.ints &&
    target.ints.length <= x.shape.length &&
    target.ints.every(
      (dim, i) => dim === 1 || dim === x.shape?.[i + x.shape.length - (target.ints?.length ?? 0)],
    )
      ? x
      : undefined,
  Tile: ([x, repeats]) => (repeats?.ints?.every((times) => times === 1) ? x : undefined),
  Concat: (inputs) => (inputs.length === 1 ? inputs[0] : undefined),
  Pad: ([x, pads], attributes) =>
    pads?.ints?.every((pad) => pad === 0) && attributes['mode']?.type !== 'other' ? x : undefined,
  ReduceSum: ([x, axes], attributes) =>
    axes?.ints?.length === 0 && int({ attributes }, 'noop_with_empty_axes', 0) === 1 ? x : undefined,
  Neg: ([x]) => (x?.node?.op === 'Neg' ? x.node.inputs[0] : undefined),
};

/** The value that an operation would give, if it can be had without it. */
export function simplify(
  g: GraphBuilder,
  op: string,
  inputs: Inputs,
  attributes: Attributes,
): Value | undefined {
  const found = Object.hasOwn(simplifications, op) ? simplifications[op] : undefined;
  return found?.(inputs, attributes, g);
}
