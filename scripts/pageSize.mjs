// What a page downloads, for .size-limit.json.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { trainingCases } from '../apps/benchmarks/dist/onnxruntime/cases.js';
import { buildModel, encodeModel } from '../packages/onnx-autodiff/dist/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Tells of a file whether it is loaded to train a model of the benchmarks: the training itself says so. */
export function loadedFor(name) {
  const input = encodeModel(buildModel(trainingCases[name].graph()));
  const cwd = join(root, 'packages/onnxruntime');
  const output = execFileSync(process.execPath, ['bench/loadedModules.mjs'], { cwd, input });
  const loaded = new Set(output.toString().split('\n'));
  return (path) => loaded.has(pathToFileURL(path).href);
}

/** Files that are not counted: they belong to the core. */
const isCore = ({ inputs, entryPoint = '' }) =>
  [entryPoint, ...Object.keys(inputs)].every((path) => path === '' || path.startsWith('packages/core/'));

/** Leaves those outputs in a build's report that are loaded with the page, or later on. */
function count({ outputs }, isLoaded) {
  const counted = new Set();
  const visit = (path) => {
    const output = outputs[path];
    if (!output || counted.has(path)) return;
    counted.add(path);
    for (const { kind, path: next } of output.imports) {
      if (kind !== 'dynamic-import' || isLoaded(outputs[next]?.entryPoint ?? '')) visit(next);
    }
  };
  visit(Object.keys(outputs).find((path) => path.endsWith('/page.js')));
  for (const path of Object.keys(outputs)) {
    if (!counted.has(path) || isCore(outputs[path])) delete outputs[path];
  }
}

/**
 * A configuration of esbuild that makes size-limit measure a page: by a bundle in parts, of which it counts what is loaded.
 *
 * @param folder - where the bundle goes.
 * @param code - the page's own module.
 * @param isLoaded - which files are loaded on demand.
 */
export function page(folder, code, isLoaded) {
  const outdir = `.cache/pages/${folder}`;
  rmSync(join(root, outdir), { recursive: true, force: true });
  return {
    absWorkingDir: root,
    bundle: true,
    entryPoints: { page: 'page', core: 'packages/core/dist/index.js' },
    external: ['onnxruntime-node', 'onnxruntime-web', '@vradam/wasm'],
    format: 'esm',
    minify: true,
    outdir,
    splitting: true,
    plugins: [
      {
        name: 'page',
        setup(build) {
          build.onResolve({ filter: /^page$/ }, () => ({ path: 'page', namespace: 'page' }));
          build.onLoad({ filter: /./, namespace: 'page' }, () => ({ contents: code, resolveDir: root }));
          build.onEnd(({ metafile }) => count(metafile, isLoaded));
        },
      },
    ],
  };
}

/** The module of a page that trains. */
export const training = "export { createTrainingSession, crossEntropy, vradam } from '@vradam/onnxruntime';";
