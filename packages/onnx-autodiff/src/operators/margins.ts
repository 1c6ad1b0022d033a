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

/** An image whose zeros around it are known. */
export interface Framed {
  /** The image; with zeros around it, if `windows` do not know of them. */
  readonly x: Value;
  /** Windows over it; their zeros are known. */
  readonly windows: readonly Window[];
  /** Takes what is shaped like `x` to the shape of the image itself. */
  readonly uncover: (value: Value) => Value;
}

/** Zeros before and after one axis. */
function amountsOf(
  g: GraphBuilder,
  node: Node,
  x: Value,
  window: Window,
  axis: number,
): readonly [Value, Value] {
  const { kernel, stride, dilation } = window;
  if (typeof kernel !== 'number' || dilation !== 1 || kernel < stride - 2) {
    refuse(
      node,
      'auto_pad with dilations, or with steps wider than the kernel, has no one meaning. Write pads instead',
    );
  }
  const size = sizeAlong(g, x, axis);
  const steps = g.div(g.add(size, stride - 1), stride);
  const covered = g.add(g.mul(g.sub(steps, 1), stride), kernel);
  const total = g.max(g.sub(covered, size), 0);
  const less = g.div(total, 2);
  const more = g.sub(total, less);
  return text(node, 'auto_pad', 'NOTSET') === 'SAME_UPPER' ? [less, more] : [more, less];
}

/** Puts zeros around an image where its windows do not know how many. */
export function framed(g: GraphBuilder, node: Node, x: Value, windows: readonly Window[]): Framed {
  if (windows.every(({ pads }) => pads)) return { x, windows, uncover: (value) => value };
  const amounts = windows.map(
    (window, i): readonly [Size, Size] => window.pads ?? amountsOf(g, node, x, window, i + 2),
  );
  const [before, after] = [0, 1].map((side) => amounts.map((pair) => pair[side] as Size)) as [Size[], Size[]];
  const padded = g.pad(x, shapeOfSizes(g, [0, 0, ...before, 0, 0, ...after]));
  const inner = windows.map((window, i): Window => {
    const size = padded.shape?.[i + 2] ?? g.freshDim();
    return { ...window, size, pads: [0, 0] };
  });
  const uncover = (value: Value): Value => {
    const axes = windows.map((_, i) => i + 2);
    const part = axes.reduce(
      (whole: Value, axis, i) => cut(g, whole, { axis, start: before[i] as Size }, sizeAlong(g, x, axis)),
      value,
    );
    return g.reshapeLike(part, x);
  };
  return { x: padded, windows: inner, uncover };
}
