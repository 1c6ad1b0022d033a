/** The report as Markdown. */

import type { Collection, DiagnosticsRecord } from './analysis/collect.ts';
import { lookOf } from './figures/palette.ts';
import type { RaceFigures, Study } from './html/page.ts';
import type { SensitivityFigure } from './panels.ts';
import {
  diagnosticsRows,
  overviewTable,
  type ReportTable,
  resultsTable,
  sensitivityTable,
  speedTable,
  stepTable,
} from './tables.ts';
import {
  captionOf,
  figureNameOf,
  nameOf,
  ordersOf,
  paperFiguresText,
  sensitivityCaption,
  targetText,
  titleOf,
  verdictsOf,
} from './words.ts';

/** Text that Markdown and HTML leave as it is. */
export function escapeMarkdown(text: string): string {
  const plain = text
    .replaceAll(/\s+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
  return plain.replaceAll(/[\\`*_{}[\]|#!]/g, '\\$&');
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** A table; the best of each column is bold. */
export function tableText({ heads, rows }: ReportTable): string {
  const rule = heads.map((_, i) => (i === 0 ? '---' : '---:'));
  const cell = (text: string, best = false) => (best ? `**${escapeMarkdown(text)}**` : escapeMarkdown(text));
  return [
    row(heads.map(({ text }) => cell(text))),
    row(rule),
    ...rows.map((cells) => row(cells.map(({ text, best }) => cell(text, best)))),
  ].join('\n');
}

/** Sentences as a list. */
export const listText = (lines: readonly string[]): string =>
  lines.map((line) => `- ${escapeMarkdown(line)}`).join('\n');

/** A figure that was written beside the text. */
const pictureText = (title: string, file: string): string =>
  `![${escapeMarkdown(title)}](figures/${file}.svg)`;

function raceText({ race, panels }: RaceFigures): string {
  const failures = race.contenders.flatMap((contender) =>
    contender.failures.map(
      ({ seed, step, reason }) => `${nameOf(contender)}, seed ${seed}: NaN after ${step} steps. ${reason}`,
    ),
  );
  const parts = [
    `## ${escapeMarkdown(titleOf(race))}`,
    captionOf(race).map(escapeMarkdown).join(' '),
    tableText(resultsTable(race)),
    listText([...ordersOf(race), ...verdictsOf(race)]),
    panels.length > 0 ? pictureText(titleOf(race), figureNameOf(race)) : '',
    escapeMarkdown(paperFiguresText(race)),
    escapeMarkdown(targetText(race)),
    tableText(speedTable(race)),
    listText(failures),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function diagnosticsText(record: DiagnosticsRecord): string {
  const { optimizers, rows } = diagnosticsRows(record);
  const heads = ['problem', ...optimizers.map((name) => lookOf(name).name)].map((text) => ({ text }));
  const cells = rows.map(({ name, passed }) => [name, ...passed.map((count) => String(count || '–'))]);
  const table = tableText({ heads, rows: cells.map((texts) => texts.map((text) => ({ text }))) });
  const note = `How many of ${record.learningRates.length} learning rates pass.`;
  return ['## Diagnostics', note, table].join('\n\n');
}

function sensitivityText(sensitivities: readonly SensitivityFigure[]): string {
  const one = ({ sensitivity, panel }: SensitivityFigure) => [
    `### ${escapeMarkdown(panel.title)}`,
    escapeMarkdown(sensitivityCaption(sensitivity)),
    tableText(sensitivityTable(sensitivity)),
  ];
  const note = 'Mean losses over the seeds by learning rate; the best of each optimizer is bold.';
  const picture = pictureText('Losses over the learning rate', 'learning-rates');
  return ['## Learning rates', note, picture, ...sensitivities.flatMap(one)].join('\n\n');
}

/** Writes the text. */
export function markdownOf(
  races: readonly RaceFigures[],
  { diagnostics, steps }: Collection,
  sensitivities: readonly SensitivityFigure[],
  studies: readonly Study[],
): string {
  const parts = [
    '# VRAdam benchmark report',
    ...(races.length > 0
      ? ['Test loss at a glance:', tableText(overviewTable(races.map(({ race }) => race)))]
      : []),
    ...races.map(raceText),
    ...(sensitivities.length > 0 ? [sensitivityText(sensitivities)] : []),
    ...diagnostics.map(diagnosticsText),
    ...steps.map((costs) => `## A step of the optimizer alone\n\n${tableText(stepTable(costs))}`),
    ...studies.map(({ id, title }) => `## ${escapeMarkdown(title)}\n\n${pictureText(title, id)}`),
  ];
  return `${parts.join('\n\n')}\n`;
}
