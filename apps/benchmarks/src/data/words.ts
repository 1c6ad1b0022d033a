/**
 * Words of raw text, after the conventions of the Penn Treebank: punctuation is parted from words, contractions are cut,
 * an opening double quote becomes two back-ticks and a closing one two apostrophes.
 */

/** Texts to replace one after the other; the parts of a word end up with spaces between them. */
const rules: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // quotes open at the start of a line and after a space or a bracket
  [/(^|[\s([{<])(?:"|\u201c)/g, '$1 `` '],
  [/["\u201d]/g, " '' "],
  [/\u2019/g, "'"],
  [/\.\.\./g, ' ... '],
  [/--|\u2014/g, ' -- '],
  // not within 10,000 and 10:30
  [/([,:])(?=\D|$)/g, ' $1 '],
  [/[;@#$%&?!\u00a3()[\]{}<>]/g, ' $& '],
  // a full stop ends a sentence where a space follows, but not after a letter alone or within u.s.
  [/(?<![.\s])(?<!\b\p{L})(?<!\.\p{L})\.(?=\s|$|['")\]]+(?:\s|$))/gu, ' . '],
  [/(?<!\S)(can)(not)(?!\S)|(?<!\S)(gon|wan)(na)(?!\S)|(?<!\S)(got)(ta)(?!\S)/g, '$1$3$5 $2$4$6'],
  [/(?<=\p{L})(n't)(?!\p{L})/gu, ' $1'],
  [/(?<=\p{L})('(?:s|m|d|ll|re|ve))(?!\p{L})/gu, ' $1'],
  // an apostrophe that closes something
  [/(?<=[^'\s])'(?=\s|$)/g, " '"],
];

/**
 * Lower-case words of lines of raw text.
 *
 * The paper's code cuts sentences by a trained model first, so that only their last full stop is parted; here a rule
 * decides.
 *
 * @param line - one paragraph.
 */
export function treebankWords(line: string): string[] {
  const parted = rules.reduce((text, [pattern, by]) => text.replace(pattern, by), line.toLowerCase());
  return parted.split(/\s+/).filter(Boolean);
}

/** Lower-case words of a line whose words are parted by spaces. */
export function spacedWords(line: string): string[] {
  return line.toLowerCase().split(/\s+/).filter(Boolean);
}
