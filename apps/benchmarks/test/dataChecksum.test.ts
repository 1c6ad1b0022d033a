import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { downloadFile } from '../src/data/download.ts';
import { emptyFolder, expectFailure, listing } from './dataFolder.ts';
import { type ScriptedServer, serve, whole } from './dataServer.ts';

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * i) % 251);
const corrupt = bytes.map((byte, i) => (i === 50_000 ? byte ^ 1 : byte));
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
const quick = { attempts: 1, backoffMs: 1, idleTimeoutMs: 5_000 };

let server: ScriptedServer | undefined;
afterEach(() => server?.close());

async function publish(file: Uint8Array): Promise<string[]> {
  server = await serve({ '/file': [whole(file)] });
  return [`${server.origin}/file`];
}

describe('a copy that was compressed anew', () => {
  const content = { bytes: bytes.length, sha256: sha256(bytes) };
  const original = gzipSync(bytes, { level: 9 });
  const copy = gzipSync(bytes, { level: 1 });
  const source = { name: 'file.gz', bytes: original.length, sha256: sha256(original), content };

  test('is accepted for its content', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file.gz'), copy);
    await downloadFile({ ...source, urls: [] }, folder, quick);
    const other = await emptyFolder();
    const urls = await publish(copy);
    await downloadFile({ ...source, bytes: copy.length - 5, urls }, other, quick);
    expect(await listing(other)).toEqual(['file.gz']);
  });

  test.each([
    ['other content', gzipSync(corrupt)],
    ['more content', gzipSync(Buffer.concat([bytes, bytes]))],
    ['a broken end', copy.subarray(0, -9)],
  ])('is refused for %s', async (_claim, wrong) => {
    const folder = await emptyFolder();
    const urls = await publish(wrong);
    await expectFailure(
      downloadFile({ ...source, bytes: wrong.length, urls }, folder, quick),
      'ERR_CHECKSUM',
    );
    expect(await listing(folder)).toEqual([]);
  });
});
