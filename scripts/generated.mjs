// Parts of Markdown files that are made from something else, between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`.
import { readFileSync, writeFileSync } from 'node:fs';

/** A table; the first columns are text, one or as many as said, the others are numbers. */
export function markdownTable(heads, rows, texts = 1) {
  const line = (row) => `| ${row.join(' | ')} |`.replace(/ +\|$/, ' |');
  return [line(heads), line(heads.map((_, i) => (i < texts ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/**
 * Fills the parts of a file; with `--check` on the command line only says whether they are true.
 *
 * @param path - from the root of the repository.
 * @param parts - texts by name.
 * @param again - the command that fills them.
 */
export function fill(path, parts, again) {
  const url = new URL(`../${path}`, import.meta.url);
  const before = readFileSync(url, 'utf8');
  let after = before;
  for (const [name, text] of Object.entries(parts)) {
    const pattern = new RegExp(`(<!-- generated:${name} -->)[^]*?(<!-- /generated:${name} -->)`);
    if (!pattern.test(after)) throw new Error(`${path} has no part generated:${name}`);
    after = after.replace(pattern, (_, open, close) => `${open}\n\n${text}\n\n${close}`);
  }
  if (!process.argv.includes('--check')) writeFileSync(url, after);
  else if (after !== before) {
    console.error(`${path} does not say what it is made from. Build, and run: ${again}`);
    process.exitCode = 1;
  }
}
