/** Curves over the training steps, each with its name at its end. */

import * as Plot from '@observablehq/plot';
import type { Point } from '../analysis/series.ts';
import { tickText } from '../format.ts';
import { type Axis, axisOf, share } from './axes.ts';
import { endLabels } from './endLabels.ts';
import { type OptimizerLook, palette } from './palette.ts';
import { type Drawing, drawPlot } from './plot.ts';

/** A curve. */
export interface Curve {
  readonly look: OptimizerLook;
  readonly points: readonly Point[];
  /** Whether it ends because a seed failed: then it ends in a cross. */
  readonly failed: boolean;
}

/** A level to compare with. */
export interface Level {
  readonly label: string;
  readonly value: number;
  /** Where the label stands: where curves are not. */
  readonly side: 'left' | 'right';
}

/** What a panel of curves shows. */
export interface CurvePanel {
  readonly curves: readonly Curve[];
  /** Drawn across. Default none. */
  readonly levels?: readonly Level[];
  /** Whether the axis is logarithmic where it can be; by default where the values span a factor over 30. */
  readonly log?: boolean;
  /** Whether each point is marked: where there are few. Default false. */
  readonly dots?: boolean;
  /** Of the horizontal axis. */
  readonly xLabel: string;
  /** Says what is drawn, for people who cannot see it. */
  readonly description: string;
}

const [width, height] = [360, 232];
const [top, bottom, left] = [10, 34, 46];

const compact = (value: number): string =>
  value >= 10_000 ? `${Number((value / 1000).toFixed(1))}k` : String(value);

/** Values within sight: a curve that runs away must not flatten all others, so it leaves the panel at the top. */
function inSight(curves: readonly Curve[]): number[] {
  const values = curves.flatMap(({ points }) => points.flatMap(({ low, high }) => [low, high]));
  const starts = curves.flatMap(({ points }) => points.slice(0, 1).map(({ high }) => high));
  const ends = curves.filter(({ failed }) => !failed).flatMap(({ points }) => points.map(({ high }) => high));
  const most = 1.1 * Math.max(...starts, ...ends);
  return values.filter((value) => value <= most);
}

/** A curve with the band of its seeds. */
function marksOf({ look, points, failed }: Curve, { dots }: CurvePanel): Plot.Markish[] {
  const way = { x: 'step', y: 'mean', clip: true } as const;
  const band = points.some(({ low, high }) => high > low) ? points : [];
  const end = failed ? points.slice(-1) : [];
  return [
    Plot.areaY(band, { x: 'step', y1: 'low', y2: 'high', fill: look.color, fillOpacity: 0.16, clip: true }),
    Plot.line(points, { ...way, stroke: look.color, strokeWidth: 1.8 }),
    Plot.dot(dots ? points : [], { ...way, fill: look.color, r: 2.2 }),
    Plot.dot(end, { ...way, symbol: 'times', stroke: look.color, strokeWidth: 2, r: 5 }),
  ];
}

/** Names at the ends. */
function labelsOf(curves: readonly Curve[], axis: Axis): Plot.Markish[] {
  const ends = curves.flatMap(({ look, points, failed }) =>
    points.slice(-1).map(({ mean }) => ({
      look,
      text: failed ? `${look.name} NaN` : look.name,
      place: share(axis, mean),
    })),
  );
  return endLabels(ends, height - top - bottom);
}

const levelMarks = (levels: readonly Level[]): Plot.Markish[] => [
  Plot.ruleY(levels, { y: 'value', stroke: palette.faint, strokeDasharray: '3 3' }),
  ...levels.map((level) =>
    Plot.text([level], {
      y: 'value',
      text: 'label',
      frameAnchor: level.side,
      dx: level.side === 'left' ? 5 : -5,
      dy: -7,
      fill: palette.faint,
      fontSize: 11,
      stroke: palette.paper,
      strokeWidth: 3,
    }),
  ),
];

/** Draws a panel of 360 by 232 pixels. Over 40 lines: what the plot is made of, as data. */
export function drawCurves(panel: CurvePanel): Drawing {
  const { curves, levels = [], log, xLabel, description } = panel;
  const values = [...inSight(curves), ...levels.map(({ value }) => value)].filter(Number.isFinite);
  const axis = axisOf(log === true ? values.filter((value) => value > 0) : values, log);
  const longest = Math.max(...curves.map(({ look, failed }) => look.name.length + (failed ? 4 : 0)));
  const end = Math.max(1, ...curves.flatMap(({ points }) => points.map(({ step }) => step)));
  return drawPlot({
    width,
    height,
    marginTop: top,
    marginBottom: bottom,
    marginLeft: left,
    marginRight: 14 + 6 * longest,
    ariaLabel: description,
    x: {
      domain: [0, end],
      ticks: Math.min(4, end),
      tickFormat: compact,
      label: xLabel,
      labelAnchor: 'center',
      labelArrow: 'none',
      tickSize: 4,
    },
    y: {
      type: axis.type,
      domain: [...axis.domain],
      ticks: axis.ticks ? [...axis.ticks] : 5,
      tickFormat: tickText,
      tickSize: 0,
      label: null,
    },
    marks: [
      Plot.gridY({
        ticks: axis.ticks ? [...axis.ticks] : 5,
        stroke: palette.line,
        strokeOpacity: 0.7,
        strokeWidth: 0.8,
      }),
      Plot.ruleX([0], { stroke: palette.line }),
      ...levelMarks(levels),
      ...curves.flatMap((curve) => marksOf(curve, panel)),
      ...labelsOf(curves, axis),
    ],
  });
}
