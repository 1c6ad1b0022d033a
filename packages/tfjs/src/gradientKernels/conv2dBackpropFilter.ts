import { backend_util, type Conv2DBackpropFilterAttrs, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { instantiate, type Memory } from '@vradam/wasm';
import { fail } from '../errors.ts';
import { filterGradientKernel } from './binary.ts';
import {
  asWasmBackend,
  attributes,
  elementOffset,
  floatsOf,
  heapFloats,
  input,
  type KernelParams,
  makeFloats,
  memoryOf,
  oncePerMemory,
  share,
  type WasmBackend,
} from './wasmBackend.ts';

type ConvInfo = ReturnType<typeof backend_util.computeConv2DInfo>;

/** The module of `assembly/filterGradient.ts`. */
interface FilterGradient {
  filterGradient(
    x: number,
    dy: number,
    panel: number,
    sums: number,
    images: number,
    rows: number,
    columns: number,
    xImage: number,
    xRow: number,
    xColumn: number,
    dyImage: number,
    filterRows: number,
    xFilterRow: number,
    taps: number,
    channels: number,
  ): void;
}

const moduleOver = /* @__PURE__ */ oncePerMemory((memory) =>
  instantiate<FilterGradient>(filterGradientKernel, memory),
);

/** Output channels and taps that the module sums at a time. */
const [CHANNELS, TAPS] = [8, 3];
/**
 * Pixels of one call, whose sums are float32: few enough that these stay exact to about 3e-7, and that a panel stays in
 * the first-level cache (8 KiB; four times as many pixels take 3 % longer).
 */
const PIXELS = 256;

/**
 * `Conv2DBackpropFilter` for the wasm backend: the gradient of a 2-D convolution with respect to its filter,
 * `dW[fy, fx, c, k] = sum over b, oy, ox of x[b, sy * oy + fy - top, sx * ox + fx - left, c] * dy[b, oy, ox, k]`.
 *
 * The input is copied once, with its zeros; a SIMD kernel of our own then reads windows and gradients where they are, for
 * some pixels at a time, and adds those sums in float64. It takes 0.6 to 1.4 times the forward pass, for any number of
 * channels (measured); unrolling the input for a matrix product took 1.5 to 3.7 times. A NaN or Infinity in `dy` may
 * spread to taps that read padding.
 *
 * Inputs `x` [batch, height, width, inChannels] and `dy` [batch, outHeight, outWidth, outChannels], float32; any
 * stride; 'same', 'valid', number or explicit padding. Output [filterHeight, filterWidth, inChannels, outChannels],
 * float32, owned by the caller. Source: tfjs-backend-cpu 4.22 `Conv2DBackpropFilter`.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` for `dataFormat` 'NCHW', which the backend's forward pass does not know either,
 *   and where there is no SIMD.
 */
export function conv2dBackpropFilter(params: KernelParams): TensorInfo {
  const backend = asWasmBackend(params.backend);
  const [x, dy] = [input(params, 'x'), input(params, 'dy')];
  const { filterShape, strides, pad, dimRoundingMode, dataFormat } =
    attributes<Conv2DBackpropFilterAttrs>(params);
  if (dataFormat === 'NCHW') {
    fail(
      'ERR_UNSUPPORTED',
      "conv2d trains on the wasm backend with dataFormat 'NHWC' only. Received: 'NCHW'. Transpose the input.",
    );
  }
  const shape = x.shape as [number, number, number, number];
  const info = backend_util.computeConv2DInfo(shape, filterShape, strides, 1, pad, dimRoundingMode);
  return filterGradient(backend, info, x, dy);
}

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** Rows and columns of an image with its zeros, as far as any window reaches. */
const paddedSize = (info: ConvInfo): readonly [rows: number, columns: number] => [
  (info.outHeight - 1) * info.strideHeight + info.filterHeight,
  (info.outWidth - 1) * info.strideWidth + info.filterWidth,
];

/** `rows` rows of outputs in each of `images` images, beginning with `row` of `image`: what one call sums over. */
interface Block {
  readonly image: number;
  readonly images: number;
  readonly row: number;
  readonly rows: number;
}

const rowsAtOnce = ({ outHeight, outWidth }: ConvInfo): number =>
  Math.min(outHeight, Math.max(1, Math.floor(PIXELS / outWidth)));

/** Several images at once where all of their rows fit. */
const imagesAtOnce = ({ batchSize, outHeight, outWidth }: ConvInfo): number =>
  Math.min(batchSize, Math.max(1, Math.floor(PIXELS / (outHeight * outWidth))));

function* blocksOf(info: ConvInfo): Generator<Block> {
  const [images, rows] = [imagesAtOnce(info), rowsAtOnce(info)];
  for (let image = 0; image < info.batchSize; image += images) {
    for (let row = 0; row < info.outHeight; row += rows) {
      yield {
        image,
        images: Math.min(images, info.batchSize - image),
        row,
        rows: Math.min(rows, info.outHeight - row),
      };
    }
  }
}

/** Copies the images into `padded`, each with its zeros; what no window reads stays out. */
function pad(backend: WasmBackend, info: ConvInfo, x: TensorInfo, padded: TensorInfo): void {
  const { batchSize, inHeight, inWidth, inChannels, padInfo } = info;
  const [rows, columns] = paddedSize(info);
  const [from, to] = [elementOffset(backend, x), elementOffset(backend, padded)];
  const heap = heapFloats(backend).fill(0, to, to + util.sizeFromShape(padded.shape));
  const length = Math.min(inWidth, columns - padInfo.left) * inChannels;
  for (let image = 0; image < batchSize; image++) {
    for (let y = 0; y < Math.min(inHeight, rows - padInfo.top); y++) {
      const source = from + (image * inHeight + y) * inWidth * inChannels;
      const target = to + ((image * rows + y + padInfo.top) * columns + padInfo.left) * inChannels;
      heap.copyWithin(target, source, source + length);
    }
  }
}

/** `x`, or a copy of it with a whole group of channels behind it, which the module may read. */
function withRest(backend: WasmBackend, x: TensorInfo, channels: number): TensorInfo {
  if (channels % CHANNELS === 0) return share(backend, x);
  const copy = makeFloats(backend, [util.sizeFromShape(x.shape) + CHANNELS]);
  floatsOf(backend, copy).set(floatsOf(backend, x));
  return copy;
}

/** Sums as the module leaves them: whole groups of taps and channels. */
interface Sums {
  readonly taps: number;
  readonly tapPlaces: number;
  readonly channelPlaces: number;
  readonly places: number;
}

function sumsOf({ filterHeight, filterWidth, inChannels, outChannels }: ConvInfo): Sums {
  const taps = filterWidth * inChannels;
  const [tapPlaces, channelPlaces] = [roundUp(taps, TAPS), roundUp(outChannels, CHANNELS)];
  return { taps, tapPlaces, channelPlaces, places: filterHeight * tapPlaces * channelPlaces };
}

function filterGradient(backend: WasmBackend, info: ConvInfo, x: TensorInfo, dy: TensorInfo): TensorInfo {
  const [rows, columns] = paddedSize(info);
  const layout = sumsOf(info);
  // all memory first, as making more may move the views
  const out = makeFloats(backend, info.filterShape);
  const gradients = withRest(backend, dy, info.outChannels);
  const padded = makeFloats(backend, [info.batchSize * rows * columns * info.inChannels + TAPS]);
  const panel = makeFloats(backend, [imagesAtOnce(info) * rowsAtOnce(info) * info.outWidth * CHANNELS]);
  const sums = makeFloats(backend, [2 * layout.places]);
  pad(backend, info, x, padded);
  floatsOf(backend, sums).fill(0);
  const addresses = [padded, gradients, panel, sums].map((each) => 4 * elementOffset(backend, each));
  addBlocks(
    moduleOver(memoryOf(backend) as Memory),
    info,
    layout,
    addresses as [number, number, number, number],
  );
  takeSums(floatsOf(backend, sums), layout, info.outChannels, floatsOf(backend, out));
  for (const { dataId } of [gradients, padded, panel, sums]) backend.disposeData(dataId);
  return out;
}

function addBlocks(
  module: FilterGradient,
  info: ConvInfo,
  { taps }: Sums,
  [padded, gradients, panel, sums]: readonly [number, number, number, number],
): void {
  const { outHeight, outWidth, inChannels, outChannels, strideHeight, strideWidth, filterHeight } = info;
  const [rows, columns] = paddedSize(info);
  const [xRow, dyRow] = [columns * inChannels * 4, outWidth * outChannels * 4];
  for (const { image, images, row, rows: outRows } of blocksOf(info)) {
    module.filterGradient(
      padded + (image * rows + row * strideHeight) * xRow,
      gradients + (image * outHeight + row) * dyRow,
      panel,
      sums,
      images,
      outRows,
      outWidth,
      rows * xRow,
      strideHeight * xRow,
      strideWidth * inChannels * 4,
      outHeight * dyRow,
      filterHeight,
      xRow,
      taps,
      outChannels,
    );
  }
}

/** Takes the sums that mean something, as float32. */
function takeSums(
  { buffer, byteOffset }: Float32Array,
  { taps, tapPlaces, channelPlaces, places }: Sums,
  channels: number,
  out: Float32Array,
): void {
  const sums = new Float64Array(buffer, byteOffset, places);
  for (let i = 0; i < out.length / channels; i++) {
    const start = (Math.floor(i / taps) * tapPlaces + (i % taps)) * channelPlaces;
    out.set(sums.subarray(start, start + channels), i * channels);
  }
}
