/** Files on disk; Node only, so it is a module of its own: `@vradam/conformance/node`. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { VRAdamError } from '@vradam/core';

/** Largest file read, in bytes after decompression. */
const maxBytes = 512 * 1024 * 1024;

/** Reads a `.json` or `.json.gz` file. */
export async function readJson(file: string): Promise<unknown> {
  const bytes = await readFile(file);
  try {
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return JSON.parse((isGzip ? gunzipSync(bytes, { maxOutputLength: maxBytes }) : bytes).toString('utf8'));
  } catch (cause) {
    throw new VRAdamError('ERR_FILE_FORMAT', `[@vradam/conformance] ${file} is not JSON: ${cause}.`, {
      cause,
    });
  }
}

/** Where this package keeps its golden files. */
export const goldenDirectory: string = fileURLToPath(new URL('../golden/', import.meta.url));

/**
 * Names of the files in a directory that may be golden files: `*.json` and `*.json.gz`, sorted.
 *
 * @throws VRAdamError `ERR_FILE_FORMAT` if it cannot be read or holds none.
 */
export async function listGolden(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((cause) => {
    const message = `[@vradam/conformance] cannot read directory ${directory}: ${cause.message}.`;
    throw new VRAdamError('ERR_FILE_FORMAT', message, { cause });
  });
  const files = names.filter((name) => /\.json(\.gz)?$/.test(name)).sort();
  if (files.length === 0) {
    throw new VRAdamError(
      'ERR_FILE_FORMAT',
      `[@vradam/conformance] no .json files in directory ${directory}.`,
    );
  }
  return files;
}

/** Parsed JSON of all golden files, by name. Default: those of this package. */
export async function loadGolden(directory: string = goldenDirectory): Promise<Record<string, unknown>> {
  const files = await listGolden(directory);
  const read = files.map(async (name) => [name, await readJson(join(directory, name))] as const);
  return Object.fromEntries(await Promise.all(read));
}
