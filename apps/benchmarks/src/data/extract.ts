import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join, posix, win32 } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { VRAdamError } from '@vradam/core';
import { extract as extractTar, list as listTar, type ReadEntry } from 'tar';
import { openPromise, type Entry as ZipEntry } from 'yauzl';
import { benchmarkError, fileSystemError, isFileSystemError } from '../errors.ts';
import type { ArchivedFile, SourceArchive } from './sources.ts';

/** What an archive says about one of its entries. */
interface Entry {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'other';
  readonly bytes: number;
}

/**
 * Takes the named files out of an archive. They are unpacked into a temporary folder beside their place and
 * renamed into it once all are whole. Other files in the archive are left there; an entry that is a link or
 * a device, or that points outside, condemns the whole archive. Does nothing where all files are in place
 * already.
 *
 * @param path - the archive.
 * @param archive - its format, and which files go where.
 * @param directory - an existing folder; `archive.to` is resolved in it.
 * @throws VRAdamError ERR_FILE_FORMAT for an archive that is broken, unsafe, too large, or lacks a file;
 *   ERR_FILE_SYSTEM if the folder cannot be written.
 */
export async function extractArchive(path: string, archive: SourceArchive, directory: string): Promise<void> {
  const target = join(directory, archive.to);
  if (await holdsAll(target, archive)) return;
  try {
    await extractVia(await mkdtemp(join(directory, '.extract-')), path, archive, target);
  } catch (error) {
    if (error instanceof VRAdamError) throw error;
    if (isFileSystemError(error)) throw fileSystemError(target, error);
    throw broken(path, 'the archive cannot be unpacked', error);
  }
}

async function extractVia(
  temporary: string,
  path: string,
  archive: SourceArchive,
  target: string,
): Promise<void> {
  const unpack = archive.format === 'zip' ? unpackZip : unpackTar;
  const unpacked = join(temporary, archive.from);
  try {
    await unpack(path, archive, temporary);
    if (await holdsAll(unpacked, archive)) return await moveFiles(unpacked, target, archive);
    throw broken(path, `the archive lacks some of ${archive.files.map(({ name }) => name).join(', ')}`);
  } finally {
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Reads the archive twice: nothing is written before all of it has been seen to be harmless. */
async function unpackTar(path: string, archive: SourceArchive, temporary: string): Promise<void> {
  const entries: Entry[] = [];
  const onReadEntry = (entry: ReadEntry) => entries.push(describeTar(entry));
  await listTar({ file: path, strict: true, maxDecompressionRatio: 100, onReadEntry });
  const wanted = new Set(entries.filter((entry) => select(archive, entry)).map((entry) => entry.path));
  await extractTar({
    file: path,
    cwd: temporary,
    strict: true,
    filter: (entryPath) => wanted.has(entryPath),
  });
}

function describeTar({ path, type, size }: ReadEntry): Entry {
  const kinds: Record<string, Entry['kind']> = { File: 'file', OldFile: 'file', Directory: 'folder' };
  return { path, kind: kinds[type] ?? 'other', bytes: size };
}

async function unpackZip(path: string, archive: SourceArchive, temporary: string): Promise<void> {
  await mkdir(join(temporary, archive.from), { recursive: true });
  const zip = await openPromise(path, { strictFileNames: true, validateEntrySizes: true });
  try {
    for await (const entry of zip.eachEntry()) {
      const file = select(archive, describeZip(entry));
      if (file === undefined) continue;
      const out = createWriteStream(join(temporary, archive.from, file.name), { flags: 'wx' });
      await pipeline(await zip.openReadStreamPromise(entry), out);
    }
  } finally {
    zip.close();
  }
}

function describeZip({ fileName, externalFileAttributes, uncompressedSize }: ZipEntry): Entry {
  const unixType = (externalFileAttributes >>> 16) & 0o170000;
  const plain = unixType === 0 || unixType === 0o100000 || unixType === 0o040000;
  const kind = fileName.endsWith('/') ? 'folder' : 'file';
  return { path: fileName, kind: plain ? kind : 'other', bytes: uncompressedSize };
}

/** The wanted file that an entry is, if it is one; throws if no honest archive has such an entry. */
function select({ from, files }: SourceArchive, { path, kind, bytes }: Entry): ArchivedFile | undefined {
  const outside = posix.isAbsolute(path) || win32.isAbsolute(path) || path.split(/[\\/]/).includes('..');
  if (outside) throw broken(path, 'an archive must stay inside its folder');
  if (kind === 'other') throw broken(path, 'an archive must hold nothing but files and folders');
  const file = files.find(({ name }) => posix.join(from, name) === posix.normalize(path));
  if (kind === 'folder' || file === undefined) return undefined;
  if (bytes > file.maxBytes)
    throw broken(`${path}, ${bytes} bytes`, `at most ${file.maxBytes} bytes are expected`);
  return file;
}

async function holdsAll(folder: string, { files }: SourceArchive): Promise<boolean> {
  for (const { name } of files) {
    const status = await stat(join(folder, name)).catch(() => undefined);
    if (!status?.isFile()) return false;
  }
  return true;
}

/** The folder as a whole where it is new; else file by file, so that others in it stay. */
async function moveFiles(from: string, target: string, { files }: SourceArchive): Promise<void> {
  if ((await stat(target).catch(() => undefined)) === undefined) return rename(from, target);
  for (const { name } of files) await rename(join(from, name), join(target, name));
}

function broken(received: string, wrong: string, cause?: unknown): VRAdamError {
  return benchmarkError('ERR_FILE_FORMAT', {
    wrong,
    received,
    action: 'Get the archive from another address.',
    cause,
  });
}
