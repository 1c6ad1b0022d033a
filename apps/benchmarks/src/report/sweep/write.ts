/** Writes the report of a sweep: a page, a text, and every figure as SVG and PNG. */

import { join } from 'node:path';
import { max, sum } from 'd3-array';
import { writeAll } from '../../run/files.ts';
import { composeFigure, type FigureParts } from '../figures/figure.ts';
import { filesOf, wrapped } from '../figures/files.ts';
import type { Drawing } from '../figures/plot.ts';
import type { ReportPanel } from '../panels.ts';
import { sweepText } from './markdown.ts';
import { sweepPage } from './page.ts';
import { type SweepPanels, sweepPanels } from './panels.ts';
import { readSweep, type SweepRecord } from './record.ts';
import { bandText, beyondText, sweepCaption } from './words.ts';

/** Panels in rows of as many. */
function inColumns(panels: readonly ReportPanel[], count: number): ReportPanel[][] {
  const columns = Array.from({ length: count }, (_, at) => panels.filter((_, i) => i % count === at));
  return columns.filter((own) => own.length > 0);
}

/** A figure of a sweep, before it is composed. */
interface Figure {
  readonly name: string;
  readonly title: string;
  readonly lines: readonly string[];
  readonly columns: FigureParts['columns'];
}

/** All figures that there is something in. */
function figuresOf(record: SweepRecord, panels: SweepPanels): Figure[] {
  const beyond = beyondText(record, panels.axis.domain);
  const slices =
    'Rings: trials. Line and band: mean and one standard deviation of a Gaussian process, the other parameters as in the best trial, the dot.';
  const curves = `Training losses are means over ${record.window} steps. All panels have the same axes; the best trial of each optimizer is thick.`;
  const all: Figure[] = [
    {
      ...{ name: 'final', title: 'the best settings with fresh seeds' },
      columns: inColumns(panels.finals, 2),
      lines: ['Rings: seeds. Dot: mean over them. Bar: its 95 % bootstrap interval.'],
    },
    {
      ...{ name: 'search', title: 'best so far', columns: inColumns(panels.search, 2) },
      lines: [bandText(record), ...(beyond === '' ? [] : [beyond])],
    },
    {
      ...{ name: 'choices', title: 'choices and losses' },
      columns: panels.parallel.map((each) => [each]),
      lines: ['A line for each trial; dashed: no loss.'],
    },
    {
      ...{ name: 'parameters', title: 'what each parameter does' },
      columns: inColumns(panels.slices.flat(), 4),
      lines: [slices],
    },
    {
      ...{ name: 'curves', title: 'losses of all trials' },
      columns: panels.curves,
      lines: [curves],
    },
  ];
  return all.filter(({ columns }) => columns.length > 0);
}

/** Of a subtitle, in pixels. */
const letterWidth = 6.7;

function compose(record: SweepRecord, { title, lines, columns }: Figure): Drawing {
  const width = sum(columns, (panels) => max(panels, ({ drawing }) => drawing.width) ?? 0);
  const room = Math.floor(width / letterWidth);
  return composeFigure({
    title: `Sweep of ${record.config.task}: ${title}`,
    subtitle: [...sweepCaption(record).slice(0, 1), ...lines].flatMap((line) => wrapped(line, room)),
    legend: [],
    columns,
  });
}

/** Losses of all trials as one figure, in the manner of the paper's Figure 3; null where no run is there. */
export function curvesFigure(record: SweepRecord): Drawing | null {
  const figure = figuresOf(record, sweepPanels(record)).find(({ name }) => name === 'curves');
  return figure ? compose(record, figure) : null;
}

/**
 * Reports on a sweep.
 *
 * @param folder - of the study.
 * @param out - where `report.html`, `report.md` and `figures` go.
 * @returns path of the page.
 * @throws VRAdamError as {@link readSweep}, and `ERR_FILE_SYSTEM`.
 */
export async function writeSweepReport(folder: string, out: string): Promise<string> {
  const record = await readSweep(folder);
  const panels = sweepPanels(record);
  const figures = figuresOf(record, panels);
  const files = figures.flatMap((figure) => filesOf(figure.name, compose(record, figure)));
  await writeAll(join(out, 'figures'), Object.fromEntries(files));
  await writeAll(out, { 'report.html': sweepPage(record, panels), 'report.md': sweepText(record) });
  return join(out, 'report.html');
}
