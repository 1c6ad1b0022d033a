import {
  engine,
  findBackendFactory,
  getGradient,
  getKernel,
  type KernelConfig,
  type KernelFunc,
  registerGradient,
  registerKernel,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import { fail } from '../errors.ts';
import { batchMatMul } from './batchMatMul.ts';
import { BATCH_NORM, BATCH_NORM_GRAD, batchNormGradient } from './batchNorm.ts';
import { batchNormBackward, batchNormForward } from './batchNormKernels.ts';
import { conv2dBackpropFilter } from './conv2dBackpropFilter.ts';
import { conv2dBackpropInput } from './conv2dBackpropInput.ts';
import { depthwiseBackpropFilter, depthwiseBackpropInput } from './depthwise.ts';
import { maxPoolGrad } from './maxPoolGrad.ts';
import { cast, identity } from './sharedCopies.ts';
import { sum } from './sum.ts';
import { unsortedSegmentSum } from './unsortedSegmentSum.ts';
import { asWasmBackend, type KernelParams, WASM } from './wasmBackend.ts';

/** Makes a kernel that may hand cases it does not improve to `stock`, the backend's own. */
type KernelMaker = (stock: KernelConfig | undefined) => (params: KernelParams) => ReturnType<KernelFunc>;

const kernels: Readonly<Record<string, KernelMaker>> = {
  // Missing from the backend.
  Conv2DBackpropFilter: () => conv2dBackpropFilter,
  DepthwiseConv2dNativeBackpropFilter: () => depthwiseBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: () => depthwiseBackpropInput,
  UnsortedSegmentSum: () => unsortedSegmentSum,
  [BATCH_NORM]: () => batchNormForward,
  [BATCH_NORM_GRAD]: () => batchNormBackward,
  // Present, but slow where training needs them.
  Conv2DBackpropInput: conv2dBackpropInput,
  MaxPoolGrad: maxPoolGrad,
  BatchMatMul: batchMatMul,
  Sum: sum,
  Identity: identity,
  Cast: cast,
};

const ours = new WeakSet<KernelFunc>();

/**
 * Teaches the tfjs wasm backend to train convolutions and embeddings, and to train everything faster.
 *
 * Registers kernels for backend 'wasm': `Conv2DBackpropFilter`, `DepthwiseConv2dNativeBackpropFilter`,
 * `DepthwiseConv2dNativeBackpropInput` and `UnsortedSegmentSum`, which it lacks; the kernels behind {@link batchNormTraining}; and faster versions of `Conv2DBackpropInput`, `MaxPoolGrad`, `BatchMatMul` (with
 * transposes), `Sum` (bias gradients), `Identity` and `Cast` (no copy). Numbers stay those of the cpu backend within
 * float32 rounding. Other backends are left alone.
 *
 * Call it once after importing `@tensorflow/tfjs-backend-wasm`, before or after `tf.setBackend('wasm')`; calling it
 * again changes nothing. As everywhere in tfjs, gradients must be registered too: import `@tensorflow/tfjs`,
 * `@tensorflow/tfjs-layers`, or `@tensorflow/tfjs-core/dist/register_all_gradients`.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` when the wasm backend is not imported, or lacks the members the kernels need
 *   (for a backend that has not started yet this shows at the first kernel call). `Conv2DBackpropFilter` needs SIMD.
 */
export function registerGradientKernels(): void {
  checkBackend();
  for (const [kernelName, make] of Object.entries(kernels)) register(kernelName, make);
  if (getGradient(BATCH_NORM) === undefined) registerGradient(batchNormGradient);
}

function checkBackend(): void {
  if (!findBackendFactory(WASM)) {
    fail(
      'ERR_UNSUPPORTED',
      "the wasm backend is not registered. Import '@tensorflow/tfjs-backend-wasm' before calling " +
        'registerGradientKernels().',
    );
  }
  const running = engine().registry[WASM];
  if (running !== undefined) asWasmBackend(running);
}

function register(kernelName: string, make: KernelMaker): void {
  const stock: KernelConfig | undefined = getKernel(kernelName, WASM);
  if (stock !== undefined && ours.has(stock.kernelFunc)) return;
  const kernelFunc: KernelFunc = make(stock);
  ours.add(kernelFunc);
  if (stock !== undefined) unregisterKernel(kernelName, WASM);
  // The stock setupFunc stays: it binds the stock kernel when the backend starts after this call.
  registerKernel({ ...stock, kernelName, backendName: WASM, kernelFunc });
}
