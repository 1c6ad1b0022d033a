/** The part of the page on learning rates. */

import type { SensitivityFigure } from '../panels.ts';
import { sensitivityTable } from '../tables.ts';
import { sensitivityCaption, sensitivityNote } from '../words.ts';
import { figure } from './document.ts';
import { type Html, html } from './html.ts';
import { tableHtml } from './table.ts';

const tablePart = ({ sensitivity, panel }: SensitivityFigure): Html => html`
<h3>${panel.title}</h3>
<p class="note">${sensitivityCaption(sensitivity)}</p>
${tableHtml(sensitivityTable(sensitivity))}`;

/** Figures side by side, then the numbers; null where nothing was tried. */
export function learningRatesSection(figures: readonly SensitivityFigure[]): Html | null {
  if (figures.length === 0) return null;
  return html`
<section id="learning-rates">
<h2>Learning rates</h2>
<p class="note">${sensitivityNote}</p>
<div class="panels">${figures.map(({ panel }) => figure(panel))}</div>
${figures.map(tablePart)}
</section>`;
}
