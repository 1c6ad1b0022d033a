/** `--tokenizer`: any tokenizer.json in place of words, offline. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openTokenizer } from '../src/tasks/languageModel/tokenizerFile.ts';
import { emptyFolder, expectFailure } from './dataFolder.ts';

beforeEach(() => {
  vi.stubGlobal('fetch', () => expect.fail('the network must not be asked'));
});
afterEach(() => vi.unstubAllGlobals());

/** A byte-pair tokenizer with two merges, written down as the libraries do. */
const bytePairs = {
  version: '1.0',
  added_tokens: [{ id: 7, content: '</s>', special: true, lstrip: false, rstrip: false, normalized: false }],
  normalizer: { type: 'Lowercase' },
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'BPE',
    unk_token: '<unk>',
    vocab: { '<unk>': 0, a: 1, b: 2, s: 3, e: 4, se: 5, sea: 6, '</s>': 7 },
    merges: ['s e', 'se a'],
  },
};

async function written(tokenizer: unknown, config?: unknown): Promise<string> {
  const folder = await emptyFolder();
  const path = join(folder, 'tokenizer.json');
  await writeFile(path, JSON.stringify(tokenizer));
  if (config) await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return path;
}

test('pieces are merged as the file says, each line ends with its end token, blank lines do not count', async () => {
  const config = { tokenizer_class: 'PreTrainedTokenizerFast', eos_token: '</s>', unk_token: '<unk>' };
  const tokenizer = await openTokenizer(await written(bytePairs, config));
  expect(tokenizer).toMatchObject({ size: 8, padding: null });
  expect([...tokenizer.encode('SEA base\n\nab z')]).toEqual([6, 2, 1, 5, 7, 1, 2, 0, 7]);
});

test('a file alone is enough: lines then have no end', async () => {
  const tokenizer = await openTokenizer(await written(bytePairs));
  expect([...tokenizer.encode('sea\nab')]).toEqual([6, 1, 2]);
});

test('padding that is the end token is learnt, other padding is not', async () => {
  const padding = async (pad_token: unknown) =>
    (await openTokenizer(await written(bytePairs, { eos_token: '</s>', pad_token }))).padding;
  expect([await padding('</s>'), await padding({ __type: 'AddedToken', content: 'b' })]).toEqual([null, 2]);
});

test('what is no tokenizer is refused', async () => {
  await expectFailure(openTokenizer(join(await emptyFolder(), 'none.json')), 'ERR_FILE_SYSTEM', 'none.json');
  await expectFailure(openTokenizer(await written('nothing')), 'ERR_FILE_FORMAT', 'tokenizer.json');
  await expectFailure(openTokenizer(await written({ model: { type: 'Oracle' } })), 'ERR_FILE_FORMAT');
});

test('text that a tokenizer has no token for is refused, not trained on', async () => {
  const { unk_token: _, ...model } = bytePairs.model;
  const tokenizer = await openTokenizer(await written({ ...bytePairs, model }));
  expect(() => tokenizer.encode('a z')).toThrow(expect.objectContaining({ code: 'ERR_FILE_FORMAT' }));
});
