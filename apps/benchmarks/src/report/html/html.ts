/** HTML in which everything is escaped that is not HTML already. */

import { escapeXml } from '../figures/figure.ts';

/** Markup that stands as it is. */
export class Html {
  readonly text: string;

  /** @param text - trusted: of this program, or of {@link html}. */
  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand between the braces of {@link html}. */
export type Part = Html | string | number | null | readonly Part[];

function textOf(part: Part): string {
  if (part instanceof Html) return part.text;
  if (part === null) return '';
  return typeof part === 'object' ? part.map(textOf).join('') : escapeXml(String(part));
}

/** Markup with values in it: markup is kept, lists are joined, null is nothing, and everything else is escaped. */
export function html(markup: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(markup.reduce((text, piece, i) => text + textOf(parts[i - 1] as Part) + piece));
}

/** A value as JSON that can stand in a script element: nothing in it can end that. */
export function jsonForScript(value: unknown, replacer?: (key: string, value: unknown) => unknown): Html {
  const escaped: Readonly<Record<string, string>> = {
    '<': '\\u003c',
    '>': '\\u003e',
    '&': '\\u0026',
    '\u2028': '\\u2028',
    '\u2029': '\\u2029',
  };
  const text = JSON.stringify(value, replacer);
  return new Html(text.replace(/[<>&\u2028\u2029]/g, (character) => escaped[character] as string));
}
