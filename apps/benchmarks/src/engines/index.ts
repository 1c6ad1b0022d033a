import { createRequire } from 'node:module';
import { benchmarkError } from '../errors.ts';
import type { Engine } from './engine.ts';

/** Engines by name; each is loaded only when it is asked for. */
const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  'onnxruntime-node': async () => (await import('./onnxruntime.ts')).createOnnxruntimeNodeEngine(),
  'onnxruntime-web': async () => (await import('./onnxruntime.ts')).createOnnxruntimeWebEngine(),
  'tfjs-wasm': async () => (await import('./tfjsWasm.ts')).createTfjsWasmEngine(),
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

/** The fastest engine that is installed. */
export const defaultEngine: string = isInstalled('onnxruntime-node') ? 'onnxruntime-node' : 'tfjs-wasm';

/** Starts an engine. */
export async function startEngine(name: string): Promise<Engine> {
  const start = Object.hasOwn(engines, name) ? engines[name] : undefined;
  if (start) return start();
  throw benchmarkError('ERR_OPTION_RANGE', {
    wrong: `--engine must be one of ${engineNames.join(', ')}`,
    received: name,
    action: 'Choose one of these.',
  });
}
