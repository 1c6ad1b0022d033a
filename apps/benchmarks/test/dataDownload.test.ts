import { createHash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { downloadFile, type Progress } from '../src/data/download.ts';
import type { SourceFile } from '../src/data/sources.ts';
import { emptyFolder, expectFailure, listing } from './dataFolder.ts';
import {
  type Answer,
  chunked,
  compressed,
  dripped,
  ranged,
  redirect,
  type ScriptedServer,
  serve,
  stalled,
  status,
  truncated,
  whole,
} from './dataServer.ts';

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * i) % 251);
const corrupt = bytes.map((byte, i) => (i === 50_000 ? byte ^ 1 : byte));
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
const quick = { attempts: 3, backoffMs: 1, idleTimeoutMs: 5_000 };

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function start(...answers: Answer[]): Promise<ScriptedServer> {
  const server = await serve({ '/file': answers });
  servers.push(server);
  return server;
}

function published(...mirrors: ScriptedServer[]): SourceFile {
  const urls = mirrors.map(({ origin }) => `${origin}/file`);
  return { name: 'file.bin', urls, bytes: bytes.length, sha256: sha256(bytes) };
}

async function expectComplete(folder: string): Promise<void> {
  expect(await listing(folder)).toEqual(['file.bin']);
  expect(sha256(await readFile(join(folder, 'file.bin')))).toBe(sha256(bytes));
}

describe('a download', () => {
  test('stores the verified file under its name and tells its progress', async () => {
    const folder = await emptyFolder();
    const steps: Progress[] = [];
    const server = await start(whole(bytes));
    const onProgress = (step: Progress) => steps.push(step);
    expect(await downloadFile(published(server), folder, { ...quick, onProgress })).toBe(
      join(folder, 'file.bin'),
    );
    await expectComplete(folder);
    expect(steps.at(-1)).toEqual({ file: 'file.bin', received: 100_000, total: 100_000 });
    expect(steps.every((step, i) => step.received > (steps[i - 1]?.received ?? 0))).toBe(true);
  });

  test('asks for nothing when the genuine file is there', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.bin'), bytes);
    const server = await start(status(500));
    await downloadFile(published(server), folder, quick);
    expect(server.requests).toEqual([]);
  });

  test('replaces a file of that name that is not genuine', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.bin'), corrupt);
    await downloadFile(published(await start(whole(bytes))), folder, quick);
    await expectComplete(folder);
  });

  test('works without a promised length', async () => {
    const folder = await emptyFolder();
    await downloadFile(published(await start(chunked(bytes))), folder, quick);
    await expectComplete(folder);
  });

  test('asks for plain bytes', async () => {
    const folder = await emptyFolder();
    await downloadFile(published(await start(compressed(bytes))), folder, quick);
    await expectComplete(folder);
  });

  test('waits for a server that is slow, but not silent', async () => {
    const folder = await emptyFolder();
    const options = { ...quick, attempts: 1, idleTimeoutMs: 500 };
    await downloadFile(published(await start(dripped(bytes, 80))), folder, options);
    await expectComplete(folder);
  });

  test('follows redirects', async () => {
    const folder = await emptyFolder();
    const target = await start(whole(bytes));
    await downloadFile(published(await start(redirect(`${target.origin}/file`))), folder, quick);
    await expectComplete(folder);
  });
});

describe('an interrupted download', () => {
  test('goes on with only the missing bytes after the server hung up', async () => {
    const folder = await emptyFolder();
    const server = await start(truncated(bytes, 60_000), ranged(bytes));
    await downloadFile(published(server), folder, quick);
    await expectComplete(folder);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined, 'bytes=60000-']);
  });

  test('goes on in a later call, at another address', async () => {
    const folder = await emptyFolder();
    const [first, second] = [await start(truncated(bytes, 30_000), status(404)), await start(ranged(bytes))];
    await expectFailure(downloadFile(published(first), folder, quick), 'ERR_HTTP', '404');
    expect(await listing(folder)).toEqual(['file.bin.part']);
    await downloadFile(published(second), folder, quick);
    await expectComplete(folder);
    expect(second.requests.map(({ range }) => range)).toEqual(['bytes=30000-']);
  });

  test('starts over where the server ignores ranges', async () => {
    const folder = await emptyFolder();
    const server = await start(truncated(bytes, 60_000), whole(bytes));
    await downloadFile(published(server), folder, quick);
    await expectComplete(folder);
  });

  test('starts over after status 416', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.bin.part'), bytes.subarray(0, 10));
    const server = await start(status(416), ranged(bytes));
    await downloadFile(published(server), folder, quick);
    await expectComplete(folder);
    expect(server.requests.map(({ range }) => range)).toEqual(['bytes=10-', undefined]);
  });

  test('starts over when what was there belongs to another file', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.bin.part'), corrupt.subarray(0, 70_000));
    const server = await start(ranged(bytes));
    await downloadFile(published(server), folder, quick);
    await expectComplete(folder);
    expect(server.requests.map(({ range }) => range)).toEqual(['bytes=70000-', undefined]);
  });

  test('starts over when more is there than the file has', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.bin.part'), new Uint8Array(bytes.length + 1));
    const server = await start(ranged(bytes));
    await downloadFile(published(server), folder, quick);
    await expectComplete(folder);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined]);
  });

  test('asks for nothing when only the name was missing', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.bin.part'), bytes);
    const server = await start(status(500));
    await downloadFile(published(server), folder, quick);
    await expectComplete(folder);
    expect(server.requests).toEqual([]);
  });

  test('keeps what has arrived when it is aborted', async () => {
    const folder = await emptyFolder();
    const controller = new AbortController();
    const server = await start(stalled(bytes, 40_000), ranged(bytes));
    const onProgress = ({ received }: Progress) => received === 40_000 && controller.abort();
    const options = { ...quick, onProgress, signal: controller.signal };
    await expectFailure(downloadFile(published(server), folder, options), 'ERR_ABORTED');
    expect((await stat(join(folder, 'file.bin.part'))).size).toBe(40_000);
    await downloadFile(published(server), folder, quick);
    await expectComplete(folder);
    expect(server.requests.at(-1)?.range).toBe('bytes=40000-');
  });

  test('can be aborted while it waits for the next attempt', async () => {
    const folder = await emptyFolder();
    const options = { ...quick, backoffMs: 60_000, signal: AbortSignal.timeout(50) };
    await expectFailure(downloadFile(published(await start(status(500))), folder, options), 'ERR_ABORTED');
  });
});

