/** A figure: drawings side by side, under a title and a legend. */

import { palette } from './palette.ts';
import { type Drawing, fontFamily } from './plot.ts';

/** An entry of the legend. */
export interface LegendEntry {
  /** What it says. */
  readonly label: string;
  /** Its colour. */
  readonly color: string;
  /** How it is drawn. */
  readonly mark: 'dots' | 'line' | 'arrow';
}

/** A drawing and what it is called. */
export interface Panel {
  /** Above it. */
  readonly title: string;
  /** What is drawn. */
  readonly drawing: Drawing;
}

/** What a figure is made of. */
export interface FigureParts {
  /** Large. */
  readonly title: string;
  /** Lines below it. */
  readonly subtitle: readonly string[];
  /** Below that. */
  readonly legend: readonly LegendEntry[];
  /** Columns from left to right, each with its panels from top to bottom. */
  readonly columns: readonly (readonly Panel[])[];
}

const margin = 28;
const gap = 32;

/** Makes text fit to stand in XML. */
export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': 'amp',
    '<': 'lt',
    '>': 'gt',
    '"': 'quot',
    "'": 'apos',
  };
  return text.replace(/[&<>"']/g, (character) => `&${names[character]};`);
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`;
}

const marks: Readonly<Record<LegendEntry['mark'], (color: string) => string>> = {
  dots: (color) =>
    `<path d="M0 0h30" stroke="${color}" stroke-width="1.5"/>` +
    [0, 15, 30].map((x) => `<circle cx="${x}" r="3.4" fill="${color}"/>`).join(''),
  line: (color) => `<path d="M-3 0h36" stroke="${color}" stroke-width="1.5"/>`,
  arrow: (color) => `<path d="M0 0h26m-6-4 6 4-6 4" stroke="${color}" stroke-width="1.3" fill="none"/>`,
};

/** Width of text at 13 pixels, near enough to set the next entry apart from it. */
function widthOf(label: string): number {
  const width = (letter: string) =>
    /[mwMW]/.test(letter) ? 10.8 : /[A-Z]/.test(letter) ? 9 : /[ filjrt.,]/.test(letter) ? 4.2 : 7.4;
  return [...label].reduce((sum, letter) => sum + width(letter), 0);
}

function legendRow(entries: readonly LegendEntry[], y: number): string {
  let x = margin + 4;
  return entries
    .map(({ label, color, mark }) => {
      const entry = `<g transform="translate(${x} ${y - 4.5})">${marks[mark](color)}</g>`;
      const words = text(x + 42, y, label, `font-size="13" fill="${palette.ink}"`);
      x += 42 + widthOf(label) + 26;
      return entry + words;
    })
    .join('');
}

const headingHeight = 10;
const rowGap = 34;
const widthOfColumn = (panels: readonly Panel[]): number =>
  Math.max(...panels.map(({ drawing }) => drawing.width));
const heightOfColumn = (panels: readonly Panel[]): number =>
  panels.reduce((sum, { drawing }) => sum + headingHeight + drawing.height, rowGap * (panels.length - 1));

/** Puts panels below each other; every SVG in it keeps its own size. */
function column(panels: readonly Panel[], x: number, top: number): string {
  let y = top;
  return panels
    .map(({ title, drawing }) => {
      const heading = text(x, y, title, `font-size="14" font-weight="600" fill="${palette.ink}"`);
      const placed = drawing.svg.replace(/^<svg/, `<svg x="${x}" y="${y + headingHeight}"`);
      y += headingHeight + drawing.height + rowGap;
      return heading + placed;
    })
    .join('');
}

function columnRow(columns: FigureParts['columns'], top: number): string {
  let x = margin;
  return columns
    .map((panels) => {
      const drawn = column(panels, x, top);
      x += widthOfColumn(panels) + gap;
      return drawn;
    })
    .join('');
}

/** Composes a figure. Titles and labels are escaped. */
export function composeFigure({ title, subtitle, legend, columns }: FigureParts): Drawing {
  const width = 2 * margin + columns.map(widthOfColumn).reduce((sum, each) => sum + gap + each);
  const legendAt = 84 + 19 * subtitle.length;
  const columnsAt = legendAt + (legend.length > 0 ? 44 : 18);
  const height = columnsAt + Math.max(...columns.map(heightOfColumn)) + margin;
  const lineOf = (line: string, i: number) =>
    text(margin, 76 + 19 * i, line, `font-size="13.5" fill="${palette.faint}"`);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${fontFamily}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="${palette.paper}"/>`,
    text(margin, 50, title, `font-size="22" font-weight="600" fill="${palette.ink}"`),
    ...subtitle.map(lineOf),
    legendRow(legend, legendAt),
    columnRow(columns, columnsAt),
  ];
  return { svg: `${parts.join('\n')}\n</svg>\n`, width, height };
}
