/** What is known of a convolution: `y[n, m, p] = sum over c, k of x[n, c, s p + d k - before] w[m, c, k]`. */

import { isStatic } from '../model/dims.ts';
import type { Dim, Shape } from '../model/model.ts';
import type { Window } from './windows.ts';

/** How a convolution lies over its image. */
export interface Correlation {
  /** Windows by axis. */
  readonly windows: readonly Window[];
  /** Groups of channels. */
  readonly group: number;
}

/** A window of which everything is a number. */
export type KnownWindow = Window & {
  readonly size: number;
  readonly kernel: number;
  readonly count: number;
  readonly pads: readonly [number, number];
};

/** A convolution of which everything but the batch is a number. */
export interface KnownCorrelation {
  /** Windows by axis. */
  readonly windows: readonly KnownWindow[];
  /** Groups of channels. */
  readonly group: number;
  /** Images, if it is known how many. */
  readonly batch?: number | undefined;
  /** Shape of the kernel: outputs, channels of a group, taps by axis. */
  readonly w: readonly number[];
  /** Number of taps. */
  readonly taps: number;
}

/** Product of sizes. */
export const total = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

const isKnown = (window: Window): window is KnownWindow =>
  typeof window.size === 'number' &&
  typeof window.kernel === 'number' &&
  typeof window.count === 'number' &&
  window.pads !== undefined;

/**
 * The same convolution, if everything but the batch is a number.
 *
 * @param w - shape of the kernel.
 * @param batch - images, a number or not.
 */
export function known(
  { windows, group }: Correlation,
  w: Shape | undefined,
  batch?: Dim,
): KnownCorrelation | undefined {
  if (!isStatic(w) || !windows.every(isKnown)) return undefined;
  return {
    windows: windows as readonly KnownWindow[],
    group,
    batch: typeof batch === 'number' ? batch : undefined,
    w,
    taps: total(w.slice(2)),
  };
}
