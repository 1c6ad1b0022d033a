/** Observable Plot without a browser. */

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { palette } from './palette.ts';

/** Text of every figure: the embedded font where there is one, else the reader's own. */
export const fontFamily = 'Inter, system-ui, sans-serif';

/** A drawing: SVG with its size. */
export interface Drawing {
  /** An `<svg>` element that stands on its own. */
  readonly svg: string;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
}

/**
 * Draws a plot. Texts in it are escaped.
 *
 * @param options - of Plot, with both sizes.
 */
export function drawPlot(options: Plot.PlotOptions & { width: number; height: number }): Drawing {
  const { width, height } = options;
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const plot = Plot.plot({ ...options, document });
  plot.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  // Plot's own option for it assigns to `style`, which linkedom does not allow
  plot.setAttribute(
    'style',
    `font-family: ${fontFamily}; font-size: 12px; color: ${palette.ink}; overflow: visible`,
  );
  // HTML leaves angles in attributes as they are, XML does not
  const svg = plot.outerHTML.replaceAll(/="[^"]*"/g, (value) =>
    value.replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  );
  return { svg, width, height };
}
