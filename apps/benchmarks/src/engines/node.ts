/** The engines of this process: runtimes that work in Node. */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Engine } from './engine.ts';

/** onnxruntime, native, on as many threads, or the machine's cores. */
export async function startOnnxruntimeNode(threads?: number): Promise<Engine> {
  const [ort, { onnxruntimeEngine }] = await Promise.all([
    import('onnxruntime-node'),
    import('./onnxruntime.ts'),
  ]);
  const versions = { 'onnxruntime-node': ort.env.versions.node ?? 'unknown' };
  return onnxruntimeEngine({ name: 'onnxruntime-node', ort, versions, threads });
}

/** onnxruntime as WebAssembly, on one thread. */
export async function startOnnxruntimeWeb(): Promise<Engine> {
  const [ort, { onnxruntimeEngine }] = await Promise.all([
    import('onnxruntime-web'),
    import('./onnxruntime.ts'),
  ]);
  const folder = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = pathToFileURL(`${folder}/`).href;
  // Node's fetch does not read files
  ort.env.wasm.wasmBinary = await readFile(join(folder, 'ort-wasm-simd-threaded.wasm'));
  const versions = { 'onnxruntime-web': ort.env.versions.web ?? 'unknown' };
  return onnxruntimeEngine({ name: 'onnxruntime-web', ort, versions });
}

/** TensorFlow.js as WebAssembly, with the gradient kernels of @vradam/tfjs. */
export async function startTfjsWasm(): Promise<Engine> {
  const [{ version_wasm }, { registerGradientKernels }, { tfjsEngine }] = await Promise.all([
    import('@tensorflow/tfjs-backend-wasm'),
    import('@vradam/tfjs'),
    import('./tfjs.ts'),
  ]);
  registerGradientKernels();
  const versions = { '@tensorflow/tfjs-backend-wasm': version_wasm };
  return tfjsEngine({ name: 'tfjs-wasm', backend: 'wasm', versions });
}

/** TensorFlow.js in plain JavaScript, the backend that @tensorflow/tfjs brings along. */
export async function startTfjsCpu(): Promise<Engine> {
  const { tfjsEngine } = await import('./tfjs.ts');
  return tfjsEngine({ name: 'tfjs-cpu', backend: 'cpu', versions: {} });
}
