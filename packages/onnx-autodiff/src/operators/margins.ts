/**
 * Zeros around an image that only the running graph can count: `auto_pad` with steps over an image of unknown size.
 *
 *     total = max(0, (ceil(n / s) - 1) s + k - n)
 *
 * @see https://onnx.ai/onnx/operators/onnx__Conv.html
 */

import type { GraphBuilder } from '../graph/builder.ts';
import { type Node, text, type Value } from '../graph/value.ts';
import { cut, refuse, type Size, shapeOfSizes, sizeAlong } from './sizes.ts';
import type { Window } from './windows.ts';

/** Zeros before and after an axis. */
export type Margin = readonly [Size, Size];

function marginOf(g: GraphBuilder, node: Node, x: Value, window: Window, axis: number): Margin {
  const { kernel, stride, dilation } = window;
  if (typeof kernel !== 'number' || dilation !== 1 || kernel < stride - 2) {
    refuse(node, 'auto_pad with dilations or wide steps has more than one meaning. Give pads instead');
  }
  const size = sizeAlong(g, x, axis);
  const steps = g.div(g.add(size, stride - 1), stride);
  const covered = g.add(g.mul(g.sub(steps, 1), stride), kernel);
  const total = g.max(g.sub(covered, size), 0);
  const less = g.div(total, 2);
  const more = g.sub(total, less);
  return text(node, 'auto_pad', 'NOTSET') === 'SAME_UPPER' ? [less, more] : [more, less];
}

/** Zeros around an image, by axis. */
export const marginsOf = (
  g: GraphBuilder,
  node: Node,
  x: Value,
  windows: readonly Window[],
): readonly Margin[] => windows.map((window, i) => window.pads ?? marginOf(g, node, x, window, i + 2));

/** An image whose zeros around it are known. */
export interface Framed {
  /** The image; with zeros around it, if windows over the image itself do not know how many. */
  readonly x: Value;
  /** Windows over it; their zeros are known. */
  readonly windows: readonly Window[];
  /** Takes what is shaped like `x` to the shape of the image itself. */
  readonly uncover: (value: Value) => Value;
}

/** Puts zeros around an image where its windows do not know how many. */
export function framed(g: GraphBuilder, node: Node, x: Value, windows: readonly Window[]): Framed {
  if (windows.every(({ pads }) => pads)) return { x, windows, uncover: (value) => value };
  const margins = marginsOf(g, node, x, windows);
  const [before, after] = [margins.map(([first]) => first), margins.map(([, second]) => second)];
  const padded = g.pad(x, shapeOfSizes(g, [0, 0, ...before, 0, 0, ...after]));
  const inner = windows.map((window, i): Window => {
    return { ...window, size: g.knownShape(padded)[i + 2] ?? g.freshDim(), pads: [0, 0] };
  });
  const uncover = (value: Value): Value => {
    const part = margins.reduce((whole: Value, [start], i) => {
      return cut(g, whole, { axis: i + 2, start }, sizeAlong(g, x, i + 2));
    }, value);
    return g.reshapeLike(part, x);
  };
  return { x: padded, windows: inner, uncover };
}
