import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { benchmarkError } from '../errors.ts';

/** Paths by file name, whether the file is gzipped by name or not. */
export type Folder = ReadonlyMap<string, string>;

async function listFolder(folder: string): Promise<Folder> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw benchmarkError('ERR_DATA_NOT_FOUND', {
      wrong: 'the data folder cannot be read',
      received: folder,
      action: 'Name a folder that exists.',
      cause,
    });
  });
  // Sorted backwards, the plain file comes last and wins over its gzipped copy.
  const sorted = names.sort().reverse();
  return new Map(sorted.map((name) => [name.replace(/\.gz$/, ''), join(folder, name)]));
}

/**
 * Lists a folder and folders in it, where a dataset may lie.
 *
 * @param directory - the folder.
 * @param nested - names of folders in it that may be absent.
 * @returns one listing each, in this order, empty for what is absent.
 * @throws VRAdamError ERR_DATA_NOT_FOUND if the folder itself cannot be read.
 */
export async function listFolders(directory: string, nested: readonly string[]): Promise<Folder[]> {
  const folders = [await listFolder(directory)];
  for (const name of nested) {
    folders.push(await listFolder(join(directory, name)).catch((): Folder => new Map()));
  }
  return folders;
}
