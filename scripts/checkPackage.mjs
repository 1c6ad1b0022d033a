// Holds a package, from its folder, to what is promised of all: nothing runs at installation, only what a user needs is
// published, every source map leads to a source that is there, licences are permissive, and packing it twice gives the
// same bytes.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const manifest = readJson('package.json');

const atInstallation = [
  'preinstall',
  'install',
  'postinstall',
  'prepublish',
  'preprepare',
  'prepare',
  'postprepare',
];
const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT'];

/** What a package may hold besides what its `exports` and `bin` need. */
const published = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
  /^(dist|src)\/.+\.(js|ts)$/,
  /^dist\/.+\.map$/,
  /^assembly\/.+\.ts$/, // what the sources of WebAssembly modules map to
  /^bin\/[\w-]+\.mjs$/,
  /^golden\/[\w.-]+\.(json|md)$/,
];

/** Packs into a folder of its own, which is gone afterwards. */
function pack() {
  const folder = mkdtempSync(join(tmpdir(), 'vradam-pack-'));
  try {
    const text = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [{ integrity, files }] = JSON.parse(text);
    return { integrity, files: files.map(({ path }) => path) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What every package needs: its papers, what `exports` and `bin` name, and a map for each of its modules. */
function required(files) {
  const { exports, bin = {} } = manifest;
  const targets = [...Object.values(exports), ...Object.values(bin)]
    .map((path) => posix.normalize(path))
    .filter((path) => !path.includes('*'));
  const modules = [...files].filter((path) => /^dist\/.+\.js$/.test(path));
  return ['LICENSE', 'README.md', ...targets, ...modules.map((path) => `${path}.map`)];
}

/** Sources that a map names and the package does not hold. */
const lostSources = (map, files) =>
  readJson(map)
    .sources.map((source) => posix.join(posix.dirname(map), source))
    .filter((source) => !files.has(source))
    .map((source) => `${map} leads to ${source}, which is not published`);

/** Production dependencies, and theirs, as the lock file has them. */
function dependencies() {
  const { packages } = readJson(join(root, 'package-lock.json'));
  const found = new Map();
  const visit = (from, names) => {
    for (const name of names.filter((one) => !one.startsWith('@vradam/'))) {
      let folder = from;
      while (!packages[posix.join(folder, 'node_modules', name)] && folder !== '.')
        folder = posix.dirname(folder);
      const path = posix.join(folder, 'node_modules', name);
      if (found.has(path)) continue;
      found.set(path, packages[path] ?? {});
      visit(path, Object.keys(packages[path]?.dependencies ?? {}));
    }
  };
  visit(resolve('.').slice(root.length), Object.keys(manifest.dependencies ?? {}));
  return found;
}

const first = pack();
const files = new Set(first.files);
const licences = [...dependencies()].map(([path, { license }]) => [path, license ?? 'no licence']);
const problems = [
  ...Object.keys(manifest.scripts)
    .filter((name) => atInstallation.includes(name))
    .map((name) => `the script ${name} would run where the package is installed`),
  ...first.files
    .filter((path) => !published.some((pattern) => pattern.test(path)))
    .map((path) => `${path} is published, and nobody needs it`),
  ...required(files)
    .filter((path) => !files.has(path))
    .map((path) => `${path} is missing`),
  ...first.files.filter((path) => path.endsWith('.map')).flatMap((map) => lostSources(map, files)),
  ...licences
    .filter(([, license]) => !permissive.includes(license))
    .map(
      ([path, license]) => `${path} is under ${license}; look at it, and add it to the list or do without`,
    ),
  ...(pack().integrity === first.integrity ? [] : ['packed twice, it is not the same']),
];
for (const problem of problems) console.error(`${manifest.name}: ${problem}`);
console.log(
  `${manifest.name}: ${files.size} files, ${licences.map((pair) => pair.join(' ')).join(', ') || 'no dependencies'}`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
