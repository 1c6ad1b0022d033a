/** The report of a sweep as a page. */

import { encode } from '../../run/records.ts';
import { documentOf, figure, items, paragraphs } from '../html/document.ts';
import { type Html, html } from '../html/html.ts';
import { tableHtml } from '../html/table.ts';
import type { SweepPanels } from './panels.ts';
import type { SweepRecord } from './record.ts';
import { bestTable, finalTable, trialsTable } from './tables.ts';
import {
  bandText,
  beyondText,
  finalText,
  finalVerdicts,
  sweepCaption,
  sweepNotes,
  sweepTitle,
} from './words.ts';

const parts: readonly (readonly [id: string, title: string])[] = [
  ['best', 'best settings'],
  ['final', 'with fresh seeds'],
  ['search', 'how the search went'],
  ['choices', 'choices and losses'],
  ['parameters', 'what each parameter does'],
  ['curves', 'losses of all trials'],
  ['trials', 'every trial in numbers'],
  ['method', 'how to read this'],
];

const method = (record: SweepRecord): Html => html`
<section id="method">
<h2>How to read this</h2>
<ul>
<li>Every optimizer has as many trials as another, with the same seeds and the same sampler, so the best of each can be compared. That an optimizer with more parameters has as few trials is part of the comparison.</li>
<li>The best of some trials is too good a guess of what its settings will do again: it was chosen for its luck, too. Fresh seeds say more.</li>
<li>${bandText(record)}</li>
<li>Parallel coordinates: a line is a trial; its colour is its place on the axis of losses, the best is thick. Lines through the same truth or category are set apart, the best lowest.</li>
<li>Slices: rings are trials, the dot is the best of them. Line and band are what a Gaussian process (Matérn 5/2), fitted to the logarithms of the losses of all trials of the optimizer, believes where the other parameters are as in the best trial: mean and one standard deviation. Trials with other values of these lie off it. Losses beyond the axis count as its end.</li>
<li>Losses of all trials: training losses are means over ${record.window} steps.</li>
</ul>
</section>`;

function finalSection(record: SweepRecord, panels: SweepPanels): Html | null {
  if (record.finals.length === 0) return null;
  return html`
<section id="final">
<h2>The best settings with fresh seeds</h2>
<p class="note">${finalText}</p>
${tableHtml(finalTable(record.finals))}
${items(finalVerdicts(record))}
<div class="panels">${panels.finals.map(figure)}</div>
</section>`;
}

const flat = (groups: SweepPanels['slices']): Html[] => groups.flat().map(figure);

function bestSection(record: SweepRecord): Html {
  return html`
<section id="best">
<h2>Best settings</h2>
${tableHtml(bestTable(record))}
${items(sweepNotes(record))}
</section>`;
}

function figureSections(record: SweepRecord, panels: SweepPanels): Html {
  const beyond = beyondText(record, panels.axis.domain);
  return html`
<section id="search">
<h2>How the search went</h2>
<div class="panels">${panels.search.map(figure)}</div>
${paragraphs([bandText(record), ...(beyond === '' ? [] : [beyond])], 'note')}
</section>
<section id="choices">
<h2>Choices and losses</h2>
<p class="note">A line for each trial, through what was chosen to its loss. Dashed: no loss.</p>
<div class="scroll" tabindex="0"><div class="flow">${panels.parallel.map(figure)}</div></div>
</section>
<section id="parameters">
<h2>What each parameter does</h2>
<p class="note">Rings: trials. Line and band: what a Gaussian process believes along the settings of the best trial, the dot.</p>
<div class="panels">${flat(panels.slices)}</div>
</section>
<section id="curves">
<h2>Losses of all trials</h2>
<p class="note">In the manner of the paper’s Figure 3. All panels have the same axes; the best trial of each optimizer is thick.</p>
<div class="panels">${flat(panels.curves)}</div>
</section>`;
}

const trialsSection = (record: SweepRecord): Html => html`
<section id="trials">
<h2>Every trial in numbers</h2>
<details><summary>Table</summary>
${tableHtml(trialsTable(record))}
</details>
</section>`;

/** Writes the page. */
export function sweepPage(record: SweepRecord, panels: SweepPanels): string {
  const shown = parts.filter(([id]) => id !== 'final' || record.finals.length > 0);
  const header = html`${paragraphs(sweepCaption(record), 'lead faint')}
<nav>${shown.map(([id, text]) => html`<a href="#${id}">${text}</a>`)}</nav>`;
  const main = html`${bestSection(record)}${finalSection(record, panels)}
${figureSections(record, panels)}
${trialsSection(record)}${method(record)}`;
  const data = { schema: 'vradam-sweep-report/1', ...record };
  return documentOf({ title: sweepTitle(record.config), header, main, data, replacer: encode });
}
