/** How a sweep came along: the loss of each trial, and the best so far. */

import * as Plot from '@observablehq/plot';
import type { Point } from '../analysis/series.ts';
import { tickText } from '../format.ts';
import { type Axis, share, spread, ticksOf } from './axes.ts';
import { type OptimizerLook, palette } from './palette.ts';
import { type Drawing, drawPlot } from './plot.ts';

/** An optimizer. */
export interface SearchCurve {
  readonly look: OptimizerLook;
  /** Best objective after as many trials. */
  readonly best: readonly Point[];
  /** Objective of each trial; null where there is none. */
  readonly objectives: readonly (number | null)[];
}

/** What is drawn. */
export interface SearchFigure {
  readonly curves: readonly SearchCurve[];
  /** Of the objectives. */
  readonly axis: Axis;
  /** Says what is drawn, for people who cannot see it. */
  readonly description: string;
}

const [width, height, top, bottom] = [360, 232, 10, 34];
/** Of a trial's place, left and right. */
const margin = 0.4;

function frame({ curves, axis, description }: SearchFigure, right: number, marks: Plot.Markish[]): Drawing {
  const losses = ticksOf(axis);
  const end = Math.max(2, ...curves.map(({ objectives }) => objectives.length));
  return drawPlot({
    ...{ width, height, marginTop: top, marginBottom: bottom, marginLeft: 46, marginRight: right },
    ariaLabel: description,
    x: {
      domain: [1 - margin, end + margin],
      ticks: Math.min(end, 8),
      tickFormat: (trial: number) => (Number.isInteger(trial) ? String(trial) : ''),
      label: 'trial',
      labelAnchor: 'center',
      labelArrow: 'none',
      tickSize: 4,
    },
    y: {
      type: axis.type,
      domain: [...axis.domain],
      ticks: [...losses],
      tickFormat: tickText,
      tickSize: 0,
      label: null,
    },
    marks: [
      Plot.gridY([...losses], { stroke: palette.line, strokeOpacity: 0.7, strokeWidth: 0.8 }),
      ...marks,
    ],
  });
}

const within = ({ domain: [low, high] }: Axis, value: number): number => Math.min(high, Math.max(low, value));

function bestMarks({ look: { color }, best }: SearchCurve, axis: Axis): Plot.Markish[] {
  const points = best.map(({ step, mean, low, high }) => {
    return { step, mean: within(axis, mean), low: within(axis, low), high: within(axis, high) };
  });
  const last = points.at(-1);
  // what the last trial found must be seen, too
  const stairs = last ? [...points, { ...last, step: last.step + margin }] : [];
  return [
    Plot.areaY(points, { x: 'step', y1: 'low', y2: 'high', fill: color, fillOpacity: 0.12 }),
    Plot.line(stairs, { x: 'step', y: 'mean', curve: 'step-after', stroke: color, strokeWidth: 2 }),
  ];
}

/** Draws the best so far of each optimizer, 360 by 232 pixels, each with its name at its end. */
export function drawBestSoFar(figure: SearchFigure): Drawing {
  const { axis } = figure;
  const curves = figure.curves.filter(({ best }) => best.length > 0);
  const inner = height - top - bottom;
  const ends = curves.map(({ best }) => inner * (1 - share(axis, (best.at(-1) as Point).mean)));
  const places = spread(ends, 13.5, inner);
  const longest = Math.max(0, ...curves.map(({ look }) => look.name.length));
  const labels = curves.map(({ look }, i) =>
    Plot.text([look.name], {
      frameAnchor: 'top-right',
      textAnchor: 'start',
      dx: 7,
      dy: (places[i] as number) - 5,
      fill: look.ink,
      fontSize: 11,
    }),
  );
  const marks = curves.flatMap((curve) => bestMarks(curve, axis));
  return frame(figure, 14 + 6 * longest, [...marks, ...labels]);
}

/** Optimizers beside each other within the place of a trial. */
const step = 0.16;

/** Draws the objective of every trial, 360 by 232 pixels; without one it is a cross, beyond the axis a triangle at its end. */
export function drawTrials(figure: SearchFigure): Drawing {
  const { curves, axis } = figure;
  const dots = curves.flatMap(({ look, objectives }, which) =>
    objectives.map((objective, i) => ({
      x: i + 1 + step * (which - (curves.length - 1) / 2),
      y: objective === null ? axis.domain[1] : within(axis, objective),
      color: look.color,
      kind: objective === null ? 'lost' : objective > axis.domain[1] ? 'out' : 'seen',
    })),
  );
  const of = (kind: string) => dots.filter((dot) => dot.kind === kind);
  const place = { x: 'x', y: 'y' } as const;
  return frame(figure, 14, [
    Plot.dot(of('seen'), { ...place, fill: 'color', stroke: palette.paper, strokeWidth: 0.7, r: 3.8 }),
    Plot.dot(of('out'), { ...place, stroke: 'color', strokeWidth: 1.5, symbol: 'triangle', r: 3.6 }),
    Plot.dot(of('lost'), { ...place, stroke: 'color', strokeWidth: 1.7, symbol: 'times', r: 3.8 }),
  ]);
}
