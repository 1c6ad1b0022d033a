/** Result files of commands that leave more than one, or none. */

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSystemError } from '../errors.ts';

/**
 * Writes files, each beside its place first, so that an old one is whole until the new one is.
 *
 * @param folder - where; made if missing.
 * @param files - contents by name.
 * @throws VRAdamError `ERR_FILE_SYSTEM`.
 */
export async function writeAll(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      const path = join(folder, name);
      await writeFile(`${path}.part`, content);
      await rename(`${path}.part`, path);
    }
  } catch (error) {
    throw fileSystemError(folder, error);
  }
}
