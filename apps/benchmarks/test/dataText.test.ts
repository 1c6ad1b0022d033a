/** Running text: WikiText-2 from files as they are found, Moby Dick without any, and words out of both. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadMobyDick, loadText, loadWikitext2, spacedWords, treebankWords } from '../src/data/index.ts';
import { emptyFolder, expectFailure } from './dataFolder.ts';

const lines = (count: number): string => Array.from({ length: count }, (_, i) => `line ${i}`).join('\n');

test('raw files are preferred, and all three splits taken as they are', async () => {
  const folder = await emptyFolder();
  await mkdir(join(folder, 'wikitext-2'));
  for (const split of ['train', 'valid', 'test']) {
    await writeFile(join(folder, 'wikitext-2', `wiki.${split}.raw`), `${split} raw`);
    await writeFile(join(folder, 'wikitext-2', `wiki.${split}.tokens`), `${split} tokens`);
  }
  expect(await loadWikitext2(folder)).toMatchObject({
    name: 'wikitext-2',
    tokenized: false,
    train: 'train raw',
    validation: 'valid raw',
    test: 'test raw',
  });
});

test('without a train file, nine tenths of the validation text are trained on, and that is said', async () => {
  const folder = await emptyFolder();
  await writeFile(join(folder, 'wiki.valid.tokens.gz'), gzipSync(lines(20)));
  await writeFile(join(folder, 'wiki.test.tokens.gz'), gzipSync('the <unk> test'));
  const text = await loadText(folder);
  expect(text).toMatchObject({ tokenized: true, train: lines(18), test: 'the <unk> test' });
  expect(text.validation).toBe('line 18\nline 19');
  expect(text.source).toContain('without wiki.train');
  expect(text.files.map(({ known }) => known)).toEqual([false, false]);
});

test('what is no text is refused', async () => {
  const folder = await emptyFolder();
  await expectFailure(loadWikitext2(folder), 'ERR_DATA_NOT_FOUND', 'wiki.valid');
  await expectFailure(loadText(join(folder, 'nowhere')), 'ERR_DATA_NOT_FOUND', 'cannot be read');
  await writeFile(join(folder, 'wiki.test.raw'), 'fine');
  await writeFile(join(folder, 'wiki.valid.raw'), Uint8Array.of(0xc3, 0x28));
  await expectFailure(loadWikitext2(folder), 'ERR_FILE_FORMAT', 'UTF-8');
  await writeFile(join(folder, 'wiki.valid.raw'), gzipSync(Buffer.alloc(20_000_001)));
  await expectFailure(loadWikitext2(folder), 'ERR_FILE_FORMAT', 'at most 20000000');
});

test('Moby Dick comes without files, in three parts that share no paragraph', async () => {
  const { train, validation, test: held, files, tokenized } = await loadMobyDick();
  expect(train).toContain('Call me Ishmael.');
  expect([files, tokenized]).toEqual([[], false]);
  const paragraphs = (text: string) => text.split('\n').filter((line) => line.length > 80);
  const known = new Set(paragraphs(train));
  expect(known.size).toBeGreaterThan(1000);
  const others = [...paragraphs(validation), ...paragraphs(held)];
  expect(others.length).toBeGreaterThan(200);
  expect(others.filter((line) => known.has(line))).toEqual([]);
});

test.each([
  ['Call me Ishmael.', 'call me ishmael .'],
  ['"Don\'t," he said, "you\'ll see!"', "`` do n't , '' he said , `` you 'll see ! ''"],
  ['It cost $10,000 at 10:30.', 'it cost $ 10,000 at 10:30 .'],
  ['Of the U.S. we cannot speak...', 'of the u.s. we can not speak ...'],
  ['(Ahab’s leg—ivory); gonna go', "( ahab 's leg -- ivory ) ; gon na go"],
  ['a clear @-@ cut sea .', 'a clear @ - @ cut sea .'],
])('%s has the words %s', (line, words) => {
  expect(treebankWords(line)).toEqual(words.split(' '));
});

test('no letter or digit is lost or moved by cutting words', () => {
  const letters = (text: string) => text.toLowerCase().replace(/[^\p{L}\d]/gu, '');
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'abcN\'t"., -:;()!?0129$—') }), (line) => {
      expect(letters(treebankWords(line).join(' '))).toBe(letters(line));
      expect(treebankWords(line).every((word) => word !== '' && !/\s/.test(word))).toBe(true);
    }),
  );
});

test('text in words already is only made lower-case', () => {
  expect(spacedWords(' The <unk> , U.S. @-@ ')).toEqual(['the', '<unk>', ',', 'u.s.', '@-@']);
});