describe('a server that is not ready', () => {
  test('is asked again after status 500', async () => {
    const folder = await emptyFolder();
    await downloadFile(published(await start(status(500), whole(bytes))), folder, quick);
    await expectComplete(folder);
  });

  test('is given up after the agreed number of attempts', async () => {
    const folder = await emptyFolder();
    const server = await start(status(503));
    await expectFailure(downloadFile(published(server), folder, quick), 'ERR_NETWORK', '503');
    expect(server.requests).toHaveLength(3);
    expect(await listing(folder)).toEqual([]);
  });

  test('is given up when it falls silent, and the bytes are kept', async () => {
    const folder = await emptyFolder();
    const server = await start(stalled(bytes, 20_000));
    const options = { ...quick, attempts: 1, idleTimeoutMs: 100 };
    await expectFailure(downloadFile(published(server), folder, options), 'ERR_NETWORK', '100 ms');
    expect(await listing(folder)).toEqual(['file.bin.part']);
  });

  test('is given up when it never answers at all', async () => {
    const folder = await emptyFolder();
    const options = { ...quick, attempts: 2, idleTimeoutMs: 50 };
    await expectFailure(downloadFile(published(await start(() => {})), folder, options), 'ERR_NETWORK');
  });

  test('is given up when nobody listens', async () => {
    const server = await serve({});
    await server.close();
    await expectFailure(downloadFile(published(server), await emptyFolder(), quick), 'ERR_NETWORK');
  });
});

describe('a server with another file', () => {
  test('is found out by the checksum, and nothing stays', async () => {
    const folder = await emptyFolder();
    const server = await start(whole(corrupt));
    const promise = downloadFile(published(server), folder, quick);
    await expectFailure(promise, 'ERR_CHECKSUM', 'file.bin', sha256(bytes), sha256(corrupt));
    expect(server.requests).toHaveLength(1);
    expect(await listing(folder)).toEqual([]);
  });

  test('is found out at once if it ignores ranges', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.bin.part'), bytes.subarray(0, 10));
    const server = await start(whole(corrupt));
    await expectFailure(downloadFile(published(server), folder, quick), 'ERR_CHECKSUM');
    expect(server.requests).toHaveLength(1);
  });

  test('is passed over for the next address', async () => {
    const folder = await emptyFolder();
    const mirrors = [await start(whole(corrupt)), await start(status(404)), await start(whole(bytes))];
    await downloadFile(published(...mirrors), folder, quick);
    await expectComplete(folder);
    expect(mirrors.map(({ requests }) => requests.length)).toEqual([1, 1, 1]);
  });

  test('decides the code even if the next address has no file at all', async () => {
    const mirrors = [await start(whole(corrupt)), await start(status(404))];
    const promise = downloadFile(published(...mirrors), await emptyFolder(), quick);
    await expectFailure(promise, 'ERR_CHECKSUM', '2 addresses', '404');
  });

  test.each([
    ['has none', [status(404)], '404'],
    ['promises another size', [whole(bytes.subarray(1))], '99999'],
    ['sends more than it should', [chunked(new Uint8Array(10_000_000))], '100000 bytes'],
    ['compresses on the way', [whole(gzipSync(bytes), { 'content-encoding': 'gzip' })], 'gzip'],
    ['redirects to itself', [redirect('/file')], 'redirect'],
    ['redirects to the disk', [redirect('file:///etc/hostname')], 'file:///etc/hostname'],
    ['redirects to nonsense', [redirect('http://')], 'http://'],
  ])('is not asked twice if it %s', async (_claim, answers, word) => {
    const folder = await emptyFolder();
    await expectFailure(downloadFile(published(await start(...answers)), folder, quick), 'ERR_HTTP', word);
    expect(await listing(folder)).not.toContain('file.bin');
  });

  test('is not trusted if it sends another range than was asked for', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.bin.part'), bytes.subarray(0, 10));
    const headers = { 'content-range': 'bytes 5-99999/100000' };
    const server = await start(status(206, headers));
    await expectFailure(downloadFile(published(server), folder, quick), 'ERR_HTTP', 'bytes 5-99999/100000');
  });
});

describe('a wrong call', () => {
  test('names a folder that does not exist', async () => {
    const folder = join(await emptyFolder(), 'absent');
    await expectFailure(
      downloadFile(published(await start(whole(bytes))), folder, quick),
      'ERR_FILE_SYSTEM',
      'absent',
    );
  });

  test('asks for no attempt at all', async () => {
    const promise = downloadFile(published(), await emptyFolder(), { ...quick, attempts: 0 });
    await expectFailure(promise, 'ERR_OPTION_RANGE', 'attempts');
  });
});
