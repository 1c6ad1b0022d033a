/**
 * Slice: elements from `start` to `end` in steps, along some axes.
 *
 * @see https://onnx.ai/onnx/operators/onnx__Slice.html
 */

import type { Value } from '../graph/value.ts';
import { addDims, ceilDiv, farAway, isNegative, subDims, symbol } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import { movedInts } from './elements.ts';
import { freshShape, input, intsOf, misfit, normalAxis, numbersIn } from './infer.ts';
import type { Call, Infer, OperatorTable } from './operator.ts';
import { onDemand } from './registry.ts';

/** A cut along one axis; positions are undefined where only the running graph knows them. */
export interface Cut {
  readonly axis: number;
  readonly start: Dim | undefined;
  readonly end: Dim | undefined;
  readonly step: number | undefined;
}

/** Cuts of a call on an input of known rank; undefined where not even the axes are known. */
export function cutsOf(call: Call, rank: number): readonly Cut[] | undefined {
  const [starts, ends] = [intsOf(call, 1), intsOf(call, 2)];
  const steps = call.inputs[4] ? numbersIn(call, 4) : [];
  const count = starts?.length ?? ends?.length ?? input(call, 1).shape?.[0];
  if (typeof count !== 'number' || count > rank) {
    if (typeof count === 'number') misfit(call, `there must be ${rank} cuts at most, not ${count}`);
    return undefined;
  }
  const axes = call.inputs[3] ? numbersIn(call, 3) : Array.from({ length: count }, (_, i) => i);
  if (axes && axes.length !== count) misfit(call, `there must be as many axes as starts, not ${axes.length}`);
  return axes?.map((axis, i) => ({
    axis: normalAxis(call, axis, rank),
    start: starts?.[i],
    end: ends?.[i],
    step: call.inputs[4] ? steps?.[i] : 1,
  }));
}

/** A position between two limits. */
const clamp = (at: number, low: number, high: number): number => Math.min(Math.max(at, low), high);

/**
 * A position along an axis of which at least one size is only a name. Names are taken to be at least 1, and no
 * smaller than what a model cuts off there.
 */
function namedPosition(size: Dim, at: Dim, isEnd: boolean): Dim {
  if (typeof at === 'string') return isNegative(at) ? addDims(size, at) : at;
  if (at >= farAway) return size;
  if (at <= -farAway) return 0;
  if (at >= 0) return isEnd && at > 1 ? symbol(`min(${at}, ${size})`) : at;
  // the last k of fewer than k are all of them
  return isEnd || at === -1 ? addDims(size, at) : subDims(size, symbol(`min(${-at}, ${size})`));
}

/** Size of what is cut from an axis; undefined where that has no good name. */
function cutSize(size: Dim, { start, end, step }: Cut): Dim | undefined {
  if (start === undefined || end === undefined || !step) return undefined;
  const isKnown = typeof size === 'number' && typeof start === 'number' && typeof end === 'number';
  if (isKnown) return knownPositions(size, start, end, step).count;
  if (step < 0) {
    const isWhole = (start === -1 || Number(start) >= farAway) && Number(end) <= -farAway;
    return isWhole ? ceilDiv(size, -step) : undefined;
  }
  // a single element may have to stand for any number of them
  if (size === 1) return undefined;
  const length = subDims(namedPosition(size, end, true), namedPosition(size, start, false));
  if (isNegative(length)) return 0;
  return step === 1 ? length : ceilDiv(length, step);
}

/** First position and number of elements of a cut in numbers. */
export function knownPositions(
  size: number,
  start: number,
  end: number,
  step: number,
): { first: number; count: number } {
  const [from, to] = [start, end].map((at) => (at < 0 ? at + size : at)) as [number, number];
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const first = clamp(from, Math.max(low, 0), high);
  const last = clamp(to, low, high);
  return { first, count: Math.max(0, Math.ceil((last - first) / step)) };
}

const inferSlice: Infer = (call) => {
  const x = input(call, 0);
  const { dtype, shape: from } = x;
  if (!from) return [{ dtype, shape: undefined }];
  const cuts = cutsOf(call, from.length);
  if (cuts?.some(({ step }) => step === 0)) misfit(call, 'steps must not be 0');
  if (!cuts) return [{ dtype, shape: freshShape(call, from.length) }];
  const shape = from.map((size, axis) => {
    const cut = cuts.find((one) => one.axis === axis);
    return cut ? (cutSize(size, cut) ?? call.fresh()) : size;
  });
  return [{ dtype, shape, ints: cutInts(x, from, shape, cuts) }];
};

/** Known elements of what is cut out, where all positions are numbers. */
function cutInts(x: Value, from: Shape, shape: Shape, cuts: readonly Cut[]): readonly Dim[] | undefined {
  const positions = from.map((size, axis) => {
    const {
      start,
      end,
      step = 1,
    } = cuts.find((cut) => cut.axis === axis) ?? { start: 0, end: size, step: 1 };
    const isKnown = typeof size === 'number' && typeof start === 'number' && typeof end === 'number';
    return isKnown ? { ...knownPositions(size, start, end, step), step } : undefined;
  });
  if (positions.includes(undefined)) return undefined;
  return movedInts(x, shape, (at) =>
    at.map((i, axis) => (positions[axis]?.first ?? 0) + i * (positions[axis]?.step ?? 1)),
  );
}

/** The family. */
export const slicing: OperatorTable = {
  Slice: {
    inputs: 3,
    infer: inferSlice,
    gradient: onDemand,
  },
};
