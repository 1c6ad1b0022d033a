import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { loadCifar10, loadImages } from '../src/data/index.ts';
import { emptyFolder, expectFailure } from './dataFolder.ts';

const recordBytes = 3073;

/** A record for each label; every pixel byte tells its channel and, in its last digit, the label. */
function records(...labels: number[]): Uint8Array {
  const bytes = new Uint8Array(labels.length * recordBytes);
  for (const [i, label] of labels.entries()) {
    const record = bytes.subarray(i * recordBytes, (i + 1) * recordBytes);
    record[0] = label;
    record.subarray(1).forEach((_, j, pixels) => {
      pixels[j] = 10 * Math.floor(j / 1024) + label;
    });
  }
  return bytes;
}

async function folderWith(files: Record<string, Uint8Array>): Promise<string> {
  const folder = await emptyFolder();
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(join(folder, dirname(name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  return folder;
}

const published = {
  'data_batch_1.bin': records(1, 1),
  'data_batch_2.bin': records(2),
  'data_batch_3.bin': records(3),
  'data_batch_4.bin': records(4),
  'data_batch_5.bin': records(5),
  'test_batch.bin': records(6, 7),
};
const head = { 'train_head4000.bin': records(8), 'test_head1000.bin': records(8) };
const lossy = { 'jpegq75_train_10000.bin': records(9), 'jpegq75_test_2000.bin': records(9) };

function prefixed(prefix: string, files: Record<string, Uint8Array>): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [prefix + name, bytes]));
}

