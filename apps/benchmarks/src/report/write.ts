/** Writes a report: a page, a text, and every figure as SVG and PNG. */

import { join } from 'node:path';
import { benchmarkError } from '../errors.ts';
import { writeAll } from '../run/files.ts';
import { encode } from '../run/records.ts';
import { drawEdge } from '../tasks/edgeOfStability/figure.ts';
import { drawPortrait } from '../tasks/phasePortrait/figure.ts';
import { type Collection, collect, type RunPicture } from './analysis/collect.ts';
import { racesOf } from './analysis/races.ts';
import { sensitivitiesOf } from './analysis/sensitivity.ts';
import { composeFigure } from './figures/figure.ts';
import { filesOf, wrapped } from './figures/files.ts';
import type { Drawing } from './figures/plot.ts';
import { pageOf, type RaceFigures, type Study } from './html/page.ts';
import { markdownOf } from './markdown.ts';
import {
  panelsOf,
  profilePanel,
  type ReportPanel,
  type SensitivityFigure,
  sensitivityFigures,
} from './panels.ts';
import { curvesFigure } from './sweep/write.ts';
import { captionOf, figureNameOf, sensitivityNote, titleOf } from './words.ts';

/** What was written. */
export interface WrittenReport {
  /** The page. */
  readonly page: string;
  readonly runs: number;
  readonly races: number;
}

const columns = 3;

/** Panels as one figure. */
function figureOf(title: string, caption: readonly string[], panels: readonly ReportPanel[]): Drawing {
  const column = (at: number) => panels.filter((_, i) => i % columns === at);
  return composeFigure({
    title,
    subtitle: caption.flatMap(wrapped),
    legend: [],
    columns: Array.from({ length: columns }, (_, i) => column(i)).filter((own) => own.length > 0),
  });
}

/** All grids of learning rates as one figure. */
const sensitivityFigure = (figures: readonly SensitivityFigure[]): Drawing =>
  figureOf(
    'Learning rates',
    [sensitivityNote],
    figures.map(({ panel }) => panel),
  );

/** Draws what a file holds; one that cannot be drawn is damaged. */
function drawing(name: string, draw: () => Drawing): Drawing {
  try {
    return draw();
  } catch (cause) {
    throw benchmarkError('ERR_FILE_FORMAT', {
      wrong: `a ${name}.json cannot be drawn`,
      received: cause instanceof Error ? cause.message : cause,
      action: 'Repair it, or move it out of the folder of the report.',
      cause,
    });
  }
}

/** A report before it is written. */
export interface ComposedReport {
  readonly page: string;
  readonly text: string;
  /** Figures by file name, without its ending. */
  readonly figures: readonly (readonly [name: string, drawing: Drawing])[];
  readonly races: number;
}

/** The figures that are of no race. */
function studiesOf({ edges, portraits, sweeps }: Collection): Study[] {
  return [
    ...edges.map((record, i) => {
      const title = `Edge of stability, ${record.config?.preset} (Figure 2)`;
      return {
        id: `edge-of-stability-${i + 1}`,
        title,
        drawing: drawing('sharpness', () => drawEdge(record)),
      };
    }),
    ...portraits.map((portrait, i) => {
      const title = 'Phase portrait (Figure 1)';
      return {
        id: `phase-portrait-${i + 1}`,
        title,
        drawing: drawing('phase-portrait', () => drawPortrait(portrait)),
      };
    }),
    ...sweeps.flatMap((record, i) => {
      const { task, preset } = record.config;
      const title = `Sweep of ${task}, ${preset}${task === 'diffusion' ? ' (Figure 3)' : ''}`;
      const drawn = curvesFigure(record);
      return drawn ? [{ id: `sweep-${i + 1}`, title, drawing: drawn }] : [];
    }),
  ];
}

/** Composes a report of what was collected. */
export function composeReport(collection: Collection): ComposedReport {
  const races = racesOf(collection.runs);
  const shown = races.map((race): RaceFigures => {
    const first = collection.runs.find(({ record }) => record === race.record);
    const place = ({ optimizer }: RunPicture) =>
      race.contenders.findIndex((each) => each.optimizer === optimizer);
    const pictures = [...(first?.pictures ?? [])].sort((a, b) => place(a) - place(b));
    return { race, panels: panelsOf(race), pictures };
  });
  const profile = profilePanel(races);
  const sensitivities = sensitivityFigures(sensitivitiesOf(collection.tunings));
  const studies = studiesOf(collection);
  const page = pageOf({
    races: shown,
    profile,
    collection,
    sensitivities,
    studies,
    replacer: encode,
  });
  const drawn = shown.filter(({ panels }) => panels.length > 0);
  return {
    page,
    text: markdownOf(shown, collection, sensitivities, studies),
    figures: [
      ...drawn.map(
        ({ race, panels }) => [figureNameOf(race), figureOf(titleOf(race), captionOf(race), panels)] as const,
      ),
      ...(sensitivities.length > 0 ? [['learning-rates', sensitivityFigure(sensitivities)] as const] : []),
      ...(profile ? [['performance-profile', profile.drawing] as const] : []),
      ...studies.map(({ id, drawing }) => [id, drawing] as const),
    ],
    races: races.length,
  };
}

/**
 * Reports on everything under some folders.
 *
 * @param folders - with results.
 * @param out - where `report.html`, `report.md` and `figures` go.
 * @throws VRAdamError as {@link collect}, and `ERR_FILE_SYSTEM`.
 */
export async function writeReport(folders: readonly string[], out: string): Promise<WrittenReport> {
  const collection = await collect(folders);
  const { page, text, figures, races } = composeReport(collection);
  const files = figures.flatMap(([name, drawing]) => filesOf(name, drawing));
  await writeAll(join(out, 'figures'), Object.fromEntries(files));
  await writeAll(out, { 'report.html': page, 'report.md': text });
  return { page: join(out, 'report.html'), runs: collection.runs.length, races };
}
