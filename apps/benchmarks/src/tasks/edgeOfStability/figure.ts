/** Figure 2 as a drawing. */

import type { Point } from '../../report/analysis/series.ts';
import { type Curve, drawCurves } from '../../report/figures/curves.ts';
import { composeFigure, type Panel } from '../../report/figures/figure.ts';
import { lookOf, type OptimizerLook, palette } from '../../report/figures/palette.ts';
import type { Drawing } from '../../report/figures/plot.ts';
import { fixed } from './presets.ts';
import type { EdgeRecord } from './record.ts';
import { type EdgeMeasurement, stabilityThreshold, type Trajectory } from './trajectory.ts';

const looks: Readonly<Record<Trajectory['optimizer'], OptimizerLook>> = {
  vradam: lookOf('vradam'),
  adam: { ...lookOf('adamw'), name: 'Adam' },
};

const point = (step: number, value: number): Point => ({ step, mean: value, low: value, high: value });

const curve = ({ optimizer, end }: Trajectory, points: readonly Point[]): Curve => ({
  look: looks[optimizer],
  points,
  failed: end === 'failure',
});

const measured = (trajectory: Trajectory, of: (measurement: EdgeMeasurement) => number): Curve =>
  curve(
    trajectory,
    trajectory.measurements.map((measurement) => point(measurement.step, of(measurement))),
  );

/** The threshold that goes with the learning rate a step was taken by, at every measurement. */
function movingThreshold({ steps, measurements }: Trajectory): Curve {
  const points = measurements.flatMap(({ step }) => {
    const last = steps[step - 1];
    return last ? [point(step, stabilityThreshold(last.effectiveLearningRate, fixed.vradam))] : [];
  });
  return { look: { name: '38 / η_t', color: palette.faint, ink: palette.faint }, points, failed: false };
}

const xLabel = 'step';

function panels({
  trajectories,
  config,
}: EdgeRecord): Record<'loss' | 'accuracy' | 'seen' | 'raw' | 'rate', Panel> {
  const bound = stabilityThreshold(config.sizes.learningRate, fixed.adam);
  const braked = trajectories.filter(({ optimizer }) => optimizer === 'vradam');
  const losses = trajectories.map((each) =>
    curve(
      each,
      each.steps.map(({ step, loss }) => point(step, loss)),
    ),
  );
  const rates = trajectories.map((each) =>
    curve(
      each,
      each.steps.map(({ step, effectiveLearningRate }) => point(step, effectiveLearningRate)),
    ),
  );
  const draw = (
    title: string,
    curves: readonly Curve[],
    levels: Parameters<typeof drawCurves>[0]['levels'] = [],
  ) => ({
    title,
    drawing: drawCurves({ curves, levels, xLabel, description: title }),
  });
  return {
    loss: draw('Training loss', losses),
    accuracy: draw(
      'Training accuracy',
      trajectories.map((each) => measured(each, ({ accuracy }) => accuracy)),
    ),
    seen: draw(
      'Largest eigenvalue of P⁻¹H: what the optimizer sees',
      [
        ...trajectories.map((each) => measured(each, ({ preconditioned }) => preconditioned.value)),
        ...braked.map(movingThreshold),
      ],
      [{ label: '', value: bound, side: 'left' }],
    ),
    raw: draw(
      'Largest eigenvalue of H',
      trajectories.map((each) => measured(each, ({ raw }) => raw.value)),
    ),
    rate: draw('Effective learning rate', rates),
  };
}

/** Draws the record. */
export function drawEdge(record: EdgeRecord): Drawing {
  const { loss, accuracy, seen, raw, rate } = panels(record);
  const { sizes, engine, seed } = record.config;
  const layers = 6 * sizes.blocks + 2;
  return composeFigure({
    title: 'At the edge of stability',
    subtitle: [
      `ResNet-${layers} of width ${sizes.width}, ${record.parameters} parameters, squared error over ${sizes.images} images at once; learning rate ${sizes.learningRate}, seed ${seed}, ${engine}.`,
      `${record.data}.`,
    ],
    legend: [
      ...record.trajectories.map(({ optimizer }) => {
        const { name, color } = looks[optimizer];
        return { label: name, color, mark: 'line' } as const;
      }),
      {
        label: 'thresholds of Adam: dashed 38 / η, and by the effective rate of VRAdam',
        color: palette.faint,
        mark: 'line',
      },
    ],
    columns: [[loss, accuracy], [seen, raw], [rate]],
  });
}
