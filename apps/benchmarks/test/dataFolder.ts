import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** An empty folder that is removed after the test. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vradam-data-'));
  folders.push(folder);
  return folder;
}

/** Names of everything below a folder, sorted. */
export async function listing(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

/** Asserts that a promise fails with a code and a message of the agreed form that mentions `words`. */
export async function expectFailure(
  promise: Promise<unknown>,
  code: string,
  ...words: string[]
): Promise<void> {
  const error = await promise.then(
    () => expect.fail(`should have failed with ${code}`),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'VRAdamError', code });
  const { message } = error as Error;
  expect(message).toMatch(/^\[@vradam\/benchmarks\] .+\. Received: .+\. [A-Z].+\.$/s);
  for (const word of words) expect(message).toContain(word);
}
