import { createRequire } from 'node:module';
import { benchmarkError } from '../errors.ts';
import { suggestion } from '../names.ts';
import { findChromium, missingChromium } from './chromium/executable.ts';
import type { Engine } from './engine.ts';

interface EngineEntry {
  /** What it is, in a few words. */
  readonly title: string;
  /** Where it runs. */
  readonly place: 'node' | 'chromium';
  /** Packages without which it does not start. */
  readonly needs: readonly string[];
  readonly start: (threads?: number) => Promise<Engine>;
}

const inChromium = async (name: string): Promise<Engine> =>
  (await import('./chromium/engine.ts')).startChromiumEngine(name);

const forChromium = ['playwright-core', 'rolldown'];

/** Engines by name; each is loaded only when it is asked for. */
const engines: Readonly<Record<string, EngineEntry>> = {
  'onnxruntime-node': {
    title: 'onnxruntime, native, on all cores',
    place: 'node',
    needs: ['onnxruntime-node'],
    start: async (threads) => (await import('./node.ts')).startOnnxruntimeNode(threads),
  },
  'onnxruntime-web': {
    title: 'onnxruntime as WebAssembly, one thread',
    place: 'node',
    needs: ['onnxruntime-web'],
    start: async () => (await import('./node.ts')).startOnnxruntimeWeb(),
  },
  'tfjs-wasm': {
    title: 'TensorFlow.js as WebAssembly, one thread',
    place: 'node',
    needs: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
    start: async () => (await import('./node.ts')).startTfjsWasm(),
  },
  'tfjs-cpu': {
    title: 'TensorFlow.js in plain JavaScript: slow, for smoke tests',
    place: 'node',
    needs: ['@tensorflow/tfjs'],
    start: async () => (await import('./node.ts')).startTfjsCpu(),
  },
  'onnxruntime-webgpu': {
    title: 'onnxruntime on WebGPU, in headless Chromium',
    place: 'chromium',
    needs: [...forChromium, 'onnxruntime-web'],
    start: () => inChromium('onnxruntime-webgpu'),
  },
  'tfjs-webgpu': {
    title: 'TensorFlow.js on WebGPU, in headless Chromium',
    place: 'chromium',
    needs: [...forChromium, 'onnxruntime-web', '@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu'],
    start: () => inChromium('tfjs-webgpu'),
  },
};

/** Names of the engines. */
export const engineNames: readonly string[] = Object.keys(engines);

/** Names of the engines that run in this process, or in Chromium. */
export const enginesIn = (place: EngineEntry['place']): string[] =>
  engineNames.filter((name) => engines[name]?.place === place);

/** What an engine is, in a few words. */
export const engineTitle = (name: string): string => engines[name]?.title ?? '';

/** True unless a package cannot be found: a native one may be left out of an installation. */
function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** Packages that an engine needs and that are not installed. */
export function missingPackages(engine: string): string[] {
  return (engines[engine]?.needs ?? []).filter((name) => !isInstalled(name));
}

/** What an engine lacks to start here, and what to do; null if nothing. */
export function whatIsMissing(engine: string): string | null {
  const missing = missingPackages(engine);
  if (missing.length > 0) return `not installed: npm install ${missing.join(' ')}`;
  const needsChromium = engines[engine]?.place === 'chromium';
  return needsChromium && findChromium() === undefined ? `no Chromium: ${missingChromium}` : null;
}

/** The fastest engine that is installed. */
export const defaultEngine: string =
  missingPackages('onnxruntime-node').length === 0 ? 'onnxruntime-node' : 'tfjs-wasm';

/**
 * Starts an engine.
 *
 * @param threads - where it can have several; undefined for the machine's cores.
 * @throws VRAdamError `ERR_OPTION_RANGE` for an unknown name, `ERR_UNSUPPORTED` where it is not installed.
 */
export async function startEngine(name: string, threads?: number): Promise<Engine> {
  const engine = Object.hasOwn(engines, name) ? engines[name] : undefined;
  if (!engine) {
    throw benchmarkError('ERR_OPTION_RANGE', {
      wrong: `--engine must be one of ${engineNames.join(', ')}`,
      received: name,
      action: `${suggestion(name, engineNames)}Choose one of these.`,
    });
  }
  const missing = missingPackages(name);
  if (missing.length === 0) return engine.start(threads);
  throw benchmarkError('ERR_UNSUPPORTED', {
    wrong: `the engine ${name} is not installed`,
    received: `no ${missing.join(' and no ')}`,
    action: `Run: npm install ${missing.join(' ')}; or choose another --engine.`,
  });
}

/**
 * Starts an engine for as long as it is used: whatever happens, it is closed.
 *
 * @param threads - as for {@link startEngine}.
 * @throws what {@link startEngine} throws, and what the use throws.
 */
export async function withEngine<R>(
  name: string,
  use: (engine: Engine) => Promise<R>,
  threads?: number,
): Promise<R> {
  const engine = await startEngine(name, threads);
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}
