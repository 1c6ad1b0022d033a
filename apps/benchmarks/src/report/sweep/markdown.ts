/** The report of a sweep as Markdown. */

import { escapeMarkdown, listText, tableText } from '../markdown.ts';
import type { SweepRecord } from './record.ts';
import { bestTable, trialsTable } from './tables.ts';
import { sweepCaption, sweepNotes, sweepTitle } from './words.ts';

/** Writes the text. */
export function sweepText(record: SweepRecord): string {
  const parts = [
    `# ${escapeMarkdown(sweepTitle(record.config))}`,
    sweepCaption(record).map(escapeMarkdown).join(' '),
    '## Best settings',
    tableText(bestTable(record)),
    listText(sweepNotes(record)),
    '## Every trial',
    tableText(trialsTable(record)),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}
