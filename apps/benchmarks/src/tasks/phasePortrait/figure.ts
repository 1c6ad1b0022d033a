/** Figure 1 as a drawing. */

import * as Plot from '@observablehq/plot';
import { composeFigure } from '../../report/figures/figure.ts';
import { palette } from '../../report/figures/palette.ts';
import { type Drawing, drawPlot } from '../../report/figures/plot.ts';
import type { Portrait } from './portrait.ts';

const vrColor = palette.vradam;
const plainColor = palette.adamw;
const minus = (value: number): string => String(value).replace('-', '−');

/** An arrow of one length in both directions of the figure, centred on its point: only the direction is told. */
function arrowEnds(field: Portrait['field']) {
  const [reach, speed] = [Math.max(...field.map(({ x }) => x)), Math.max(...field.map(({ v }) => v))];
  return field.map(({ x, v, dx, dv }) => {
    const length = Math.hypot(dx / reach, dv / speed) || 1;
    const [halfX, halfV] = [(0.03 * dx) / length, (0.03 * dv) / length];
    return { x1: x - halfX, x2: x + halfX, y1: v - halfV, y2: v + halfV };
  });
}

function phasePlane({ field, orbits, vrMomentum, momentum }: Portrait): Drawing {
  const way = { x: 'x', y: 'v' } as const;
  const trail = (path: Portrait['momentum'], color: string) => [
    Plot.line(path, { ...way, stroke: color, strokeWidth: 1.4, strokeOpacity: 0.75 }),
    Plot.dot(path, { ...way, fill: color, r: 3, stroke: palette.paper, strokeWidth: 0.6 }),
  ];
  return drawPlot({
    width: 640,
    height: 540,
    marginLeft: 48,
    marginBottom: 44,
    x: { label: 'position x', labelAnchor: 'center', tickFormat: minus, ticks: 9 },
    y: { label: 'velocity −v', tickFormat: minus, ticks: 9 },
    marks: [
      Plot.arrow(arrowEnds(field), {
        x1: 'x1',
        x2: 'x2',
        y1: 'y1',
        y2: 'y2',
        stroke: palette.line,
        strokeWidth: 1.1,
        headLength: 5,
      }),
      ...orbits.map(({ path }) =>
        Plot.line(path, { ...way, stroke: palette.ink, strokeWidth: 1.2, strokeOpacity: 0.75 }),
      ),
      ...trail(momentum, plainColor),
      ...trail(vrMomentum, vrColor),
      Plot.dot([{ x: 0, v: 0 }], { ...way, symbol: 'plus', stroke: palette.ink, r: 5 }),
    ],
  });
}

/** One quantity over the steps. */
function overSteps(
  { vrMomentum, momentum }: Portrait,
  quantity: 'x' | 'effectiveLearningRate',
  label: string,
): Drawing {
  const line = (path: Portrait['momentum'], color: string) => {
    const points = path.map((step, index) => ({ step: index, value: step[quantity] }));
    const known = points.filter(({ value }) => value !== null);
    const channels = { x: 'step', y: 'value' } as const;
    return [
      Plot.line(known, { ...channels, stroke: color, strokeWidth: 1.6 }),
      Plot.dot(known, { ...channels, fill: color, r: 2 }),
    ];
  };
  return drawPlot({
    width: 420,
    height: 248,
    marginLeft: 48,
    marginBottom: 40,
    x: { label: 'step', labelAnchor: 'center', ticks: 6, domain: [0, momentum.length - 1] },
    y: { label, tickFormat: minus, grid: true, nice: true, ticks: 6 },
    marks: [
      ...(quantity === 'x' ? [Plot.ruleY([0], { stroke: palette.line })] : []),
      ...line(momentum, plainColor),
      ...line(vrMomentum, vrColor),
    ],
  });
}

/** Draws the portrait. */
export function drawPortrait(portrait: Portrait): Drawing {
  const { learningRate, beta1, beta3, lrCutoff, start, steps } = portrait.options;
  return composeFigure({
    title: 'VRMomentum and Momentum on x²/2',
    subtitle: [
      `From x = ${start} at rest, ${steps} steps. learningRate ${learningRate}, beta1 ${beta1}; the brake: beta3 ${beta3}, lrCutoff ${lrCutoff}.`,
      'The flow is the paper’s: dx/dt = v, dv/dt = −x / (1 + 3v²), without friction. The optimizers have friction.',
    ],
    legend: [
      { label: 'VRMomentum', color: vrColor, mark: 'dots' },
      { label: 'Momentum', color: plainColor, mark: 'dots' },
      { label: 'trajectories of the flow', color: palette.ink, mark: 'line' },
      { label: 'its direction', color: palette.faint, mark: 'arrow' },
    ],
    columns: [
      [{ title: 'Phase plane', drawing: phasePlane(portrait) }],
      [
        { title: 'The way to the minimum', drawing: overSteps(portrait, 'x', 'position x') },
        {
          title: 'The brake',
          drawing: overSteps(portrait, 'effectiveLearningRate', 'effective learning rate'),
        },
      ],
    ],
  });
}
