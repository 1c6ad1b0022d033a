/** onnxruntime-web in Node: it takes its WebAssembly from the package's own folder. */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as web from 'onnxruntime-web';

const folder = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
web.env.wasm.numThreads = 1;
web.env.wasm.wasmBinary = (await readFile(join(folder, 'ort-wasm-simd-threaded.wasm'))).buffer;
web.env.wasm.wasmPaths = pathToFileURL(`${folder}/`).href;

/** The module, ready for use. */
export { web };
