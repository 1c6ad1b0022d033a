import { randomFillSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { extractArchive } from '../src/data/extract.ts';
import type { SourceArchive } from '../src/data/sources.ts';
import { type ArchiveEntry, packTarGz, packZip } from './dataArchives.ts';
import { emptyFolder, expectFailure, listing } from './dataFolder.ts';

const one = { path: 'box/one.txt', content: Buffer.from('first') };
const two = { path: 'box/two.txt', content: Buffer.from('second') };
const files = ['one.txt', 'two.txt'].map((name) => ({ name, maxBytes: 1_000 }));
const packers = { 'tar.gz': packTarGz, zip: packZip };
const absolute = join(tmpdir(), 'vradam-data-evil.txt');
const formats = ['tar.gz', 'zip'] as const;

/** Extracts an archive of the entries into `folder/data`; an escape would land in `folder`. */
async function extract(
  format: SourceArchive['format'],
  entries: readonly ArchiveEntry[],
  to = 'new',
): Promise<{ folder: string; result: Promise<void> }> {
  return extractBytes(format, packers[format](entries), to);
}

async function extractBytes(format: SourceArchive['format'], bytes: Uint8Array, to = 'new') {
  const folder = await emptyFolder();
  const data = join(folder, 'data');
  await mkdir(data);
  await writeFile(join(data, 'archive'), bytes);
  const archive = { format, from: 'box', to, files };
  return { folder, result: extractArchive(join(data, 'archive'), archive, data) };
}

async function expectRefusal(
  { folder, result }: { folder: string; result: Promise<void> },
  ...words: string[]
): Promise<void> {
  await expectFailure(result, 'ERR_FILE_FORMAT', ...words);
  expect(await listing(folder)).toEqual(['data', 'data/archive']);
}

describe.each(formats)('a %s archive', (format) => {
  test('gives its files, and nothing temporary stays', async () => {
    const { folder, result } = await extract(format, [one, two]);
    await result;
    expect(await listing(join(folder, 'data'))).toEqual(['archive', 'new', 'new/one.txt', 'new/two.txt']);
    expect(await readFile(join(folder, 'data/new/two.txt'), 'utf8')).toBe('second');
  });

  test('adds to a folder that exists', async () => {
    const { folder, result } = await extract(format, [one, two], '.');
    await result;
    expect(await listing(join(folder, 'data'))).toEqual(['archive', 'one.txt', 'two.txt']);
  });

  test('keeps files that nobody asked for', async () => {
    const extra = { path: 'box/readme.html', content: Buffer.from('hello') };
    const { folder, result } = await extract(format, [extra, one, two]);
    await result;
    expect(await listing(join(folder, 'data/new'))).toEqual(['one.txt', 'two.txt']);
  });

  test('may name its folders and begin with a dot', async () => {
    const folderEntry: ArchiveEntry = { path: './box/', type: 'Directory', mode: 0o40755 };
    const dotted = [one, two].map((entry) => ({ ...entry, path: `./${entry.path}` }));
    await (await extract(format, [folderEntry, ...dotted])).result;
  });

  test('is not opened again when its files are in place', async () => {
    const { folder, result } = await extract(format, [one, two]);
    await result;
    await writeFile(join(folder, 'data/archive'), 'not an archive');
    const archive = { format, from: 'box', to: 'new', files };
    await extractArchive(join(folder, 'data/archive'), archive, join(folder, 'data'));
  });

  test.each([
    ['climbs out of its folder', '../evil.txt'],
    ['climbs out from a folder inside', 'box/../../evil.txt'],
    ['climbs out in the manner of Windows', 'box\\..\\..\\evil.txt'],
    ['names an absolute path', absolute],
    ['names a drive', 'C:/evil.txt'],
  ])('is refused if it %s', async (_claim, path) => {
    await expectRefusal(await extract(format, [one, { path, content: one.content }, two]));
    expect(existsSync(absolute)).toBe(false);
  });

  test('is refused if a file is missing', async () => {
    await expectRefusal(await extract(format, [one]), 'two.txt');
  });

  test('is refused if a file is larger than it can be', async () => {
    await expectRefusal(await extract(format, [one, { ...two, content: new Uint8Array(1_001) }]), '1001');
  });

  test('is refused if a folder stands in for a file', async () => {
    const folderEntry: ArchiveEntry = { path: 'box/two.txt/', type: 'Directory', mode: 0o40755 };
    await expectRefusal(await extract(format, [one, folderEntry]), 'two.txt');
  });

  test('is refused if it is not one', async () => {
    await expectRefusal(await extractBytes(format, Buffer.from('not an archive')));
    await expectRefusal(await extractBytes(format, new Uint8Array()));
  });

  test('is refused if its end is missing', async () => {
    const bytes = packers[format]([one, two]);
    await expectRefusal(await extractBytes(format, bytes.subarray(0, bytes.length - 20)));
  });
});

describe('a link or a device', () => {
  test.each([
    ['symbolic link', { path: 'box/one.txt', type: 'SymbolicLink', linkpath: '/etc/hostname' }],
    ['hard link', { path: 'box/one.txt', type: 'Link', linkpath: '../../archive' }],
    ['device', { path: 'box/null', type: 'CharacterDevice' }],
    ['pipe', { path: 'box/pipe', type: 'FIFO' }],
  ] as const)('condemns a tar archive: %s', async (_kind, entry) => {
    await expectRefusal(await extract('tar.gz', [entry, one, two]), entry.path);
  });

  test('condemns a tar archive that would write through a linked folder', async () => {
    const link: ArchiveEntry = { path: 'box', type: 'SymbolicLink', linkpath: '..' };
    await expectRefusal(await extract('tar.gz', [link, one, two]), 'box');
  });

  test('condemns a zip archive', async () => {
    const link = { path: 'box/one.txt', content: Buffer.from('/etc/hostname'), mode: 0o120777 };
    await expectRefusal(await extract('zip', [link, two]), 'box/one.txt');
  });
});

test('a tar archive that unpacks to hundreds of times its size is refused', async () => {
  const content = new Uint8Array(20_000_000);
  randomFillSync(content, 0, 20_000);
  const bomb = { path: 'box/bomb', content };
  await expectRefusal(await extract('tar.gz', [one, two, bomb]));
});

test('a zip entry that is longer than it says is refused', async () => {
  const bytes = Buffer.from(packZip([one, two]));
  const record = bytes.lastIndexOf('box/one.txt') - 46;
  bytes.writeUInt32LE(3, record + 24);
  await expectRefusal(await extractBytes('zip', bytes));
});
