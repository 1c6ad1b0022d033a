/** Figures as files. */

import type { Drawing } from './plot.ts';
import { renderPng } from './png.ts';

/** Lines of at most as many letters; default 150, which is what a figure of three columns has room for. */
export function wrapped(text: string, room = 150): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** A drawing as two files. */
export const filesOf = (name: string, { svg }: Drawing): [string, string | Uint8Array][] => [
  [`${name}.svg`, svg],
  [`${name}.png`, renderPng(svg)],
];
