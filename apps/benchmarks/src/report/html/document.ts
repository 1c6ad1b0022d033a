/** What every page of a report is made of: one file that needs nothing else. */

import { themed } from '../figures/palette.ts';
import type { Drawing } from '../figures/plot.ts';
import type { ReportPanel } from '../panels.ts';
import { Html, html, jsonForScript } from './html.ts';
import { style } from './style.ts';

/** Markup of a drawing, in the colours of the page. */
export const drawn = ({ svg }: Drawing): Html => new Html(themed(svg));

/** A panel with what is written above it. */
export const figure = ({ title, detail, drawing }: ReportPanel): Html => html`
<figure><figcaption>${title}${detail === '' ? null : html`<small>${detail}</small>`}</figcaption>${drawn(drawing)}</figure>`;

/** Paragraphs of a kind that the style sheet knows. */
export const paragraphs = (lines: readonly string[], kind: string): Html[] =>
  lines.map((line) => html`<p class="${kind}">${line}</p>`);

/** A list; nothing for no lines. */
export const items = (lines: readonly string[]): Html | null =>
  lines.length === 0 ? null : html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;

/** A page. */
export interface DocumentParts {
  readonly title: string;
  /** Below the title. */
  readonly header: Html;
  readonly main: Html;
  /** Embedded as JSON, for programs. */
  readonly data: unknown;
  /** What else the data are embedded with. */
  readonly replacer: (key: string, value: unknown) => unknown;
}

/** Writes the page. No script runs in it, and nothing is loaded. */
export function documentOf({ title, header, main, data, replacer }: DocumentParts): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${header}
</header>
<main>
${main}
</main>
<script type="application/json" id="data">${jsonForScript(data, replacer)}</script>
</body>
</html>
`.text;
}