describe('the published files', () => {
  test('give their pictures in order, channel after channel', async () => {
    const data = await loadCifar10(await folderWith(published));
    expect(data).toMatchObject({ name: 'cifar10', synthetic: false, shape: [3, 32, 32] });
    expect(data.classes).toHaveLength(10);
    expect([...data.train.labels]).toEqual([1, 1, 2, 3, 4, 5]);
    expect([...data.test.labels]).toEqual([6, 7]);
    expect(data.test.images).toHaveLength(data.test.count * 3072);
    expect([0, 1024, 3071].map((i) => data.test.images[3072 + i])).toEqual([7, 17, 27]);
  });

  test('are listed with their checksums, which are not vouched for when the size is another', async () => {
    const { files, source } = await loadCifar10(await folderWith(published));
    expect(source).toContain('6 of 6 files without a known checksum');
    expect(files.map(({ name }) => name)).toEqual(Object.keys(published));
    const sha256 = createHash('sha256').update(published['test_batch.bin']).digest('hex');
    expect(files.at(-1)).toEqual({ name: 'test_batch.bin', sha256, known: false });
  });

  test.each(['', 'cifar10/', 'cifar-10-batches-bin/', 'cifar10/cifar-10-batches-bin/'])(
    'are found in "%s"',
    async (prefix) => {
      const { train } = await loadCifar10(await folderWith(prefixed(prefix, published)));
      expect(train.count).toBe(6);
    },
  );

  test('may be gzipped, whatever their names say', async () => {
    const { 'test_batch.bin': judged, 'data_batch_1.bin': first, ...others } = published;
    const zipped = { 'test_batch.bin.gz': gzipSync(judged), 'data_batch_1.bin': gzipSync(first) };
    const { train, test } = await loadCifar10(await folderWith({ ...others, ...zipped }));
    expect([...train.labels, ...test.labels]).toEqual([1, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('are preferred to gzipped copies of themselves', async () => {
    const copy = { 'test_batch.bin.gz': gzipSync(records(0)) };
    const { test } = await loadCifar10(await folderWith({ ...published, ...copy }));
    expect([...test.labels]).toEqual([6, 7]);
  });

  test('are read up to the limits', async () => {
    const { train, test, files } = await loadCifar10(await folderWith(published), { train: 3, test: 1 });
    expect([...train.labels, ...test.labels]).toEqual([1, 1, 2, 6]);
    expect(train.images).toHaveLength(3 * 3072);
    expect(files.map(({ name }) => name)).toEqual(['data_batch_1.bin', 'data_batch_2.bin', 'test_batch.bin']);
  });

  test('are preferred to partial ones, and those to lossy ones', async () => {
    const all = { ...published, ...head, ...lossy };
    expect((await loadCifar10(await folderWith(all))).test.labels[0]).toBe(6);
    expect((await loadCifar10(await folderWith({ ...head, ...lossy }))).test.labels[0]).toBe(8);
    const nested = { ...prefixed('cifar10/', published), ...head };
    expect((await loadCifar10(await folderWith(nested))).test.labels[0]).toBe(6);
  });
});

describe('lossy copies', () => {
  test('are used alone, and named as what they are', async () => {
    const { source, test } = await loadCifar10(await folderWith(lossy));
    expect([...test.labels]).toEqual([9]);
    expect(source).toMatch(/JPEG.*lossy/);
  });

  test('are never mixed with lossless pictures', async () => {
    const mixed = { 'jpegq75_train_10000.bin': records(9), 'test_head1000.bin': records(8) };
    await expectFailure(loadCifar10(await folderWith(mixed)), 'ERR_DATA_NOT_FOUND', 'train_head4000.bin');
  });
});

describe('a file that claims to be a published one', () => {
  test.each([
    ['test_head1000.bin', 1_000, '8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5'],
    ['test_head1000.bin.gz', 1_000, '8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5'],
    ['train_head4000.bin', 4_000, '0993cf8b8e43bc207603aef9787006995746513f5e3fa5a52e06d1b069926330'],
  ])('must have its checksum: %s', async (name, count, expected) => {
    const zeros = new Uint8Array(count * recordBytes);
    const received = createHash('sha256').update(zeros).digest('hex');
    const bytes = name.endsWith('.gz') ? gzipSync(zeros) : zeros;
    const { 'train_head4000.bin': train, 'test_head1000.bin': judged } = head;
    const others = name.startsWith('test')
      ? { 'train_head4000.bin': train }
      : { 'test_head1000.bin': judged };
    const promise = loadCifar10(await folderWith({ ...others, [name]: bytes }));
    await expectFailure(promise, 'ERR_CHECKSUM', name.replace('.gz', ''), expected, received);
  });

  test('must begin with the published pictures', async () => {
    const zeros = { 'test_batch.bin': new Uint8Array(10_000 * recordBytes) };
    const promise = loadCifar10(await folderWith({ ...published, ...zeros }));
    await expectFailure(promise, 'ERR_CHECKSUM', 'first 1000 records of test_batch.bin');
  });
});

describe('a hostile file is refused by name', () => {
  const whole = records(0, 1);
  test.each([
    ['it is empty', new Uint8Array(), '0'],
    ['it ends within a record', whole.subarray(0, -1), '6145'],
    ['a label is 10', records(3, 10), 'record 1'],
    ['its gzip bytes are cut off', gzipSync(whole).subarray(0, -9), 'broken'],
    ['its gzip bytes are changed', flip(gzipSync(whole)), 'broken'],
    ['it is a decompression bomb', gzipSync(new Uint8Array(40_000_000)), 'at most 30730000 bytes'],
    ['it is huge', new Uint8Array(10_001 * recordBytes), '30733073'],
    ['it decompresses to nothing', gzipSync(''), '0'],
  ])('if %s', async (_claim, bytes, word) => {
    const folder = await folderWith({ ...published, 'data_batch_3.bin': bytes });
    await expectFailure(loadCifar10(folder), 'ERR_FILE_FORMAT', 'data_batch_3.bin', word);
  });

  test('if it is a folder', async () => {
    const { 'data_batch_3.bin': _, ...others } = published;
    const folder = await folderWith({ ...others, 'data_batch_3.bin/inside': whole });
    await expectFailure(loadCifar10(folder), 'ERR_FILE_FORMAT', 'data_batch_3.bin');
  });

  function flip(bytes: Uint8Array): Uint8Array {
    return bytes.map((byte, i) => (i === bytes.length - 12 ? byte ^ 0xff : byte));
  }
});

describe('without data', () => {
  test('an empty folder is an error that says what was expected', async () => {
    const folder = await emptyFolder();
    await expectFailure(loadCifar10(folder), 'ERR_DATA_NOT_FOUND', folder, 'data_batch_1.bin');
  });

  test('an incomplete set is an error that names what is missing', async () => {
    const { 'data_batch_4.bin': _, ...others } = published;
    const folder = await folderWith(prefixed('cifar10/', others));
    await expectFailure(loadCifar10(folder), 'ERR_DATA_NOT_FOUND', 'lacks data_batch_4.bin.');
  });

  test('a folder that is absent or a file is an error', async () => {
    const folder = await folderWith({ file: records(1) });
    await expectFailure(loadCifar10(join(folder, 'absent')), 'ERR_DATA_NOT_FOUND', 'absent');
    await expectFailure(loadCifar10(join(folder, 'file')), 'ERR_DATA_NOT_FOUND', 'file');
  });

  test('a limit that is no count is an error', async () => {
    await expectFailure(loadCifar10('.', { train: -1 }), 'ERR_OPTION_RANGE', 'train', '-1');
    await expectFailure(loadCifar10('.', { test: Number.NaN }), 'ERR_OPTION_RANGE', 'test', 'NaN');
  });
});

describe('the pictures of a task', () => {
  test('are real ones where a folder is named, never more than asked for', async () => {
    const directory = await folderWith(published);
    const data = await loadImages({ directory, seed: 0, train: 4, test: 100 });
    expect([data.name, data.train.count, data.test.count]).toEqual(['cifar10', 4, 2]);
  });

  test('are an error where the named folder has none', async () => {
    const directory = await emptyFolder();
    await expectFailure(loadImages({ directory, seed: 0, train: 4, test: 4 }), 'ERR_DATA_NOT_FOUND');
  });

  test('are generated where no folder is named, exactly as many as asked for', async () => {
    const data = await loadImages({ seed: 0, train: 4, test: 3 });
    expect([data.name, data.train.count, data.test.count]).toEqual(['synthetic', 4, 3]);
  });
});
