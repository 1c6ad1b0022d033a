/** Paired differences: a row for each rival, a ring for each seed, a bar for the interval. */

import * as Plot from '@observablehq/plot';
import type { PairedDifference } from '../analysis/statistics.ts';
import { tickText } from '../format.ts';
import { axisOf } from './axes.ts';
import { type OptimizerLook, palette } from './palette.ts';
import { type Drawing, drawPlot } from './plot.ts';

/** A rival. */
export interface ForestRow {
  readonly look: OptimizerLook;
  readonly pair: PairedDifference;
}

const rowHeight = 34;

/** Draws rows of differences, 360 pixels wide; those without a finite seed say so. Over 40 lines: marks, as data. */
export function drawForest(rows: readonly ForestRow[], description: string): Drawing {
  const seeds = rows.flatMap(({ look, pair: { difference } }) =>
    difference.values.filter(Number.isFinite).map((value) => ({ row: look.name, value, color: look.color })),
  );
  const means = rows.flatMap(({ look, pair: { difference } }) => {
    const [low, high] = difference.interval ?? [difference.mean, difference.mean];
    return Number.isFinite(difference.mean)
      ? [{ row: look.name, mean: difference.mean, low, high, color: look.color }]
      : [];
  });
  const failed = rows.filter(({ pair }) => pair.difference.notFinite > 0).map(({ look }) => look.name);
  const reach = axisOf([0, ...seeds.map(({ value }) => value)]).domain;
  const longest = Math.max(...rows.map(({ look }) => look.name.length));
  return drawPlot({
    width: 360,
    height: 62 + rowHeight * rows.length,
    marginTop: 26,
    marginBottom: 36,
    marginLeft: 16 + 6.4 * longest,
    marginRight: 18,
    ariaLabel: description,
    x: { domain: [...reach], ticks: 5, tickFormat: tickText, label: null, tickSize: 4 },
    y: { domain: rows.map(({ look }) => look.name), label: null, tickSize: 0 },
    marks: [
      Plot.ruleX([0], { stroke: palette.faint }),
      Plot.text(['← lower than VRAdam'], {
        x: 0,
        frameAnchor: 'top',
        textAnchor: 'end',
        dx: -6,
        dy: -16,
        fill: palette.faint,
        fontSize: 11,
      }),
      Plot.text(['higher →'], {
        x: 0,
        frameAnchor: 'top',
        textAnchor: 'start',
        dx: 6,
        dy: -16,
        fill: palette.faint,
        fontSize: 11,
      }),
      Plot.ruleY(means, {
        y: 'row',
        x1: 'low',
        x2: 'high',
        stroke: 'color',
        strokeWidth: 3.5,
        strokeOpacity: 0.45,
      }),
      Plot.dot(seeds, { x: 'value', y: 'row', stroke: 'color', r: 3.6, strokeWidth: 1.2 }),
      Plot.dot(means, { x: 'mean', y: 'row', fill: 'color', r: 4.2 }),
      Plot.text(failed, {
        y: (name) => name,
        text: () => 'NaN: no difference',
        frameAnchor: 'right',
        textAnchor: 'end',
        dx: -6,
        dy: -10,
        fill: palette.faint,
        fontSize: 11,
      }),
    ],
  });
}
