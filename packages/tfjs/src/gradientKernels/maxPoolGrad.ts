import {
  backend_util,
  type KernelConfig,
  type MaxPoolGradAttrs,
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
} from './wasmBackend.ts';

type PoolInfo = ReturnType<typeof backend_util.computePool2DInfo>;

/** The part of a pooling window that lies inside the image: `[from, to)` rows or columns. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * A replacement for the wasm backend's `MaxPoolGrad`: each element of `dy` goes to the first largest element of its
 * window, in row-major order (as on the cpu backend). One pass over the outputs instead of a search for every input.
 *
 * @param stock - the backend's own kernel, used for an `input` that is not float32.
 * @returns the kernel: `dy` [batch, outHeight, outWidth, channels] and `input` [batch, height, width, channels] to `dx`
 *   of the input's shape, float32, owned by the caller. Source: tfjs-backend-cpu 4.22 `MaxPoolGrad`.
 */
export function maxPoolGrad(stock: KernelConfig | undefined): (params: KernelParams) => TensorInfo {
  return (params) => {
    const x = input(params, 'input');
    if (x.dtype !== 'float32') return runConfig(stock, 'MaxPoolGrad', params);
    const backend = asWasmBackend(params.backend);
    const { filterSize, strides, pad, dimRoundingMode } = attributes<MaxPoolGradAttrs>(params);
    const shape = x.shape as [number, number, number, number];
    const info = backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    const dx = makeFloats(backend, shape);
    routeGradient(info, floatsOf(backend, x), floatsOf(backend, input(params, 'dy')), floatsOf(backend, dx));
    return dx;
  };
}

function routeGradient(info: PoolInfo, x: Float32Array, dy: Float32Array, dx: Float32Array): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth } = info;
  const rows = spans(outHeight, info.strideHeight, info.padInfo.top, info.filterHeight, inHeight);
  const columns = spans(outWidth, info.strideWidth, info.padInfo.left, info.filterWidth, inWidth);
  const places = new Int32Array(info.filterHeight * info.filterWidth);
  dx.fill(0);
  let out = 0;
  for (let b = 0; b < batchSize; b++) {
    for (const row of rows) {
      for (const column of columns) {
        const count = listPlaces(places, b * inHeight, inWidth, inChannels, row, column);
        routeWindow(x, dy, dx, out, inChannels, places, count);
        out += inChannels;
      }
    }
  }
}

function spans(outputs: number, stride: number, pad: number, size: number, limit: number): Span[] {
  return Array.from({ length: outputs }, (_, output) => {
    const corner = output * stride - pad;
    return { from: Math.max(0, corner), to: Math.min(limit, corner + size) };
  });
}

/** Writes the offsets of a window's pixels in row-major order, and returns how many there are. */
function listPlaces(
  places: Int32Array,
  firstRow: number,
  width: number,
  channels: number,
  rows: Span,
  columns: Span,
): number {
  let count = 0;
  for (let y = rows.from; y < rows.to; y++) {
    for (let x = columns.from; x < columns.to; x++) places[count++] = ((firstRow + y) * width + x) * channels;
  }
  return count;
}

/** Adds `dy[out .. out + channels)` to the largest element of the window, channel by channel. */
function routeWindow(
  x: Float32Array,
  dy: Float32Array,
  dx: Float32Array,
  out: number,
  channels: number,
  places: Int32Array,
  count: number,
): void {
  for (let c = 0; c < channels; c++) {
    let largest = Number.NEGATIVE_INFINITY;
    // Stays -1 for a window of NaN or -Infinity only, whose gradient goes nowhere, as on the cpu backend.
    let winner = -1;
    for (let i = 0; i < count; i++) {
      const place = (places[i] as number) + c;
      const value = x[place] as number;
      if (value > largest) {
        largest = value;
        winner = place;
      }
    }
    if (winner >= 0) dx[winner] = (dx[winner] as number) + (dy[out + c] as number);
  }
}
