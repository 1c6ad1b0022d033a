/** A slice: the objective against one parameter, with what a Gaussian process believes of it. */

import * as Plot from '@observablehq/plot';
import { type Choice, isNumeric, type Parameter, placeOf } from '../../sweep/space.ts';
import type { SlicePoint } from '../analysis/slices.ts';
import { tickText } from '../format.ts';
import { type Axis, share, ticksOf } from './axes.ts';
import { type OptimizerLook, palette } from './palette.ts';
import { parameterTicks } from './parameterAxis.ts';
import { type Drawing, drawPlot } from './plot.ts';

/** A trial. */
export interface SliceTrial {
  readonly value: Choice;
  /** Null where there is none. */
  readonly objective: number | null;
  readonly isBest: boolean;
}

/** What is drawn. */
export interface SliceFigure {
  readonly parameter: Parameter;
  readonly trials: readonly SliceTrial[];
  /** What is believed; none where there are too few trials. */
  readonly slice: readonly SlicePoint[];
  /** Of the objectives. */
  readonly axis: Axis;
  readonly look: OptimizerLook;
  /** Says what is drawn, for people who cannot see it. */
  readonly description: string;
}

/** The mean, and one standard deviation around it: a band over numbers, bars over truths and categories. */
function beliefMarks({ parameter, slice, axis, look: { color } }: SliceFigure): Plot.Markish[] {
  const at = (value: number) => share(axis, value);
  const points = slice.map(({ place, low, mean, high }) => {
    return { place, low: at(low), mean: at(mean), high: at(high) };
  });
  const span = { x: 'place', y1: 'low', y2: 'high' } as const;
  if (isNumeric(parameter)) {
    return [
      Plot.areaY(points, { ...span, fill: color, fillOpacity: 0.16 }),
      Plot.line(points, { x: 'place', y: 'mean', stroke: color, strokeWidth: 1.8 }),
    ];
  }
  return [
    Plot.ruleX(points, { ...span, stroke: color, strokeOpacity: 0.3, strokeWidth: 14 }),
    Plot.dot(points, { x: 'place', y: 'mean', symbol: 'square', fill: color, r: 3.2 }),
  ];
}

/** Trials as rings, the best as a dot; those beyond the axis as triangles at its end, those without a loss as crosses. */
function trialMarks({ parameter, trials, axis, look }: SliceFigure): Plot.Markish[] {
  const placed = trials.map(({ value, objective, isBest }) => {
    const isOut = objective !== null && objective > axis.domain[1];
    const [x, y] = [placeOf(parameter, value), objective === null ? 1 : share(axis, objective)];
    return { x, y, isBest, isOut, isLost: objective === null };
  });
  const ring = { x: 'x', y: 'y', stroke: look.ink, strokeWidth: 1.4, fill: palette.paper } as const;
  return [
    Plot.dot(
      placed.filter(({ isLost, isOut, isBest }) => !isLost && !isOut && !isBest),
      { ...ring, r: 3.4 },
    ),
    Plot.dot(
      placed.filter(({ isOut }) => isOut),
      { ...ring, symbol: 'triangle', r: 4 },
    ),
    Plot.dot(
      placed.filter(({ isLost }) => isLost),
      { x: 'x', y: 'y', stroke: look.ink, strokeWidth: 1.6, symbol: 'times', r: 4 },
    ),
    Plot.dot(
      placed.filter(({ isBest }) => isBest),
      { x: 'x', y: 'y', fill: look.ink, stroke: palette.paper, r: 5 },
    ),
  ];
}

/** Draws a slice of 360 by 232 pixels. */
export function drawSlice(figure: SliceFigure): Drawing {
  const { parameter, axis, description } = figure;
  const [own, losses] = [parameterTicks(parameter), ticksOf(axis)];
  return drawPlot({
    width: 360,
    height: 232,
    marginTop: 10,
    marginBottom: 34,
    marginLeft: 46,
    marginRight: 14,
    ariaLabel: description,
    x: {
      domain: [-0.02, 1.02],
      ticks: own.map(({ place }) => place),
      tickFormat: (_: number, i: number) => own[i]?.text ?? '',
      label: parameter.name,
      labelAnchor: 'center',
      labelArrow: 'none',
      tickSize: 4,
    },
    y: {
      domain: [0, 1.03],
      ticks: losses.map((value) => share(axis, value)),
      tickFormat: (_: number, i: number) => tickText(losses[i] as number),
      tickSize: 0,
      label: null,
    },
    marks: [
      Plot.gridY(
        losses.map((value) => share(axis, value)),
        { stroke: palette.line, strokeOpacity: 0.7, strokeWidth: 0.8 },
      ),
      ...beliefMarks(figure),
      ...trialMarks(figure),
    ],
  });
}
