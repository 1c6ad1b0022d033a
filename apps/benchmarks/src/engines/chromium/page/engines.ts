/** The engines of a page: runtimes on WebGPU. */

/// <reference lib="dom" />

import { buildModel, encodeModel, GraphBuilder } from '@vradam/onnx-autodiff';
import { benchmarkError } from '../../../errors.ts';
import type { Engine } from '../../engine.ts';

/** An engine, and the device that it computes on. */
export interface PageEngine {
  readonly engine: Engine;
  readonly device: GPUDevice;
}

/** What an adapter says of itself; computed in software it says nothing about the speed of a GPU. */
async function adapterLine(): Promise<string> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) {
    throw benchmarkError('ERR_UNSUPPORTED', {
      wrong: 'this Chromium has no WebGPU adapter',
      received: navigator.gpu ? 'none from navigator.gpu' : 'no navigator.gpu',
      action: 'Give VRADAM_CHROMIUM a newer one, or choose an engine that runs in Node.',
    });
  }
  const { vendor, architecture, isFallbackAdapter } = adapter.info;
  return `${vendor} ${architecture}${isFallbackAdapter ? ', in software' : ''}`;
}

/**
 * A model that does nothing much. With its session onnxruntime-web has a device, and keeps it and every shader that was
 * compiled for it as long as the page is there, not only until the last session is gone.
 */
function anyModel(): Uint8Array {
  const g = new GraphBuilder();
  return encodeModel(buildModel(g, { outputs: new Map([['y', g.relu(g.input('x', 'float32', [1]))]]) }));
}

/** onnxruntime-web with its WebGPU provider. */
async function startOnnxruntime(adapter: string): Promise<PageEngine> {
  const [ort, { onnxruntimeEngine }] = await Promise.all([
    import('onnxruntime-web/webgpu'),
    import('../../onnxruntime.ts'),
  ]);
  ort.env.wasm.numThreads = 1;
  const versions = { 'onnxruntime-web': ort.env.versions.web ?? 'unknown', 'WebGPU adapter': adapter };
  const name = 'onnxruntime-webgpu';
  const executionProviders = ['webgpu'];
  await ort.InferenceSession.create(anyModel(), { executionProviders });
  const engine = onnxruntimeEngine({ name, ort, versions, executionProviders });
  return { engine, device: (await ort.env.webgpu.device) as GPUDevice };
}

/** TensorFlow.js with its WebGPU backend. */
async function startTfjs(adapter: string): Promise<PageEngine> {
  const [tf, { version }, { tfjsEngine }] = await Promise.all([
    import('@tensorflow/tfjs'),
    import('@tensorflow/tfjs-backend-webgpu/package.json', { with: { type: 'json' } }).then(
      (json) => json.default,
    ),
    import('../../tfjs.ts'),
    import('@tensorflow/tfjs-backend-webgpu'),
  ]);
  const versions = { '@tensorflow/tfjs-backend-webgpu': version, 'WebGPU adapter': adapter };
  const engine = await tfjsEngine({ name: 'tfjs-webgpu', backend: 'webgpu', versions });
  return { engine, device: (tf.backend() as unknown as { device: GPUDevice }).device };
}

const starts: Readonly<Record<string, (adapter: string) => Promise<PageEngine>>> = {
  'onnxruntime-webgpu': startOnnxruntime,
  'tfjs-webgpu': startTfjs,
};

/**
 * Starts an engine.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` without an adapter.
 */
export async function startPageEngine(name: string): Promise<PageEngine> {
  const start = starts[name];
  if (!start) throw new Error(`the page has no engine ${name}`);
  return start(await adapterLine());
}
