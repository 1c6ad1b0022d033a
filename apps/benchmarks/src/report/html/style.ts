/** How the page looks: on wide screens and phones, in the light and in the dark. */

import { themes } from '../figures/palette.ts';
import { Html } from './html.ts';

/** The style sheet. */
export const style: Html = new Html(`
:root { color-scheme: light dark; ${themes.light} --wash: #f5f7f9; }
@media (prefers-color-scheme: dark) { :root { ${themes.dark} --wash: #1b2027; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; max-width: 1180px; padding: 3.5rem 1.5rem 6rem; background: var(--paper); color: var(--ink);
  font: 16px/1.6 Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { font-size: 2.1rem; line-height: 1.15; letter-spacing: -0.022em; margin: 0 0 0.6rem; }
h2 { font-size: 1.45rem; line-height: 1.25; letter-spacing: -0.015em; margin: 4.5rem 0 0.4rem; }
h3 { font-size: 1.02rem; margin: 2.4rem 0 0.5rem; }
h1, h2, h3 { font-weight: 640; text-wrap: balance; overflow-wrap: anywhere; }
p { max-width: 80ch; margin: 0.5rem 0 0; overflow-wrap: anywhere; }
.faint, figcaption small, caption, .note { color: var(--faint); }
.note { font-size: 0.875rem; line-height: 1.5; }
.lead { font-size: 1.05rem; }
nav { margin: 1.6rem 0 0; display: flex; flex-wrap: wrap; gap: 0.3rem 1.4rem; font-size: 0.92rem; }
a { color: inherit; text-decoration-color: var(--line); text-underline-offset: 0.2em; }
a:hover { text-decoration-color: currentColor; }
.scroll { overflow-x: auto; margin: 1.1rem 0 0; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; font-size: 0.9rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; padding-top: 0.6rem; font-size: 0.85rem; }
th, td { padding: 0.42rem 0.9rem; text-align: right; white-space: nowrap; vertical-align: baseline; }
th { font-weight: 500; color: var(--faint); }
thead tr:last-child th { border-bottom: 1px solid var(--line); }
thead th[colspan] { text-align: center; padding-bottom: 0.1rem; }
tbody th, td.text, th.text { text-align: left; }
tbody th { color: var(--ink); padding-left: 0; position: sticky; left: 0; background: var(--paper); }
thead th:first-child { padding-left: 0; text-align: left; position: sticky; left: 0; background: var(--paper); }
tbody tr + tr > * { border-top: 1px solid color-mix(in srgb, var(--line) 45%, transparent); }
td.paper, th.paper { color: var(--faint); }
b { font-weight: 640; }
.swatch { display: inline-block; width: 0.62em; height: 0.62em; border-radius: 50%; margin-right: 0.55em; }
.panels {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr));
  gap: 2rem 1.6rem; margin: 1.6rem 0 0; align-items: start;
}
.flow { display: flex; flex-wrap: wrap; gap: 1.6rem 0.6rem; align-items: start; min-width: min-content; }
.flow svg { width: auto; max-width: none; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 0.9rem; font-weight: 600; line-height: 1.35; margin: 0 0 0.35rem; }
figcaption small { font-weight: 400; font-size: 0.82rem; display: block; }
figure svg { display: block; width: 100%; max-width: 400px; height: auto; }
figure.wide svg { max-width: 100%; }
figure img { display: block; max-width: 100%; height: auto; }
.heat th, .heat td { padding-left: 0.6rem; padding-right: 0.6rem; }
.heat tbody th { padding-left: 0; }
.heat thead th:not(:first-child, .text) { text-align: center; white-space: normal; width: 6.4rem; vertical-align: bottom; }
.heat td { text-align: center; }
.heat td.asks { text-align: left; color: var(--faint); white-space: normal; min-width: 14rem; }
ul { padding-left: 1.1rem; max-width: 80ch; }
li { margin: 0.25rem 0; overflow-wrap: anywhere; }
details { margin: 1.1rem 0 0; }
summary { cursor: pointer; font-size: 0.92rem; }
code { font: 0.88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 640px) {
  body { padding: 2rem 1.05rem 4rem; font-size: 15.5px; }
  h1 { font-size: 1.6rem; }
  h2 { font-size: 1.25rem; margin-top: 3.4rem; }
  th, td { padding: 0.4rem 0.6rem; }
}
@media print { body { max-width: none; padding: 0; } figure, tr { break-inside: avoid; } }
`);
