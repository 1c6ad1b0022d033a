import {
  type DataId,
  type DataType,
  getKernel,
  type KernelConfig,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import type { Memory } from '@vradam/wasm';
import { fail } from '../errors.ts';

/** Name under which tfjs-backend-wasm registers itself. */
export const WASM = 'wasm';

/** One entry of {@link WasmBackend.dataIdMap}: where the numbers of a tensor live, in bytes from the heap's start. */
export interface WasmTensorData {
  readonly memoryOffset: number;
}

/**
 * The members of tfjs-backend-wasm 4.22's `BackendWasm` that the gradient kernels rely on. `dataIdMap` and `wasm` are
 * private there, so {@link asWasmBackend} checks each of them before the first use.
 */
export interface WasmBackend {
  readonly dataIdMap: { get(dataId: DataId): WasmTensorData };
  readonly wasm: { readonly HEAPU8: Uint8Array };
  /** Allocates an uninitialised tensor of `shape` with one reference, owned by the caller. */
  makeOutput(shape: number[], dtype: DataType): TensorInfo;
  /** Gives up one reference. */
  disposeData(dataId: DataId): boolean;
  /** Takes one more reference. */
  incRef(dataId: DataId): void;
}

/** What tfjs hands to a kernel. */
export interface KernelParams {
  readonly inputs: NamedTensorInfoMap;
  readonly backend: object;
  readonly attrs?: NamedAttrMap;
}

const checked = new WeakSet<object>();

/**
 * The backend of a kernel call as {@link WasmBackend}.
 *
 * @param backend - what tfjs passed to the kernel; checked once per instance.
 * @throws VRAdamError `ERR_UNSUPPORTED` when a member is missing, as in an unknown version of tfjs-backend-wasm.
 */
export function asWasmBackend(backend: object): WasmBackend {
  if (checked.has(backend)) return backend as WasmBackend;
  const { dataIdMap, wasm, makeOutput, disposeData, incRef } = backend as Partial<WasmBackend>;
  const memory = wasm?.HEAPU8 && memoryOf(backend as WasmBackend);
  const members = { dataIdMap, 'wasm.HEAPU8': wasm?.HEAPU8, memory, makeOutput, disposeData, incRef };
  const missing = Object.entries(members).find(([, member]) => !member)?.[0];
  if (missing) {
    fail(
      'ERR_UNSUPPORTED',
      `the wasm backend has no ${missing}. Use @tensorflow/tfjs-backend-wasm 4.22, or train on another backend.`,
    );
  }
  checked.add(backend);
  return backend as WasmBackend;
}

/** Where tfjs-backend-wasm 4.22 keeps its memory: the first in the plain builds, the second in the threaded one. */
interface Module {
  readonly asm?: { readonly memory?: Memory };
  readonly wasmMemory?: Memory;
}

/** The memory of the backend's module, for a module of ours on the same numbers; undefined if it is elsewhere. */
export function memoryOf({ wasm }: WasmBackend): Memory | undefined {
  const { asm, wasmMemory } = wasm as Module;
  const memory = asm?.memory ?? wasmMemory;
  return memory?.buffer === wasm.HEAPU8.buffer ? memory : undefined;
}

/** What `make` makes for a memory, made once for each. */
export function oncePerMemory<E>(make: (memory: Memory) => E): (memory: Memory) => E {
  const made = new WeakMap<Memory, E>();
  return (memory) => {
    const instance = made.get(memory) ?? make(memory);
    made.set(memory, instance);
    return instance;
  };
}

/** First index of `info` in {@link heapFloats} (or in an `Int32Array` of the heap). */
export function elementOffset(backend: WasmBackend, info: TensorInfo): number {
  return backend.dataIdMap.get(info.dataId).memoryOffset / 4;
}

/**
 * The whole wasm heap as float32. Allocating may grow the memory, which detaches every older view: read it again after
 * each `makeOutput` and each kernel call.
 */
export function heapFloats(backend: WasmBackend): Float32Array {
  return new Float32Array(backend.wasm.HEAPU8.buffer);
}

/** The elements of a float32 tensor, in place; valid until the next allocation, see {@link heapFloats}. */
export function floatsOf(backend: WasmBackend, info: TensorInfo): Float32Array {
  const { buffer } = backend.wasm.HEAPU8;
  return new Float32Array(buffer, elementOffset(backend, info) * 4, util.sizeFromShape(info.shape));
}

/** The elements of an int32 tensor, in place; valid until the next allocation, see {@link heapFloats}. */
export function intsOf(backend: WasmBackend, info: TensorInfo): Int32Array {
  const { buffer } = backend.wasm.HEAPU8;
  return new Int32Array(buffer, elementOffset(backend, info) * 4, util.sizeFromShape(info.shape));
}

/** Allocates an uninitialised float32 tensor; the caller owns it. */
export function makeFloats(backend: WasmBackend, shape: readonly number[]): TensorInfo {
  return backend.makeOutput([...shape], 'float32');
}

/** A second handle on the same numbers, without a copy; the caller owns the extra reference. */
export function share(
  backend: WasmBackend,
  info: TensorInfo,
  shape: readonly number[] = info.shape,
): TensorInfo {
  backend.incRef(info.dataId);
  return { dataId: info.dataId, shape: [...shape], dtype: info.dtype };
}

/** Input `name` of a kernel call. */
export function input(params: KernelParams, name: string): TensorInfo {
  const info = params.inputs[name];
  if (info !== undefined) return info;
  return fail('ERR_UNSUPPORTED', `kernel input '${name}' is missing. Call the op, not the kernel.`);
}

/** Attributes of a kernel call; `T` is what tfjs-core's op of that kernel passes. */
export function attributes<T>(params: KernelParams): T {
  return (params.attrs ?? {}) as T;
}

/**
 * Runs another wasm kernel without the engine, so that nothing lands on the gradient tape or in a scope.
 *
 * @returns its single output, owned by the caller.
 * @throws VRAdamError `ERR_UNSUPPORTED` when no such kernel is registered.
 */
export function runWasm(
  name: string,
  backend: WasmBackend,
  inputs: NamedTensorInfoMap,
  attrs: object,
): TensorInfo {
  return runConfig(getKernel(name, WASM), name, { inputs, backend, attrs: attrs as NamedAttrMap });
}

/** Runs `config`, a kernel with one output; see {@link runWasm}. `name` is for the error when `config` is absent. */
export function runConfig(config: KernelConfig | undefined, name: string, params: KernelParams): TensorInfo {
  if (config === undefined || config === null) {
    fail(
      'ERR_UNSUPPORTED',
      `the wasm backend has no '${name}' kernel. Import the whole of @tensorflow/tfjs-backend-wasm.`,
    );
  }
  return config.kernelFunc(params as Parameters<typeof config.kernelFunc>[0]) as TensorInfo;
}
