import type { CastAttrs, KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { asWasmBackend, attributes, input, type KernelParams, runConfig, share } from './wasmBackend.ts';

/**
 * A replacement for the wasm backend's `Identity`, which copies: a second reference to the same numbers, as on the
 * cpu backend. The tape clones every tensor that a gradient needs, so a training step is full of these.
 *
 * @param stock - the backend's own kernel, used for strings.
 */
export function identity(stock: KernelConfig | undefined): (params: KernelParams) => TensorInfo {
  return (params) => {
    const x = input(params, 'x');
    if (x.dtype === 'string') return runConfig(stock, 'Identity', params);
    return share(asWasmBackend(params.backend), x);
  };
}

/**
 * A replacement for the wasm backend's `Cast`, which copies even when the dtype stays the same (every ReLU gradient
 * does that). Such a cast becomes a second reference; all others go to `stock`, the backend's own kernel.
 */
export function cast(stock: KernelConfig | undefined): (params: KernelParams) => TensorInfo {
  return (params) => {
    const x = input(params, 'x');
    const { dtype } = attributes<CastAttrs>(params);
    if (x.dtype !== dtype || dtype === 'string') return runConfig(stock, 'Cast', params);
    return share(asWasmBackend(params.backend), x);
  };
}
