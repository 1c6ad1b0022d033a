/** Tables as HTML. */

import { lookOf } from '../figures/palette.ts';
import type { Cell, ReportTable } from '../tables.ts';
import { Html, html } from './html.ts';

/** A dot in the colour of an optimizer. */
export function swatch(optimizer: string): Html {
  const { color } = lookOf(optimizer);
  return html`<span class="swatch" style="background: ${color}"></span>`;
}

function attribute({ paper = false, words = false }: Cell): Html {
  const kinds = [...(paper ? ['paper'] : []), ...(words ? ['text'] : [])];
  return new Html(kinds.length > 0 ? ` class="${kinds.join(' ')}"` : '');
}

function cellOf(cell: Cell): Html {
  const { text, best = false } = cell;
  return html`<td${attribute(cell)}>${best ? html`<b>${text}</b>` : text}</td>`;
}

/** A table that scrolls sideways where it is too wide; the best of each column is bold. */
export function tableHtml({ heads, rows }: ReportTable): Html {
  const row = ([first, ...rest]: readonly Cell[]) => html`
<tr><th scope="row">${first?.optimizer === undefined ? null : swatch(first.optimizer)}${first?.text ?? ''}</th>${rest.map(cellOf)}</tr>`;
  return html`<div class="scroll" tabindex="0"><table>
<thead><tr>${heads.map((head) => html`<th scope="col"${attribute(head)}>${head.text}</th>`)}</tr></thead>
<tbody>${rows.map(row)}
</tbody></table></div>`;
}
