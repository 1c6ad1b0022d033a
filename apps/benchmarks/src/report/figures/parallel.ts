/** Parallel coordinates: a line for each trial, through its choices to its loss. */

import * as Plot from '@observablehq/plot';
import { type Choices, isNumeric, type Parameter, placeOf, type Space } from '../../sweep/space.ts';
import { tickText } from '../format.ts';
import { type Axis, share, ticksOf } from './axes.ts';
import { lossColor, lossColors, palette } from './palette.ts';
import { parameterTicks } from './parameterAxis.ts';
import { type Drawing, drawPlot } from './plot.ts';

/** A trial. */
export interface ParallelTrial {
  readonly choices: Choices;
  /** Null where there is none: then its line is dashed, and ends above the others. */
  readonly objective: number | null;
}

/** What is drawn. */
export interface ParallelFigure {
  readonly space: Space;
  readonly trials: readonly ParallelTrial[];
  /** Of the losses. */
  readonly axis: Axis;
  /** Says what is drawn, for people who cannot see it. */
  readonly description: string;
}

interface Vertex {
  readonly x: number;
  readonly y: number;
  readonly trial: number;
  readonly color: string;
}

const [between, left, right] = [100, 48, 48];
/** Where trials without a loss end: above the axis of losses. */
const nowhere = 1.09;
/** How far lines through the same truth or category are set apart, as a share of its part of the axis. */
const fan = 0.5;

/** Places of the trials on an axis; those with the same truth or category lie beside each other, the best lowest. */
function placesOn(parameter: Parameter, trials: readonly ParallelTrial[]): (number | undefined)[] {
  const values = trials.map(({ choices }) => choices[parameter.name]);
  const places = values.map((value) => (value === undefined ? undefined : placeOf(parameter, value)));
  if (isNumeric(parameter)) return places;
  const count = parameter.kind === 'categorical' ? parameter.choices.length : 2;
  const losses = trials.map(({ objective }) => objective ?? Number.POSITIVE_INFINITY);
  return places.map((place, i) => {
    if (place === undefined) return undefined;
    const same = [...places.keys()].filter((k) => places[k] === place);
    const rank = same.sort((a, b) => (losses[a] as number) - (losses[b] as number)).indexOf(i);
    const offset = same.length > 1 ? rank / (same.length - 1) - 0.5 : 0;
    return place + (fan * offset) / count;
  });
}

function verticesOf({ space, trials, axis }: ParallelFigure): Vertex[][] {
  const places = space.map((parameter) => placesOn(parameter, trials));
  return trials.map(({ objective }, trial) => {
    const loss = objective === null ? nowhere : share(axis, objective);
    const color = objective === null ? palette.faint : lossColor(loss);
    const chosen = places.flatMap((own, x): Vertex[] =>
      own[trial] === undefined ? [] : [{ x, y: own[trial] as number, trial, color }],
    );
    return [...chosen, { x: space.length, y: loss, trial, color }];
  });
}

const halo = { stroke: palette.paper, strokeWidth: 4 };

function axisMarks(space: Space, axis: Axis, isSomeLost: boolean): Plot.Markish[] {
  const end = space.length;
  const parameters = space.flatMap((parameter, x) =>
    parameterTicks(parameter).map((tick) => ({ ...tick, x })),
  );
  const losses = ticksOf(axis).map((value) => ({ place: share(axis, value), text: tickText(value) }));
  const lost = isSomeLost ? [{ place: nowhere, text: 'none' }] : [];
  const names = [...space.map(({ name }, x) => ({ x, name })), { x: end, name: 'loss' }];
  const scale = lossColors.map((color, i) => ({
    color,
    y1: i / lossColors.length,
    y2: (i + 1) / lossColors.length,
  }));
  const label = { y: 'place', text: 'text', fontSize: 10.5, fill: palette.faint, ...halo } as const;
  return [
    Plot.ruleX(space, { x: (_: Parameter, i: number) => i, y1: 0, y2: 1, stroke: palette.line }),
    Plot.ruleX(scale, { x: end, y1: 'y1', y2: 'y2', stroke: 'color', strokeWidth: 5 }),
    Plot.text(parameters, { ...label, x: 'x', textAnchor: 'end', dx: -6 }),
    Plot.text([...losses, ...lost], { ...label, x: end, textAnchor: 'start', dx: 8 }),
    Plot.text(names, {
      x: 'x',
      text: 'name',
      frameAnchor: 'top',
      dy: -18,
      fontSize: 11.5,
      fontWeight: 600,
      fill: palette.ink,
    }),
  ];
}

/** Draws the trials of an optimizer: the worse a trial, the further behind. */
export function drawParallel(figure: ParallelFigure): Drawing {
  const { space, trials, axis, description } = figure;
  const order = (vertices: readonly Vertex[]) => -(vertices.at(-1) as Vertex).y;
  const lines = verticesOf(figure).sort((a, b) => order(a) - order(b));
  const isLost = ({ trial }: Vertex) => trials[trial]?.objective === null;
  const best = lines.at(-1) ?? [];
  const draw = (vertices: readonly Vertex[], look: Plot.LineOptions): Plot.Markish =>
    Plot.line(vertices, { x: 'x', y: 'y', z: 'trial', stroke: 'color', curve: 'bump-x', ...look });
  const all = lines.flat();
  return drawPlot({
    width: left + between * space.length + right,
    height: 280,
    marginTop: 30,
    marginBottom: 14,
    marginLeft: left,
    marginRight: right,
    ariaLabel: description,
    x: { domain: [0, space.length], axis: null },
    y: { domain: [0, nowhere], axis: null },
    marks: [
      draw(all.filter(isLost), { strokeWidth: 1.1, strokeDasharray: '3 3', strokeOpacity: 0.8 }),
      draw(
        all.filter((vertex) => !isLost(vertex)),
        { strokeWidth: 1.5, strokeOpacity: 0.85 },
      ),
      draw(
        best.filter((vertex) => !isLost(vertex)),
        { strokeWidth: 3 },
      ),
      ...axisMarks(
        space,
        axis,
        trials.some(({ objective }) => objective === null),
      ),
    ],
  });
}
