/** The report of a sweep as Markdown. */

import { escapeMarkdown, listText, tableText } from '../markdown.ts';
import type { SweepRecord } from './record.ts';
import { bestTable, finalTable, trialsTable } from './tables.ts';
import { finalText, finalVerdicts, sweepCaption, sweepNotes, sweepTitle } from './words.ts';

function finalParts(record: SweepRecord): string[] {
  if (record.finals.length === 0) return [];
  return [
    '## The best settings with fresh seeds',
    escapeMarkdown(finalText),
    tableText(finalTable(record.finals)),
    listText(finalVerdicts(record)),
  ];
}

/** Writes the text. */
export function sweepText(record: SweepRecord): string {
  const parts = [
    `# ${escapeMarkdown(sweepTitle(record.config))}`,
    sweepCaption(record).map(escapeMarkdown).join(' '),
    '## Best settings',
    tableText(bestTable(record)),
    listText(sweepNotes(record)),
    ...finalParts(record),
    '## Every trial',
    tableText(trialsTable(record)),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}
