/** From text to numbers, word by word. */

import { spacedWords, type TextDataset, treebankWords } from '../../data/index.ts';

/** What turns text into tokens. */
export interface Tokenizer {
  /** One plain line saying what it is. */
  readonly description: string;
  /** Tokens there are: 0 .. size - 1. */
  readonly size: number;
  /** Label that has no loss; null where there is none. */
  readonly padding: number | null;
  /** Tokens of a text, with an end after each line that is not blank. */
  encode(text: string): Int32Array;
}

const [unknown, padding, end] = [0, 1, 2];
const special = ['<unk>', '<pad>', '<eos>'] as const;

/** Lines that are not blank, as words. */
function* wordLines(text: string, words: (line: string) => string[]): Generator<string[]> {
  for (const line of text.split('\n')) if (line.trim() !== '') yield words(line);
}

/** All words, the most frequent first; those as frequent as others in the order in which they come. */
function byFrequency(text: string, words: (line: string) => string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of wordLines(text, words)) {
    for (const word of line) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([word]) => word);
}

/**
 * Words of the training text, most frequent first, after `<unk>`, `<pad>` and `<eos>`; any other word is `<unk>`.
 *
 * @param limit - most tokens, these three among them.
 */
export function wordTokenizer({ train, tokenized }: TextDataset, limit: number): Tokenizer {
  const words = tokenized ? spacedWords : treebankWords;
  const own = byFrequency(train, words).filter((word) => !special.some((name) => name === word));
  const kept = [...special, ...own].slice(0, limit);
  const ids = new Map(kept.map((word, id) => [word, id]));
  return {
    description: `${kept.length} words, of ${own.length + special.length} in the training text`,
    size: kept.length,
    padding,
    encode(text) {
      const tokens: number[] = [];
      for (const line of wordLines(text, words)) {
        for (const word of line) tokens.push(ids.get(word) ?? unknown);
        tokens.push(end);
      }
      return Int32Array.from(tokens);
    },
  };
}
