/** The figures of a report, each drawn once and used by page and files. */

import type { Contender, Race } from './analysis/races.ts';
import { bestPoint, type Sensitivity } from './analysis/sensitivity.ts';
import { profilesOf } from './analysis/summary.ts';
import { drawCurves, type Level } from './figures/curves.ts';
import { drawForest } from './figures/forest.ts';
import { lookOf } from './figures/palette.ts';
import type { Drawing } from './figures/plot.ts';
import { drawProfiles } from './figures/profiles.ts';
import { drawSensitivity } from './figures/sensitivity.ts';
import { numberText } from './format.ts';
import { metricName, nameOf, sensitivityTitles, titleOf } from './words.ts';

/** A drawing with what is written above it. */
export interface ReportPanel {
  readonly title: string;
  /** A second, quieter line; empty for none. */
  readonly detail: string;
  readonly drawing: Drawing;
}

const titled = (title: string): string => title.charAt(0).toUpperCase() + title.slice(1);

function details(quantity: string): string {
  if (quantity === 'trainLoss') return 'means of stretches of steps';
  if (quantity === 'effectiveLearningRate') return 'what the weights moved by';
  if (quantity === 'norm') return 'sum of squares, velocity or gradient';
  return 'after each epoch';
}

/** Levels that a quantity is compared with. */
function levelsOf({ record, target }: Race, quantity: string): Level[] {
  if (quantity !== 'validationLoss') return [];
  const baselines = (record.baselines ?? []).map(({ name, validationLoss }) => {
    return { label: `${name} ${numberText(validationLoss)}`, value: validationLoss, side: 'right' as const };
  });
  return target === null
    ? baselines
    : [...baselines, { label: `target ${numberText(target)}`, value: target, side: 'left' as const }];
}

function curvePanel(race: Race, quantity: string): ReportPanel {
  const drawn = race.contenders.filter(({ curves }) => curves[quantity]);
  const byStep = ['trainLoss', 'effectiveLearningRate', 'norm'].includes(quantity);
  const log = quantity === 'effectiveLearningRate' || quantity === 'norm';
  const title = titled(metricName(quantity));
  return {
    title,
    detail: details(quantity),
    drawing: drawCurves({
      curves: drawn.map((contender) => ({
        look: { ...lookOf(contender.optimizer), name: nameOf(contender) },
        points: contender.curves[quantity] ?? [],
        failed: contender.failures.length > 0,
      })),
      levels: levelsOf(race, quantity),
      ...(log && { log }),
      dots: !byStep,
      xLabel: 'training step',
      description: `${title} of ${drawn.map(nameOf).join(', ')} over the training steps. ${titleOf(race)}.`,
    }),
  };
}

function forestPanel({ contenders, seeds }: Race): ReportPanel[] {
  const rivals = contenders.filter(({ againstVradam }) => (againstVradam?.seeds.length ?? 0) > 1);
  if (rivals.length === 0) return [];
  const row = (contender: Contender) => {
    const look = { ...lookOf(contender.optimizer), name: nameOf(contender) };
    return { look, pair: contender.againstVradam as NonNullable<Contender['againstVradam']> };
  };
  return [
    {
      title: 'Test loss minus VRAdam’s, seed by seed',
      detail: `rings: ${seeds.length} seeds; dot: mean; bar: 95 % bootstrap interval`,
      drawing: drawForest(
        rivals.map(row),
        `Differences of test loss to VRAdam for ${rivals.map(nameOf).join(', ')}.`,
      ),
    },
  ];
}

/** All panels of a race. */
export function panelsOf(race: Race): ReportPanel[] {
  const order = ['trainLoss', 'validationLoss', 'effectiveLearningRate', 'norm', 'validationAccuracy'];
  const all = [...new Set([...order, ...race.contenders.flatMap(({ curves }) => Object.keys(curves))])];
  const drawn = all.filter((name) => race.contenders.some(({ curves }) => curves[name]));
  return [...drawn.map((name) => curvePanel(race, name)), ...forestPanel(race)];
}

/** The profiles over all races, where there are two or more with a target. */
export function profilePanel(races: readonly Race[]): ReportPanel | null {
  const judged = races.filter(({ target }) => target !== null);
  const profiles = profilesOf(races);
  if (judged.length < 2 || profiles.length < 2) return null;
  return {
    title: 'Performance profile',
    detail: `share of ${judged.length} races whose target is reached within a factor of the fewest steps`,
    drawing: drawProfiles(profiles, `Performance profiles over ${judged.length} races.`),
  };
}

/** A grid of learning rates with its figure. */
export interface SensitivityFigure {
  readonly sensitivity: Sensitivity;
  readonly panel: ReportPanel;
}

/** Losses over the learning rate. */
export function sensitivityFigures(all: readonly Sensitivity[]): SensitivityFigure[] {
  const titles = sensitivityTitles(all);
  return all.map((sensitivity, i) => {
    const { curves, epochs, note, data } = sensitivity;
    const title = titles[i] as string;
    const shown = curves.map((curve) => ({
      look: lookOf(curve.optimizer),
      points: curve.points,
      best: bestPoint(curve),
    }));
    const names = shown.map(({ look }) => look.name).join(', ');
    const drawing = drawSensitivity(shown, `Losses of ${names} over the learning rate. ${title}.`);
    return { sensitivity, panel: { title, detail: `${data.split(';')[0]}; ${note}, of ${epochs}`, drawing } };
  });
}
