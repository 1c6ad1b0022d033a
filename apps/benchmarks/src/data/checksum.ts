import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { SourceContent, SourceFile } from './sources.ts';

/**
 * Whether a file is the published one: its own bytes, or where the source knows them its decompressed bytes.
 *
 * @param path - the file; must exist.
 * @param source - what is published.
 */
export async function isGenuine(path: string, { sha256, content }: SourceFile): Promise<boolean> {
  if ((await hashFile(path)) === sha256) return true;
  return content !== undefined && (await hasContent(path, content));
}

/** SHA-256 of a file of any size, as 64 lower-case hexadecimal digits. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function hasContent(path: string, content: SourceContent): Promise<boolean> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    await pipeline(createReadStream(path), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        // Leaving early breaks the pipeline off: a decompression bomb is not unpacked to its end.
        if (bytes > content.bytes) return;
        hash.update(chunk);
      }
    });
  } catch (error) {
    if (bytes > content.bytes || isZlibError(error)) return false;
    throw error;
  }
  return hash.digest('hex') === content.sha256;
}

function isZlibError(error: unknown): boolean {
  return String((error as NodeJS.ErrnoException).code).startsWith('Z_');
}
