import {
  backend_util,
  type DepthwiseConv2dNativeBackpropFilterAttrs,
  type DepthwiseConv2dNativeBackpropInputAttrs,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { asWasmBackend, attributes, floatsOf, input, type KernelParams, makeFloats } from './wasmBackend.ts';

type ConvInfo = ReturnType<typeof backend_util.computeConv2DInfo>;
type Shape4 = [number, number, number, number];

function infoOf(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: Omit<DepthwiseConv2dNativeBackpropInputAttrs, 'inputShape'>,
): ConvInfo {
  const { strides, dilations, pad, dimRoundingMode } = attrs;
  const shapes = [inputShape as Shape4, filterShape as Shape4] as const;
  return backend_util.computeConv2DInfo(...shapes, strides, dilations, pad, dimRoundingMode, true);
}

/**
 * Calls `meet` with the element offsets of every input pixel, output pixel and filter tap that meet. Taps lie side by
 * side: tfjs refuses to differentiate a dilated depthwise convolution on any backend.
 */
function eachMeeting(
  { batchSize, outHeight, outWidth, ...info }: ConvInfo,
  meet: (input: number, output: number, tap: number) => void,
): void {
  const { inHeight, inWidth, inChannels, outChannels, filterHeight, filterWidth } = info;
  const { top, left } = info.padInfo;
  for (let row = 0; row < batchSize * outHeight; row++) {
    const image = Math.floor(row / outHeight);
    const firstY = (row - image * outHeight) * info.strideHeight - top;
    for (let fy = 0; fy < filterHeight; fy++) {
      const y = firstY + fy;
      if (y < 0 || y >= inHeight) continue;
      for (let ox = 0; ox < outWidth; ox++) {
        for (let fx = 0; fx < filterWidth; fx++) {
          const x = ox * info.strideWidth - left + fx;
          if (x < 0 || x >= inWidth) continue;
          const pixel = (image * inHeight + y) * inWidth + x;
          meet(
            pixel * inChannels,
            (row * outWidth + ox) * outChannels,
            (fy * filterWidth + fx) * outChannels,
          );
        }
      }
    }
  }
}

/**
 * `DepthwiseConv2dNativeBackpropFilter` for the wasm backend: the gradient of a depthwise convolution with respect to
 * its filter, `dW[fy, fx, c, q] = sum over b, oy, ox of x[b, y, x, c] * dy[b, oy, ox, c * multiplier + q]`, in float64.
 *
 * Inputs `x` [batch, height, width, channels] and `dy` [batch, outHeight, outWidth, channels * multiplier], float32.
 * Output [filterHeight, filterWidth, channels, multiplier], float32, owned by the caller. Source: tfjs-backend-cpu 4.22.
 */
export function depthwiseBackpropFilter(params: KernelParams): TensorInfo {
  const backend = asWasmBackend(params.backend);
  const { filterShape, ...attrs } = attributes<DepthwiseConv2dNativeBackpropFilterAttrs>(params);
  const [x, dy] = [input(params, 'x'), input(params, 'dy')];
  const info = infoOf(x.shape, filterShape, attrs);
  const { inChannels, outChannels } = info;
  const multiplier = outChannels / inChannels;
  const [inputs, outputs] = [floatsOf(backend, x), floatsOf(backend, dy)];
  const sums = new Float64Array(info.filterHeight * info.filterWidth * outChannels);
  eachMeeting(info, (from, to, tap) => {
    for (let c = 0, k = 0; c < inChannels; c++) {
      const value = inputs[from + c] as number;
      for (let q = 0; q < multiplier; q++, k++)
        sums[tap + k] = (sums[tap + k] as number) + value * (outputs[to + k] as number);
    }
  });
  const out = makeFloats(backend, filterShape);
  floatsOf(backend, out).set(sums);
  return out;
}

/**
 * `DepthwiseConv2dNativeBackpropInput` for the wasm backend: the gradient with respect to the input,
 * `dx[b, y, x, c] = sum of dy[b, oy, ox, c * multiplier + q] * filter[fy, fx, c, q]` over all taps that meet it.
 *
 * Inputs `dy` and `filter` as above, float32. Output of `inputShape`, float32, owned by the caller. Source:
 * tfjs-backend-cpu 4.22.
 */
export function depthwiseBackpropInput(params: KernelParams): TensorInfo {
  const backend = asWasmBackend(params.backend);
  const { inputShape, ...attrs } = attributes<DepthwiseConv2dNativeBackpropInputAttrs>(params);
  const [dy, filter] = [input(params, 'dy'), input(params, 'filter')];
  const info = infoOf(inputShape, filter.shape, attrs);
  const { inChannels, outChannels } = info;
  const multiplier = outChannels / inChannels;
  const out = makeFloats(backend, inputShape);
  const [outputs, weights, dx] = [dy, filter, out].map((tensor) => floatsOf(backend, tensor)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  dx.fill(0);
  eachMeeting(info, (from, to, tap) => {
    for (let c = 0, k = 0; c < inChannels; c++) {
      let sum = 0;
      for (let q = 0; q < multiplier; q++, k++)
        sum += (outputs[to + k] as number) * (weights[tap + k] as number);
      dx[from + c] = (dx[from + c] as number) + sum;
    }
  });
  return out;
}
