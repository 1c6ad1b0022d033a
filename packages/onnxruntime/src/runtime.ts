/** The part of onnxruntime that this package uses: the same in onnxruntime-web, its bundles, and onnxruntime-node. */

import type { DataType, TensorData } from '@vradam/onnx-autodiff/lazy';
import { fail } from './errors.ts';

/** A tensor of onnxruntime. */
export interface OrtTensor {
  /** Element type in onnxruntime's words: `float32`, `int64`, `bool`, ... */
  readonly type: string;
  /** Shape. */
  readonly dims: readonly number[];
  /** Where its elements are: `cpu`, `gpu-buffer`, ... */
  readonly location: string;
  /** Elements, if they are on the CPU. */
  readonly data: unknown;
  /** Elements, wherever they are. */
  getData(releaseData?: boolean): Promise<unknown>;
  /** Releases what is not on the CPU. */
  dispose(): void;
}

/** Tensors by name. */
export type OrtTensors = Readonly<Record<string, OrtTensor>>;

/** A session of onnxruntime. */
export interface OrtSession {
  run(feeds: never): Promise<object>;
  release(): Promise<void>;
}

/** The module that a user imports: `onnxruntime-web`, `onnxruntime-web/webgpu`, `onnxruntime-node`. */
export interface OrtModule {
  readonly InferenceSession: { create(model: Uint8Array, options?: object): Promise<OrtSession> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
  readonly env: { readonly versions?: object };
}

/** What a runtime is and can. */
export interface Runtime {
  /** The user's module. */
  readonly ort: OrtModule;
  /** `node` for native code, `web` for WebAssembly and WebGPU. */
  readonly kind: 'node' | 'web';
  /** True if WebGPU was asked for. */
  readonly isWebGpu: boolean;
  /** True if tensors can stay in GPU buffers between runs. */
  readonly keepsOnGpu: boolean;
  /** Version of onnxruntime. */
  readonly version: string;
  /** Options of every session. */
  readonly options: { readonly executionProviders: readonly ExecutionProvider[] };
}

/** An execution provider: a name, or a name with options, as onnxruntime takes them. */
export type ExecutionProvider =
  | string
  | { readonly name: string }
  | { readonly name: string; readonly [option: string]: unknown };

/** Options that reach onnxruntime. */
export interface RuntimeOptions {
  /** Where to run, in order of preference. Default `['cpu']` in Node, `['wasm']` elsewhere. */
  readonly executionProviders?: readonly ExecutionProvider[];
  /** Further options of `InferenceSession.create`, such as `intraOpNumThreads`. */
  readonly sessionOptions?: Readonly<Record<string, unknown>>;
}

const nameOf = (provider: ExecutionProvider): string =>
  typeof provider === 'string' ? provider : provider.name;

/** Looks at the user's module. Throws `ERR_OPTION_TYPE` if it is none. */
export function openRuntime(ort: OrtModule, options: RuntimeOptions = {}): Runtime {
  if (typeof ort?.InferenceSession?.create !== 'function' || typeof ort?.Tensor !== 'function') {
    fail(
      'ERR_OPTION_TYPE',
      `ort must be the module of onnxruntime. Received: ${typeof ort}. Import it by \`import * as ort from 'onnxruntime-node'\` (or 'onnxruntime-web').`,
    );
  }
  const versions = (ort.env?.versions ?? {}) as Readonly<Record<string, string | undefined>>;
  const kind = versions['node'] === undefined ? 'web' : 'node';
  const { executionProviders = [kind === 'node' ? 'cpu' : 'wasm'], sessionOptions } = options;
  const ofSessions = {
    logSeverityLevel: 3,
    // onnxruntime plans memory as if everything were needed at once: a third more than a training graph takes
    enableMemPattern: false,
    ...sessionOptions,
    executionProviders: [...executionProviders],
  };
  const onGpu = executionProviders.some((provider) => nameOf(provider) === 'webgpu');
  return {
    ort,
    kind,
    isWebGpu: onGpu,
    // asking onnxruntime-node for a GPU buffer ends the process
    keepsOnGpu: onGpu && kind === 'web',
    version: versions[kind] ?? versions['common'] ?? 'unknown',
    options: ofSessions,
  };
}

/** A model in a session. */
export interface OpenModel {
  /** Runs it. Tensors given are the caller's, tensors received too. */
  run(feeds: OrtTensors): Promise<OrtTensors>;
  /** Ends the session. */
  release(): Promise<void>;
  /** How long onnxruntime took to make the session, in milliseconds. */
  readonly createMs: number;
}

/** Where parts of a model belong. */
export interface Placement {
  /** Outputs that stay in GPU buffers, where the runtime can keep them there. */
  readonly onGpu?: readonly string[];
  /** Nodes that WebGPU must leave to the CPU. */
  readonly onCpu?: readonly string[];
}

/** WebGPU's provider with the nodes that it must leave alone; other providers as they are. */
function leaving(provider: ExecutionProvider, onCpu: readonly string[]): ExecutionProvider {
  if (nameOf(provider) !== 'webgpu' || onCpu.length === 0) return provider;
  const given = typeof provider === 'string' ? { name: provider } : provider;
  const own = (given as { readonly forceCpuNodeNames?: readonly string[] }).forceCpuNodeNames ?? [];
  return { ...given, forceCpuNodeNames: [...own, ...onCpu] };
}

/** Options of a session, with all that concerns its GPU. */
function optionsOf({ keepsOnGpu, options }: Runtime, { onGpu = [], onCpu = [] }: Placement): object {
  if (!keepsOnGpu) return options;
  const executionProviders = options.executionProviders.map((provider) => leaving(provider, onCpu));
  const preferredOutputLocation = Object.fromEntries(onGpu.map((name) => [name, 'gpu-buffer']));
  return { ...options, executionProviders, ...(onGpu.length > 0 ? { preferredOutputLocation } : {}) };
}

/**
 * Opens a session.
 *
 * @throws VRAdamError `ERR_RUNTIME`, with onnxruntime's own error as its cause.
 */
export async function openModel(
  runtime: Runtime,
  bytes: Uint8Array,
  placement: Placement = {},
): Promise<OpenModel> {
  const options = optionsOf(runtime, placement);
  const begin = performance.now();
  const session = await runtime.ort.InferenceSession.create(bytes, options).catch((cause) =>
    fail('ERR_RUNTIME', `onnxruntime could not open the graph: ${(cause as Error).message}`, cause),
  );
  return {
    createMs: performance.now() - begin,
    run: (feeds) =>
      session.run(feeds as never).then(
        (results) => results as OrtTensors,
        (cause) => fail('ERR_RUNTIME', `onnxruntime failed: ${(cause as Error).message}`, cause),
      ),
    release: () => session.release(),
  };
}

/** A tensor of onnxruntime around elements, which are not copied. */
export function toOrt(
  { ort }: Runtime,
  dtype: DataType,
  data: TensorData,
  dims: readonly number[],
): OrtTensor {
  return new ort.Tensor(dtype as 'float32', data as Float32Array, [...dims]);
}

declare const performance: { now(): number };
