/** docs/contributing/new-backend.md, followed word for word outside of this repository, with the packages as they are packed. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBackend, failSuite, needed, passSuite } from '../scripts/rehearsal/backend.mjs';
import { root, workspaces } from './workspaces.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vradam-backend-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Packs what a backend installs; the paths of the files. */
function pack(): string[] {
  const folders = workspaces
    .filter(({ manifest }) => needed.includes(manifest.name))
    .map(({ folder }) => folder);
  const options = ['--ignore-scripts', '--silent', '--pack-destination', scratch];
  execFileSync('npm', ['pack', ...options, ...folders.map((folder) => `./${folder}`)], { cwd: root });
  return readdirSync(scratch).map((name) => join(scratch, name));
}

describe('a backend of nested arrays', () => {
  let backend: ReturnType<typeof createBackend>;

  beforeAll(() => {
    const packages = pack();
    expect(packages).toHaveLength(needed.length);
    // what the packages need besides was installed with this repository
    backend = createBackend(packages, {
      scratch,
      repository: root,
      env: { npm_config_prefer_offline: 'true' },
    });
  }, 300_000);

  test('has the files of the page', () => {
    expect(Object.keys(backend.files)).toEqual(['src/ops.ts', 'conformance.ts', 'conformance.test.ts']);
  });

  test('passes the published suite', { timeout: 300_000 }, () => {
    expect(passSuite(backend)).toBeGreaterThan(50);
  });

  test('with a mistake in one operation, fails, and is told which', { timeout: 300_000 }, () => {
    expect(failSuite(backend)).toMatch(/sumPower .* must be/);
  });
});
