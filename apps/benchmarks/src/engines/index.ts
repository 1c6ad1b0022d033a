import { createRequire } from 'node:module';
import { benchmarkError } from '../errors.ts';
import { suggestion } from '../names.ts';
import type { Engine } from './engine.ts';

interface EngineEntry {
  /** Packages without which it does not start. */
  readonly needs: readonly string[];
  readonly start: (threads?: number) => Promise<Engine>;
}

/** Engines by name; each is loaded only when it is asked for. */
const engines: Readonly<Record<string, EngineEntry>> = {
  'onnxruntime-node': {
    needs: ['onnxruntime-node'],
    start: async (threads) => (await import('./onnxruntime.ts')).createOnnxruntimeNodeEngine(threads),
  },
  'onnxruntime-web': {
    needs: ['onnxruntime-web'],
    start: async () => (await import('./onnxruntime.ts')).createOnnxruntimeWebEngine(),
  },
  'tfjs-wasm': {
    needs: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
    start: async () => (await import('./tfjsWasm.ts')).createTfjsWasmEngine(),
  },
};

/** Names of the engines. */
export const engineNames: readonly string[] = Object.keys(engines);

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
