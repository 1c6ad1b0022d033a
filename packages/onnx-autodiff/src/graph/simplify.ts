/** Operations that change nothing, or that follow another that they undo. */

import { farAway } from '../model/dims.ts';
import type { Attributes } from '../model/model.ts';
import type { GraphBuilder } from './builder.ts';
import { arithmeticSimplifications } from './simplifyArithmetic.ts';
import { int, ints, type Value } from './value.ts';

/** Inputs of an operation about to be made. */
export type Inputs = readonly (Value | undefined)[];
/** Finds the value that an operation would give; undefined if it must be made. */
export type Simplification = (inputs: Inputs, attributes: Attributes, g: GraphBuilder) => Value | undefined;

/** Known shape that `x` would be given by `target`. */
function keepsShape(x: Value | undefined, target: Value | undefined): boolean {
  if (!x?.shape || target?.ints?.length !== x.shape.length) return false;
  const unknown = target.ints.filter((dim, i) => dim !== x.shape?.[i]);
  return unknown.length === 0 || (unknown.length === 1 && unknown[0] === -1);
}

/** Permutations that follow one another are one, or none. */
const transposed: Simplification = ([x], attributes, g) => {
  const perm = ints({ attributes }, 'perm');
  if (!perm || perm.length !== x?.shape?.length) return undefined;
  if (perm.every((axis, i) => axis === i)) return x;
  const before = x.node?.op === 'Transpose' ? ints(x.node, 'perm') : undefined;
  const inner = x.node?.inputs[0];
  if (!before || !inner) return undefined;
  return g.transpose(
    inner,
    perm.map((axis) => before[axis] as number),
  );
};

/** Operators that keep elements in order. */
const reshapes = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** Of shapes that follow one another, the last one counts. */
const reshaped: Simplification = ([x, target], attributes, g) => {
  if (int({ attributes }, 'allowzero', 0) !== 0) return undefined;
  if (keepsShape(x, target)) return x;
  const inner = reshapes.has(x?.node?.op ?? '') && x?.node?.domain === '' ? x.node.inputs[0] : undefined;
  // a size of 0 would be copied from another shape
  return inner && target?.ints && !target.ints.includes(0) ? g.op('Reshape', [inner, target]) : undefined;
};

/** Axes that are put in and taken out again. */
const undoes =
  (other: string): Simplification =>
  ([x, axes]) =>
    axes && x?.node?.op === other && x.node.inputs[1] === axes ? x.node.inputs[0] : undefined;

/** Repeating to a shape that is there already. */
const expanded: Simplification = ([x, target]) => {
  const [from, to] = [x?.shape, target?.ints];
  if (!from || !to || to.length > from.length) return undefined;
  const missing = from.length - to.length;
  return to.every((dim, i) => dim === 1 || dim === from[i + missing]) ? x : undefined;
};

/** Cutting out everything. */
const sliced: Simplification = ([x, starts, ends, axes, steps]) => {
  const isWhole = starts?.ints?.every((start, i) => {
    const [axis, end] = [axes ? axes.ints?.[i] : i, ends?.ints?.[i]];
    if (start !== 0 || typeof axis !== 'number' || end === undefined) return false;
    return Number(end) >= farAway || (x?.shape && end === x.shape.at(axis));
  });
  const isStraight = !steps || steps.ints?.every((step) => step === 1);
  return isWhole && isStraight ? x : undefined;
};

const simplifications: Readonly<Record<string, Simplification>> = {
  ...arithmeticSimplifications,
  Identity: ([x]) => x,
  Cast: ([x], attributes) => {
    const to = attributes['to'];
    return x?.dtype !== undefined && to?.type === 'string' && to.value === x.dtype ? x : undefined;
  },
  Transpose: transposed,
  Reshape: reshaped,
  Squeeze: undoes('Unsqueeze'),
  Unsqueeze: undoes('Squeeze'),
  Expand: expanded,
  Slice: sliced,
  Tile: ([x, repeats]) => (repeats?.ints?.every((times) => times === 1) ? x : undefined),
  Concat: (inputs) => (inputs.length === 1 ? inputs[0] : undefined),
  Pad: ([x, pads]) => (pads?.ints?.every((amount) => amount === 0) ? x : undefined),
  ReduceSum: ([x, axes], attributes) =>
    axes?.ints?.length === 0 && int({ attributes }, 'noop_with_empty_axes', 0) === 1 ? x : undefined,
  Not: ([x]) => (x?.node?.op === 'Not' ? x.node.inputs[0] : undefined),
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
