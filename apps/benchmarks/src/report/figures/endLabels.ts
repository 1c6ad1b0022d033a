/** Names at the right of a panel, each beside the end of its curve. */

import * as Plot from '@observablehq/plot';
import { spread } from './axes.ts';
import type { OptimizerLook } from './palette.ts';

/** The end of a curve. */
export interface CurveEnd {
  readonly look: OptimizerLook;
  /** What is written. */
  readonly text: string;
  /** Where it ends: 0 at the bottom of the panel, 1 at its top. */
  readonly place: number;
}

const lineHeight = 13.5;

/**
 * Writes names, moved apart where they would lie on each other.
 *
 * @param inner - pixels from the top of the axis to its bottom.
 */
export function endLabels(ends: readonly CurveEnd[], inner: number): Plot.Markish[] {
  const wanted = ends.map(({ place }) => inner * (1 - place));
  const places = spread(wanted, lineHeight, inner);
  return ends.map(({ look, text }, i) =>
    Plot.text([text], {
      frameAnchor: 'top-right',
      textAnchor: 'start',
      dx: 7,
      dy: (places[i] as number) - 5,
      fill: look.ink,
      fontSize: 11,
    }),
  );
}
