/** Which suite this is: only workers of the same one run the trials of a sweep. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Packages whose code has a say in what comes of a trial, besides that of the suite. */
const packages = [
  '@vradam/core',
  '@vradam/onnx-autodiff',
  '@vradam/onnxruntime',
  '@vradam/tfjs',
  '@vradam/wasm',
];

const own = fileURLToPath(new URL('../..', import.meta.url));

function codeIn(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /\.(js|ts)$/.test(name) && !name.endsWith('.d.ts')).sort();
}

/** A checksum of all code, and of the versions of everything else. */
export function suiteOf(): string {
  const hash = createHash('sha256').update(readFileSync(join(own, '..', 'package.json')));
  const folders = packages.map((name) => dirname(fileURLToPath(import.meta.resolve(name))));
  for (const folder of [own, ...folders]) {
    for (const name of codeIn(folder)) hash.update(name).update(readFileSync(join(folder, name)));
  }
  return hash.digest('hex').slice(0, 12);
}
