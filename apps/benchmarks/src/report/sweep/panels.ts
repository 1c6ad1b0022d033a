/** The figures of a sweep, each drawn once and used by page and files. */

import { bestSoFar } from '../analysis/bestSoFar.ts';
import { slicesOf } from '../analysis/slices.ts';
import { type Axis, objectiveAxis } from '../figures/axes.ts';
import { drawForest } from '../figures/forest.ts';
import { lookOf } from '../figures/palette.ts';
import { drawParallel } from '../figures/parallel.ts';
import { drawBestSoFar, drawTrials, type SearchFigure } from '../figures/search.ts';
import { drawSlice } from '../figures/slices.ts';
import { drawSweepCurves } from '../figures/sweepCurves.ts';
import type { ReportPanel } from '../panels.ts';
import { metricName } from '../words.ts';
import { bestOf, objectivesOf, type SweepRecord, type SweptOptimizer } from './record.ts';

/** All figures. */
export interface SweepPanels {
  /** Of the losses in all figures but {@link SweepPanels.curves}. */
  readonly axis: Axis;
  /** Differences of the fresh seeds; none where there are fewer than two. */
  readonly finals: readonly ReportPanel[];
  /** The best so far, and every trial. */
  readonly search: readonly ReportPanel[];
  /** Parallel coordinates, one for each optimizer. */
  readonly parallel: readonly ReportPanel[];
  /** One for each parameter of each optimizer. */
  readonly slices: readonly (readonly ReportPanel[])[];
  /** Training and validation of each optimizer. */
  readonly curves: readonly (readonly ReportPanel[])[];
}

function searchPanels({ optimizers }: SweepRecord, axis: Axis): ReportPanel[] {
  const curves = optimizers.map(({ look, trials }) => {
    const objectives = trials.map(({ objective }) => objective);
    return { look, objectives, best: bestSoFar(trials, axis.domain[1]) };
  });
  const names = optimizers.map(({ look }) => look.name).join(', ');
  const figure = (description: string): SearchFigure => ({ curves, axis, description });
  return [
    {
      title: 'Best so far',
      detail: 'smallest loss after as many trials',
      drawing: drawBestSoFar(figure(`Best loss after each trial of ${names}.`)),
    },
    {
      title: 'Every trial',
      detail: 'loss in the order of the trials; cross: no loss',
      drawing: drawTrials(figure(`Loss of each trial of ${names}.`)),
    },
  ];
}

const parallelPanel = ({ look, space, trials }: SweptOptimizer, axis: Axis): ReportPanel => ({
  title: look.name,
  detail: '',
  drawing: drawParallel({
    space,
    trials,
    axis,
    description: `Parallel coordinates of ${trials.length} trials of ${look.name}: ${space.map(({ name }) => name).join(', ')}, loss.`,
  }),
});

function slicePanels({ look, space, trials }: SweptOptimizer, axis: Axis): ReportPanel[] {
  const slices = slicesOf(space, trials, axis.domain[1]);
  const best = bestOf({ trials });
  return space.map((parameter) => {
    const { name } = parameter;
    const seen = trials.flatMap((trial) => {
      const value = trial.choices[name];
      return value === undefined ? [] : [{ value, objective: trial.objective, isBest: trial === best }];
    });
    const description = `Loss against ${name} of ${look.name}, with what a Gaussian process believes.`;
    const slice = slices.get(name) ?? [];
    return {
      title: `${look.name}: ${name}`,
      detail: '',
      drawing: drawSlice({ parameter, trials: seen, slice, axis, look, description }),
    };
  });
}

function curvePanels({ optimizers }: SweepRecord): ReportPanel[][] {
  return drawSweepCurves(
    optimizers.map(({ look, trials }) => {
      const best = bestOf({ trials });
      const kept = trials.filter(({ objective, state }) => objective !== null || state === 'pruned');
      return {
        look,
        trials: kept.flatMap((trial) => trial.curves.map((each) => ({ ...each, isBest: trial === best }))),
        failed: trials.length - kept.length,
      };
    }),
  );
}

function finalPanels({ finals }: SweepRecord): ReportPanel[] {
  return (['validationLoss', 'testLoss'] as const).flatMap((loss) => {
    const rows = finals.flatMap((row) => {
      const pair = row[loss].againstVradam;
      return pair && pair.seeds.length > 1 ? [{ look: lookOf(row.optimizer), pair }] : [];
    });
    if (rows.length === 0) return [];
    const name = metricName(loss);
    const names = rows.map(({ look }) => look.name).join(', ');
    return [
      {
        title: `${name.charAt(0).toUpperCase()}${name.slice(1)} minus VRAdam’s`,
        detail: 'rings: seeds; dot: mean; bar: 95 % bootstrap interval',
        drawing: drawForest(rows, `Differences of ${name} to VRAdam for ${names}.`),
      },
    ];
  });
}

/** Draws all figures. */
export function sweepPanels(record: SweepRecord): SweepPanels {
  const axis = objectiveAxis(objectivesOf(record));
  const { optimizers } = record;
  const begun = optimizers.filter(({ trials }) => trials.length > 0);
  return {
    axis,
    finals: finalPanels(record),
    search: searchPanels(record, axis),
    parallel: begun.map((each) => parallelPanel(each, axis)),
    slices: begun.map((each) => slicePanels(each, axis)),
    curves: curvePanels(record),
  };
}
