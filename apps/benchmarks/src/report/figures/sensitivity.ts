/** Losses over the learning rate, a curve for each optimizer. */

import * as Plot from '@observablehq/plot';
import type { RatePoint } from '../analysis/sensitivity.ts';
import { tickText } from '../format.ts';
import { type Axis, axisOf, logTicks, share } from './axes.ts';
import { type CurveEnd, endLabels } from './endLabels.ts';
import { type OptimizerLook, palette } from './palette.ts';
import { type Drawing, drawPlot } from './plot.ts';

/** A curve. */
export interface RateCurve {
  readonly look: OptimizerLook;
  /** By ascending learning rate. */
  readonly points: readonly RatePoint[];
  /** The best of them; undefined for none. */
  readonly best: RatePoint | undefined;
}

const [width, height] = [360, 248];
const [top, bottom, left] = [22, 36, 46];

const isKnown = ({ mean }: RatePoint): boolean => Number.isFinite(mean);

/** Range of the seeds as a bar, mean as a dot on a line that breaks where a seed failed; the best is ringed. */
function marksOf({ look, points, best }: RateCurve): Plot.Markish[] {
  const way = { x: 'learningRate', clip: true } as const;
  const { color } = look;
  const spread = points.filter(({ low, high }) => high > low);
  return [
    Plot.ruleX(spread, { ...way, y1: 'low', y2: 'high', stroke: color, strokeWidth: 4, strokeOpacity: 0.28 }),
    Plot.line(points, { ...way, y: 'mean', stroke: color, strokeWidth: 1.8 }),
    Plot.dot(points.filter(isKnown), { ...way, y: 'mean', fill: color, r: 2.4 }),
    Plot.dot(best ? [best] : [], { ...way, y: 'mean', stroke: color, strokeWidth: 1.8, r: 5.5 }),
  ];
}

/** A cross above the axis for each learning rate with a seed that failed; crosses of one rate stand side by side. */
function crossesOf(curves: readonly RateCurve[]): Plot.Markish[] {
  const failures = curves.map(({ points }) => points.filter(({ failed }) => failed > 0));
  const before = (rate: number, i: number) =>
    failures.slice(0, i).filter((points) => points.some(({ learningRate }) => learningRate === rate)).length;
  return failures.flatMap((points, i) =>
    points.map((point) =>
      Plot.dot([point], {
        x: 'learningRate',
        frameAnchor: 'top',
        dx: 11 * before(point.learningRate, i),
        dy: -10,
        symbol: 'times',
        stroke: (curves[i] as RateCurve).look.color,
        strokeWidth: 2,
        r: 4.5,
      }),
    ),
  );
}

/** A name at the last known mean; at the top where there is none. */
function endOf({ look, points }: RateCurve, axis: Axis): CurveEnd {
  const last = points.filter(isKnown).at(-1);
  return { look, text: look.name, place: last ? share(axis, last.mean) : 1 };
}

/**
 * Draws a panel of 360 by 248 pixels.
 *
 * @param description - says what is drawn, for people who cannot see it.
 */
export function drawSensitivity(curves: readonly RateCurve[], description: string): Drawing {
  const points = curves.flatMap((curve) => curve.points);
  const y = axisOf(points.flatMap(({ low, high }) => [low, high]).filter(Number.isFinite));
  const x = axisOf(
    points.map(({ learningRate }) => learningRate),
    true,
  );
  const longest = Math.max(0, ...curves.map(({ look }) => look.name.length));
  const ticks = y.ticks ? [...y.ticks] : 5;
  return drawPlot({
    width,
    height,
    marginTop: top,
    marginBottom: bottom,
    marginLeft: left,
    marginRight: 14 + 6 * longest,
    ariaLabel: description,
    x: {
      type: 'log',
      domain: [...x.domain],
      ticks: logTicks(...x.domain),
      tickFormat: tickText,
      label: 'learning rate',
      labelAnchor: 'center',
      labelArrow: 'none',
      tickSize: 4,
    },
    y: { type: y.type, domain: [...y.domain], ticks, tickFormat: tickText, tickSize: 0, label: null },
    marks: [
      Plot.gridY({ ticks, stroke: palette.line, strokeOpacity: 0.7, strokeWidth: 0.8 }),
      ...curves.flatMap(marksOf),
      ...crossesOf(curves),
      ...endLabels(
        curves.map((curve) => endOf(curve, y)),
        height - top - bottom,
      ),
    ],
  });
}
