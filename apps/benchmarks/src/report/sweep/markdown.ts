/** The report of a sweep as Markdown. */

import { escapeMarkdown, listText, tableText } from '../markdown.ts';
import type { SweepRecord } from './record.ts';
import { bestTable, finalTable, trialsTable } from './tables.ts';
import { finalText, finalVerdicts, sweepCaption, sweepNotes, sweepTitle } from './words.ts';

/** Parts of the text, for whoever puts them below headings of their own. */
export interface SweepParts {
  readonly caption: string;
  /** The best trial of each optimizer, and what is to be said of it. */
  readonly best: readonly string[];
  /** What fresh seeds say of those; nothing before there are any. */
  readonly finals: readonly string[];
}

/** Writes the parts. */
export function sweepReportParts(record: SweepRecord): SweepParts {
  const { finals } = record;
  const fresh = [escapeMarkdown(finalText), tableText(finalTable(finals)), listText(finalVerdicts(record))];
  return {
    caption: sweepCaption(record).map(escapeMarkdown).join(' '),
    best: [tableText(bestTable(record)), listText(sweepNotes(record))],
    finals: finals.length === 0 ? [] : fresh,
  };
}

/** Writes the text. */
export function sweepText(record: SweepRecord): string {
  const { caption, best, finals } = sweepReportParts(record);
  const parts = [
    `# ${escapeMarkdown(sweepTitle(record.config))}`,
    caption,
    '## Best settings',
    ...best,
    ...(finals.length === 0 ? [] : ['## The best settings with fresh seeds', ...finals]),
    '## Every trial',
    tableText(trialsTable(record)),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}
