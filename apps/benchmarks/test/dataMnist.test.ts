import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { datasetSources, loadDigits, loadMnist } from '../src/data/index.ts';
import { emptyFolder, expectFailure } from './dataFolder.ts';

/** An IDX file: magic number, sizes, then bytes. */
function idx(magic: number, sizes: readonly number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  for (const [i, word] of [magic, ...sizes].entries()) header.writeUInt32BE(word, 4 * i);
  return Buffer.concat([header, values]);
}

/** Pictures whose every pixel is their number. */
const images = (count: number): Uint8Array =>
  idx(
    2051,
    [count, 28, 28],
    Uint8Array.from({ length: count * 784 }, (_, i) => Math.floor(i / 784)),
  );
const labels = (...values: number[]): Uint8Array => idx(2049, [values.length], Uint8Array.from(values));

const whole = {
  'train-images-idx3-ubyte': images(3),
  'train-labels-idx1-ubyte': labels(7, 8, 9),
  't10k-images-idx3-ubyte': images(2),
  't10k-labels-idx1-ubyte': labels(0, 1),
};

async function folderWith(files: Record<string, Uint8Array>): Promise<string> {
  const folder = await emptyFolder();
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(join(folder, dirname(name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  return folder;
}

describe('the four files', () => {
  test.each(['', 'mnist/'])('are found in "%s", gzipped or not, in order', async (prefix) => {
    const files = Object.entries(whole).map(([name, bytes], i) =>
      i % 2 ? [prefix + name, bytes] : [`${prefix}${name}.gz`, gzipSync(bytes)],
    );
    const data = await loadMnist(await folderWith(Object.fromEntries(files)));
    expect(data).toMatchObject({ name: 'mnist', synthetic: false, shape: [1, 28, 28] });
    expect([...data.train.labels, ...data.test.labels]).toEqual([7, 8, 9, 0, 1]);
    expect(data.train.images).toHaveLength(3 * 784);
    expect([0, 783, 784, 3 * 784 - 1].map((i) => data.train.images[i])).toEqual([0, 0, 1, 2]);
  });

  test('are listed with their checksums, which are not vouched for when the size is another', async () => {
    const { files, source } = await loadMnist(await folderWith(whole));
    expect(source).toContain('4 of 4 files without a known checksum');
    const sha256 = createHash('sha256').update(whole['t10k-labels-idx1-ubyte']).digest('hex');
    expect(files.at(-1)).toEqual({ name: 't10k-labels-idx1-ubyte', sha256, known: false });
  });

  test('are read up to the limits', async () => {
    const { train, test: judged } = await loadMnist(await folderWith(whole), { train: 2, test: 1 });
    expect([train.count, judged.count, ...train.labels]).toEqual([2, 1, 7, 8]);
    expect(train.images).toHaveLength(2 * 784);
  });

  test('must be the published ones if they have their size', async () => {
    const forged = { 't10k-labels-idx1-ubyte': labels(...new Array(10_000).fill(0)) };
    const content = datasetSources.mnist.files.at(-1)?.content;
    expect(content?.bytes).toBe(forged['t10k-labels-idx1-ubyte'].length);
    const promise = loadMnist(await folderWith({ ...whole, ...forged }));
    await expectFailure(promise, 'ERR_CHECKSUM', 't10k-labels', content?.sha256 ?? 'none');
  });
});

describe('a hostile file is refused by name', () => {
  const good = whole['t10k-images-idx3-ubyte'];
  test.each([
    ['it is empty', new Uint8Array(), 'begin with 16 bytes'],
    ['it holds labels', labels(1, 2, 3, 4, 5, 6, 7, 8, 9, 0), '2051'],
    ['its pictures are of another size', idx(2051, [2, 28, 27], new Uint8Array(2 * 28 * 27)), '28 x 28'],
    ['it is cut off', good.subarray(0, -1), '1584 bytes'],
    ['it claims more than it has', idx(2051, [2 ** 32 - 1, 28, 28], new Uint8Array(784)), '4294967295'],
    ['there are fewer labels than pictures', images(5), 'each of 5'],
    ['it is a decompression bomb', gzipSync(new Uint8Array(50_000_000)), 'at most 47040016 bytes'],
    ['its gzip bytes are cut off', gzipSync(good).subarray(0, -9), 'broken'],
  ])('if %s', async (_claim, bytes, word) => {
    const folder = await folderWith({ ...whole, 't10k-images-idx3-ubyte': bytes });
    await expectFailure(loadMnist(folder), 'ERR_FILE_FORMAT', 't10k', word);
  });

  test('if a label is 10', async () => {
    const folder = await folderWith({ ...whole, 'train-labels-idx1-ubyte': labels(1, 10, 2) });
    await expectFailure(loadMnist(folder), 'ERR_FILE_FORMAT', 'train-labels', 'label 1', '10');
  });
});

describe('without data', () => {
  test('an empty folder, an incomplete set and an absent folder are errors that say what was expected', async () => {
    const empty = await emptyFolder();
    await expectFailure(loadMnist(empty), 'ERR_DATA_NOT_FOUND', empty, 'train-images-idx3-ubyte');
    const { 'train-labels-idx1-ubyte': _, ...others } = whole;
    const partial = await folderWith(others);
    await expectFailure(loadMnist(partial), 'ERR_DATA_NOT_FOUND', 'lacks train-labels-idx1-ubyte.');
    await expectFailure(loadMnist(join(empty, 'absent')), 'ERR_DATA_NOT_FOUND', 'absent');
  });

  test('digits are generated where no folder is named, real where one is; never one for the other', async () => {
    const counts = { seed: 0, train: 4, test: 3 };
    const generated = await loadDigits(counts);
    expect([generated.name, generated.train.count, generated.test.count]).toEqual(['synthetic-digits', 4, 3]);
    const real = await loadDigits({ ...counts, directory: await folderWith(whole) });
    expect([real.name, real.train.count, real.test.count]).toEqual(['mnist', 3, 2]);
    await expectFailure(loadDigits({ ...counts, directory: await emptyFolder() }), 'ERR_DATA_NOT_FOUND');
  });
});
