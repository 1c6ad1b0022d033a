import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { VRAdamError } from '@vradam/core';
import { benchmarkError, fileSystemError } from '../errors.ts';

/** What a file must be. */
export interface ByteRule {
  /** The kind of file, for messages, such as `a CIFAR-10 file`. */
  readonly kind: string;
  /** Most bytes, decompressed or not: a gzip file that claims more is a decompression bomb. */
  readonly maxBytes: number;
}

/**
 * Reads a file, and decompresses it if it is gzipped: its first bytes decide, not its name.
 *
 * @param path - the file.
 * @param rule - what it must be.
 * @throws VRAdamError ERR_FILE_FORMAT for what is no regular file, is too large or a broken gzip file;
 *   ERR_FILE_SYSTEM for what cannot be read.
 */
export async function readDecompressed(path: string, rule: ByteRule): Promise<Uint8Array> {
  const name = basename(path);
  const { kind, maxBytes } = rule;
  const status = await stat(path).catch(raise(path));
  if (!status.isFile()) throw malformedFile(name, `${kind} must be a regular file`, path);
  if (status.size > maxBytes) throw malformedFile(name, `${kind} has at most ${maxBytes} bytes`, status.size);
  const bytes = await readFile(path).catch(raise(path));
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return zipped ? decompress(name, bytes, rule) : bytes;
}

function raise(path: string): (cause: unknown) => never {
  return (cause) => {
    throw fileSystemError(path, cause);
  };
}

async function decompress(
  name: string,
  bytes: Uint8Array,
  { kind, maxBytes }: ByteRule,
): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    const tooLarge = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const limit = `${kind} decompresses to at most ${maxBytes} bytes`;
    // zlib says whether it ends too early or its checksum is another
    const reason = tooLarge ? limit : `a gzip file is broken, ${(cause as Error).message}`;
    throw malformedFile(name, reason, `${bytes.length} bytes`, cause);
  }
}

/** The error of a data file that is not what it must be. */
export function malformedFile(name: string, wrong: string, received: unknown, cause?: unknown): VRAdamError {
  const action = 'Remove it and fetch it again.';
  return benchmarkError('ERR_FILE_FORMAT', { wrong: `${name}: ${wrong}`, received, action, cause });
}

/** SHA-256 of bytes, as 64 lower-case hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
