import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { type DatasetName, datasetSources, fetchDataset, loadCifar10 } from '../src/data/index.ts';
import { type ArchiveEntry, packTarGz, packZip } from './dataArchives.ts';
import { emptyFolder, expectFailure, listing } from './dataFolder.ts';
import { ranged, type ScriptedServer, serve } from './dataServer.ts';

const quick = { attempts: 1, backoffMs: 1, idleTimeoutMs: 5_000 };
let server: ScriptedServer | undefined;
afterEach(() => server?.close());

/** Serves `bytes` as every file of a dataset, and gives the dataset's table entry changed to match. */
async function publish(name: DatasetName, bytes: Uint8Array) {
  server = await serve({ '/file': [ranged(bytes)] });
  const urls = [`${server.origin}/file`];
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const published = datasetSources[name];
  const files = published.files.map((file) => ({ name: file.name, urls, bytes: bytes.length, sha256 }));
  return { ...quick, sources: { [name]: { ...published, files } } };
}

const batches = [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`).concat('test_batch.bin');
const cifarEntries: ArchiveEntry[] = batches.map((name, label) => ({
  path: `cifar-10-batches-bin/${name}`,
  content: new Uint8Array(2 * 3073).map((_, i) => (i % 3073 === 0 ? label : (i * i * i) % 251)),
}));

describe('fetching a dataset', () => {
  test('brings cifar10 to where the loader finds it', async () => {
    const folder = await emptyFolder();
    const readme = { path: 'cifar-10-batches-bin/readme.html', content: Buffer.from('hello') };
    const options = await publish('cifar10', packTarGz([...cifarEntries, readme]));
    expect(await fetchDataset('cifar10', folder, options)).toBe(join(folder, 'cifar10'));
    const found = await listing(join(folder, 'cifar10/cifar-10-batches-bin'));
    expect(found).toEqual(batches);
    const { train, test: judged } = await loadCifar10(folder);
    expect([...train.labels, ...judged.labels]).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
  });

  test('brings the three texts of wikitext-2', async () => {
    const folder = await emptyFolder();
    const names = ['wiki.test.raw', 'wiki.train.raw', 'wiki.valid.raw'];
    const entries = names.map((name) => ({ path: `wikitext-2-raw/${name}`, content: Buffer.from(name) }));
    await fetchDataset('wikitext-2', folder, await publish('wikitext-2', packZip(entries)));
    expect(await listing(join(folder, 'wikitext-2'))).toEqual([...names, 'wikitext-2-raw-v1.zip']);
  });

  test('brings the four files of mnist as they are', async () => {
    const folder = await emptyFolder();
    await fetchDataset('mnist', folder, await publish('mnist', gzipSync('digits')));
    const names = datasetSources.mnist.files.map(({ name }) => name);
    expect(await listing(join(folder, 'mnist'))).toEqual(names.sort());
  });

  test('asks for nothing the second time', async () => {
    const folder = await emptyFolder();
    const options = await publish('cifar10', packTarGz(cifarEntries));
    await fetchDataset('cifar10', folder, options);
    await fetchDataset('cifar10', folder, options);
    expect(server?.requests).toHaveLength(1);
  });

  test('tells the progress of each file', async () => {
    const received = new Map<string, number>();
    const options = await publish('mnist', gzipSync('digits'));
    const onProgress = (step: { file: string; received: number }) => received.set(step.file, step.received);
    await fetchDataset('mnist', await emptyFolder(), { ...options, onProgress });
    expect([...received.values()]).toEqual(Array(4).fill(gzipSync('digits').length));
  });

  test('writes nothing outside when the archive is hostile', async () => {
    const folder = await emptyFolder();
    const evil = { path: '../../evil.bin', content: Buffer.from('evil') };
    const options = await publish('cifar10', packTarGz([...cifarEntries, evil]));
    await expectFailure(fetchDataset('cifar10', folder, options), 'ERR_FILE_FORMAT', '../../evil.bin');
    expect(await listing(folder)).toEqual(['cifar10', 'cifar10/cifar-10-binary.tar.gz']);
  });

  test('names the datasets there are when it is asked for another', async () => {
    const promise = fetchDataset('constructor' as DatasetName, await emptyFolder());
    await expectFailure(promise, 'ERR_OPTION_RANGE', 'constructor', 'cifar10, mnist, wikitext-2');
  });

  test('says so when its folder is a file', async () => {
    const file = join(await emptyFolder(), 'file');
    await writeFile(file, '');
    await expectFailure(fetchDataset('mnist', file, quick), 'ERR_FILE_SYSTEM', file);
  });
});

test.each(Object.entries(datasetSources))('the table is well formed: %s', (_name, { files }) => {
  for (const { urls, bytes, sha256, content } of files) {
    expect(urls.length).toBeGreaterThan(1);
    for (const url of urls) expect(new URL(url).protocol).toBe('https:');
    expect(bytes).toBeGreaterThan(0);
    for (const hash of [sha256, content?.sha256 ?? sha256]) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  }
});
