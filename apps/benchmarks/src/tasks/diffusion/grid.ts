/** Samples as a picture. */

import { escapeXml } from '../../report/figures/figure.ts';
import { palette } from '../../report/figures/palette.ts';
import { fontFamily } from '../../report/figures/plot.ts';
import { renderPng } from '../../report/figures/png.ts';

const margin = 12;
const gap = 6;
const captionHeight = 26;

/** A picture as runs of pixels of the same grey, each `scale` wide and high. */
function drawPixels(pixels: Float32Array, side: number, scale: number): string {
  const greys = Array.from(pixels, (value) => Math.round(127.5 * (Math.min(Math.max(value, -1), 1) + 1)));
  const runs: string[] = [];
  for (let begin = 0; begin < greys.length; ) {
    const rowEnd = begin - (begin % side) + side;
    let end = begin + 1;
    while (end < rowEnd && greys[end] === greys[begin]) end++;
    const [x, y] = [(begin % side) * scale, Math.floor(begin / side) * scale];
    const grey = `rgb(${greys[begin]},${greys[begin]},${greys[begin]})`;
    runs.push(`<rect x="${x}" y="${y}" width="${(end - begin) * scale}" height="${scale}" fill="${grey}"/>`);
    begin = end;
  }
  return runs.join('');
}

/**
 * Draws pictures in rows and columns over a caption.
 *
 * @param pictures - numbers in [-1, 1], `side * side` for each; what is beyond is shown as black and white.
 * @param side - height and width of each, in pixels.
 * @param caption - below them; escaped.
 * @returns SVG.
 */
export function drawGrid(pictures: Float32Array, side: number, caption: string): string {
  const count = pictures.length / side ** 2;
  const columns = Math.ceil(Math.sqrt(count));
  const scale = 56 / side;
  const place = (i: number): number => margin + i * (56 + gap);
  const drawn = Array.from({ length: count }, (_, i) => {
    const pixels = drawPixels(pictures.subarray(i * side ** 2, (i + 1) * side ** 2), side, scale);
    return `<g transform="translate(${place(i % columns)} ${place(Math.floor(i / columns))})">${pixels}</g>`;
  });
  const width = place(columns) - gap + margin;
  const height = place(Math.ceil(count / columns)) - gap + margin + captionHeight;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${fontFamily}" role="img">`,
    `<rect width="${width}" height="${height}" fill="${palette.paper}"/>`,
    `<g shape-rendering="crispEdges">${drawn.join('\n')}</g>`,
    `<text x="${margin}" y="${height - margin}" font-size="12" fill="${palette.faint}">${escapeXml(caption)}</text>`,
    '</svg>\n',
  ].join('\n');
}

/** {@link drawGrid} as PNG. */
export function gridPng(pictures: Float32Array, side: number, caption: string): Uint8Array {
  return renderPng(drawGrid(pictures, side, caption));
}
