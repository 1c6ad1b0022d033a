import {
  backend_util,
  type Conv2DBackpropInputAttrs,
  type KernelConfig,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import {
  asWasmBackend,
  attributes,
  floatsOf,
  input,
  type KernelParams,
  makeFloats,
  runConfig,
  runWasm,
  type WasmBackend,
} from './wasmBackend.ts';

type ConvInfo = ReturnType<typeof backend_util.computeConv2DInfo>;

/**
 * One axis of one *phase* of the input gradient: the elements `stride * g + phase`, g < `size`. They are a stride-1
 * convolution of `dy` with every stride-th filter tap, in reverse order.
 */
interface PhaseAxis {
  readonly phase: number;
  readonly stride: number;
  readonly size: number;
  /** For each tap of that convolution the filter's tap, or a number outside the filter for a zero. */
  readonly taps: readonly number[];
  readonly before: number;
  readonly after: number;
}

/**
 * A replacement for the wasm backend's `Conv2DBackpropInput`, which is a scalar loop: the gradient of a 2-D convolution
 * with respect to its input, `dx[b, iy, ix, c] = sum of dy[b, oy, ox, k] * filter[fy, fx, c, k]` over all taps with
 * `iy = sy * oy + fy - top` and `ix = sx * ox + fx - left`.
 *
 * Stride 1 is one forward convolution of `dy` with the reversed filter, on XNNPACK. A larger stride is one such
 * convolution for each of the `sy * sx` interleaved phases of `dx`.
 *
 * @param stock - the backend's own kernel, used for `dataFormat` 'NCHW' (from `conv2dTranspose`).
 * @returns the kernel: `dy` [batch, outHeight, outWidth, outChannels] and `filter` [filterHeight, filterWidth,
 *   inChannels, outChannels], float32, to `dx` of `inputShape`, float32, owned by the caller.
 */
export function conv2dBackpropInput(stock: KernelConfig | undefined): (params: KernelParams) => TensorInfo {
  return (params) => {
    const attrs = attributes<Conv2DBackpropInputAttrs>(params);
    if (attrs.dataFormat === 'NCHW') return runConfig(stock, 'Conv2DBackpropInput', params);
    const [dy, filter] = [input(params, 'dy'), input(params, 'filter')];
    return inputGradient(asWasmBackend(params.backend), dy, filter, attrs);
  };
}

function inputGradient(
  backend: WasmBackend,
  dy: TensorInfo,
  filter: TensorInfo,
  { inputShape, strides, pad, dimRoundingMode }: Conv2DBackpropInputAttrs,
): TensorInfo {
  const shape = filter.shape as [number, number, number, number];
  const info = backend_util.computeConv2DInfo(inputShape, shape, strides, 1, pad, dimRoundingMode);
  const rows = phaseAxes(
    info.inHeight,
    info.outHeight,
    info.filterHeight,
    info.strideHeight,
    info.padInfo.top,
  );
  const columns = phaseAxes(
    info.inWidth,
    info.outWidth,
    info.filterWidth,
    info.strideWidth,
    info.padInfo.left,
  );
  if (info.strideHeight === 1 && info.strideWidth === 1) {
    return convolvePhase(backend, dy, filter, rows[0] as PhaseAxis, columns[0] as PhaseAxis);
  }
  const dx = makeFloats(backend, inputShape);
  floatsOf(backend, dx).fill(0);
  for (const row of rows) {
    for (const column of columns) addPhase(backend, dy, filter, row, column, info, dx);
  }
  return dx;
}

/** The phases of one axis that hold any element. */
function phaseAxes(
  inputSize: number,
  outputSize: number,
  filterSize: number,
  stride: number,
  pad: number,
): PhaseAxis[] {
  return Array.from({ length: Math.min(stride, inputSize) }, (_, phase): PhaseAxis => {
    const size = Math.ceil((inputSize - phase) / stride);
    const firstTap = (phase + pad) % stride;
    const aligned = Math.floor((phase + pad) / stride);
    // Element g meets output g + aligned - j through tap firstTap + stride * j. Reversed, j runs from `last` down to
    // `-extra`; both ends reach over the filter (into zeros) where a padding would have to be negative.
    const last = Math.max(Math.ceil((filterSize - firstTap) / stride) - 1, aligned);
    const before = last - aligned;
    const extra = Math.max(0, outputSize + before - last - size);
    const taps = Array.from({ length: last + 1 + extra }, (_, i) => firstTap + stride * (last - i));
    return { phase, stride, size, taps, before, after: size - outputSize - before + last + extra };
  });
}

/** Convolves `dy` with the taps of one phase: [batch, row.size, column.size, inChannels]. */
function convolvePhase(
  backend: WasmBackend,
  dy: TensorInfo,
  filter: TensorInfo,
  row: PhaseAxis,
  column: PhaseAxis,
): TensorInfo {
  const reversed = reverseFilter(backend, filter, row.taps, column.taps);
  const pad = [
    [0, 0],
    [row.before, row.after],
    [column.before, column.after],
    [0, 0],
  ];
  const attrs = { strides: [1, 1], dilations: [1, 1], pad, dataFormat: 'NHWC' };
  const out = runWasm('Conv2D', backend, { x: dy, filter: reversed }, attrs);
  backend.disposeData(reversed.dataId);
  return out;
}

/** `filter` [fy, fx, c, k] as [rows, columns, k, c], with the given taps; those outside the filter are zero. */
function reverseFilter(
  backend: WasmBackend,
  filter: TensorInfo,
  rows: readonly number[],
  columns: readonly number[],
): TensorInfo {
  const [height, width, inChannels, outChannels] = filter.shape as [number, number, number, number];
  const reversed = makeFloats(backend, [rows.length, columns.length, outChannels, inChannels]);
  const [from, to] = [floatsOf(backend, filter), floatsOf(backend, reversed)];
  const tapFloats = inChannels * outChannels;
  to.fill(0);
  rows.forEach((fy, y) => {
    columns.forEach((fx, x) => {
      if (fy < 0 || fy >= height || fx < 0 || fx >= width) return;
      const source = (fy * width + fx) * tapFloats;
      const target = (y * columns.length + x) * tapFloats;
      for (let i = 0; i < tapFloats; i++) {
        to[target + (i % outChannels) * inChannels + Math.floor(i / outChannels)] = from[
          source + i
        ] as number;
      }
    });
  });
  return reversed;
}

/** Writes one phase into its interleaved places of `dx`. */
function addPhase(
  backend: WasmBackend,
  dy: TensorInfo,
  filter: TensorInfo,
  row: PhaseAxis,
  column: PhaseAxis,
  { batchSize, inHeight, inWidth, inChannels, filterHeight, filterWidth }: ConvInfo,
  dx: TensorInfo,
): void {
  const touched = row.taps.some((fy) => fy >= 0 && fy < filterHeight);
  if (!touched || !column.taps.some((fx) => fx >= 0 && fx < filterWidth)) return;
  const phase = convolvePhase(backend, dy, filter, row, column);
  const [from, to] = [floatsOf(backend, phase), floatsOf(backend, dx)];
  let source = 0;
  for (let b = 0; b < batchSize; b++) {
    for (let y = row.phase; y < inHeight; y += row.stride) {
      for (let x = column.phase; x < inWidth; x += column.stride) {
        const target = ((b * inHeight + y) * inWidth + x) * inChannels;
        for (let c = 0; c < inChannels; c++) to[target + c] = from[source++] as number;
      }
    }
  }
  backend.disposeData(phase.dataId);
}
