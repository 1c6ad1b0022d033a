import { backend_util, type Conv2DBackpropFilterAttrs, type TensorInfo } from '@tensorflow/tfjs-core';
import { VRAdamError } from '@vradam/core';
import { type GridAxis, gridAxis, phaseCells, type Tap } from './filterGrid.ts';
import {
  asWasmBackend,
  attributes,
  elementOffset,
  floatsOf,
  heapFloats,
  input,
  type KernelParams,
  makeFloats,
  runWasm,
  type WasmBackend,
} from './wasmBackend.ts';

/**
 * Reduction length of one matrix product: short enough that its float32 sums stay exact to about 3e-7 (measured; 8e-7
 * at 4096, where the whole kernel is 3 % faster).
 */
const BLOCK_CELLS = 1024;
/** Bound on one block's unrolled input, in floats (16 MiB). */
const BLOCK_FLOATS = 1 << 22;

interface Geometry {
  readonly y: GridAxis;
  readonly x: GridAxis;
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Rows of the unrolled input: filterHeight * filterWidth * inChannels. */
  readonly unrolled: number;
}

/** Grid rows `[firstRow, firstRow + rows)` of the whole batch: what one matrix product reduces over. */
interface Block {
  readonly firstRow: number;
  readonly rows: number;
  readonly cells: number;
}

/**
 * `Conv2DBackpropFilter` for the wasm backend: the gradient of a 2-D convolution with respect to its filter,
 * `dW[fy, fx, c, k] = sum over b, oy, ox of x[b, sy * oy + fy - top, sx * ox + fx - left, c] * dy[b, oy, ox, k]`.
 *
 * Works in blocks of grid rows: the input is transposed once to channel-major rows, each tap is then a *shifted copy*
 * of such a row ({@link gridAxis}), and one matrix product per block runs on XNNPACK. Blocks are summed in float64. A NaN
 * or Infinity in `x` may spread to every tap of its channel, since the grid multiplies it with zeros too.
 *
 * Inputs `x` [batch, height, width, inChannels] and `dy` [batch, outHeight, outWidth, outChannels], float32; any
 * stride; 'same', 'valid', number or explicit padding. Output [filterHeight, filterWidth, inChannels, outChannels],
 * float32, owned by the caller. Source: tfjs-backend-cpu 4.22 `Conv2DBackpropFilter`.
 *
 * @throws VRAdamError `ERR_UNSUPPORTED` for `dataFormat` 'NCHW', which the backend's forward pass does not know either.
 */
export function conv2dBackpropFilter(params: KernelParams): TensorInfo {
  const backend = asWasmBackend(params.backend);
  const [x, dy] = [input(params, 'x'), input(params, 'dy')];
  const { filterShape, ...attrs } = attributes<Conv2DBackpropFilterAttrs>(params);
  if (attrs.dataFormat === 'NCHW') throw channelsFirst();
  const geometry = geometryOf(x, filterShape, attrs);
  const sums = new Float64Array(geometry.unrolled * geometry.outChannels);
  for (const block of blocksOf(geometry)) addBlock(backend, geometry, block, x, dy, sums);
  const out = makeFloats(backend, filterShape);
  floatsOf(backend, out).set(sums);
  return out;
}

function channelsFirst(): VRAdamError {
  return new VRAdamError(
    'ERR_UNSUPPORTED',
    "[@vradam/tfjs] conv2d trains on the wasm backend with dataFormat 'NHWC' only. Received: 'NCHW'. Transpose the input.",
  );
}

function geometryOf(
  x: TensorInfo,
  filterShape: Conv2DBackpropFilterAttrs['filterShape'],
  { strides, pad, dimRoundingMode }: Omit<Conv2DBackpropFilterAttrs, 'filterShape'>,
): Geometry {
  const shape = x.shape as [number, number, number, number];
  const info = backend_util.computeConv2DInfo(shape, filterShape, strides, 1, pad, dimRoundingMode);
  return {
    y: gridAxis(info.inHeight, info.outHeight, info.filterHeight, info.strideHeight, info.padInfo.top),
    x: gridAxis(info.inWidth, info.outWidth, info.filterWidth, info.strideWidth, info.padInfo.left),
    batch: info.batchSize,
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    unrolled: info.filterHeight * info.filterWidth * info.inChannels,
  };
}

function* blocksOf({ y, x, batch, unrolled }: Geometry): Generator<Block> {
  const cells = Math.min(BLOCK_CELLS, Math.floor(BLOCK_FLOATS / unrolled));
  const rowsPerBlock = Math.max(1, Math.floor(cells / x.cells));
  const total = batch * y.cells;
  for (let firstRow = 0; firstRow < total; firstRow += rowsPerBlock) {
    const rows = Math.min(rowsPerBlock, total - firstRow);
    yield { firstRow, rows, cells: rows * x.cells };
  }
}

/** Adds one block's `unrolled(x)^T dy` to `sums`. */
function addBlock(
  backend: WasmBackend,
  geometry: Geometry,
  block: Block,
  x: TensorInfo,
  dy: TensorInfo,
  sums: Float64Array,
): void {
  const a = makeFloats(backend, [1, geometry.unrolled, block.cells]);
  // A fresh tensor for every block: XNNPACK caches its packed copy of `b` by tensor id.
  const b = makeFloats(backend, [1, block.cells, geometry.outChannels]);
  unrollInput(backend, geometry, block, x, a);
  spreadGradient(backend, geometry, block, dy, b);
  const product = runWasm('BatchMatMul', backend, { a, b }, { transposeA: false, transposeB: false });
  const values = floatsOf(backend, product);
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (values[i] as number);
  for (const { dataId } of [a, b, product]) backend.disposeData(dataId);
}

/** Fills `a`, [taps * inChannels, cells]: row (fy, fx, c) is what that tap reads at each cell of the block. */
function unrollInput(
  backend: WasmBackend,
  geometry: Geometry,
  block: Block,
  x: TensorInfo,
  a: TensorInfo,
): void {
  const { y: yAxis, x: xAxis, inChannels } = geometry;
  // One more row on either side takes the horizontal shifts over a row's end. Those behind it meet only zeros of dy,
  // but must not be garbage: 0 * NaN is NaN.
  const firstRow = block.firstRow + yAxis.minShift - 1;
  const rows = block.rows + yAxis.maxShift - yAxis.minShift + 2;
  const length = rows * xAxis.cells;
  const stage = makeFloats(backend, [inChannels, length]);
  const [from, to] = [elementOffset(backend, stage), elementOffset(backend, a)];
  const heap = heapFloats(backend);
  for (const { y, x: xTap, stale } of tapsByPhase(yAxis, xAxis)) {
    if (stale) {
      const part = { firstRow, rows, yPhase: y.phase, xPhase: xTap.phase };
      stagePhase(floatsOf(backend, x), floatsOf(backend, stage), geometry, part);
    }
    const start = from + (1 + y.shift - yAxis.minShift) * xAxis.cells + xTap.shift;
    const row = (y.index * xAxis.taps.length + xTap.index) * inChannels;
    for (let c = 0; c < inChannels; c++) {
      const source = start + c * length;
      heap.copyWithin(to + (row + c) * block.cells, source, source + block.cells);
    }
  }
  backend.disposeData(stage.dataId);
}

/** All taps, grouped by phase; `stale` marks the first of each phase, for which the stage must be written anew. */
function* tapsByPhase(yAxis: GridAxis, xAxis: GridAxis): Generator<{ y: Tap; x: Tap; stale: boolean }> {
  for (const yTaps of byPhase(yAxis)) {
    for (const xTaps of byPhase(xAxis)) {
      for (const y of yTaps) for (const x of xTaps) yield { y, x, stale: y === yTaps[0] && x === xTaps[0] };
    }
  }
}

function byPhase({ stride, taps }: GridAxis): readonly Tap[][] {
  return taps.slice(0, stride).map(({ phase }) => taps.filter((tap) => tap.phase === phase));
}

interface Stage {
  readonly firstRow: number;
  readonly rows: number;
  readonly yPhase: number;
  readonly xPhase: number;
}

/** Writes one phase of the input as [inChannels, rows, cells], zero wherever the grid has no input. */
function stagePhase(x: Float32Array, target: Float32Array, geometry: Geometry, stage: Stage): void {
  const { y, x: xAxis, batch, inChannels } = geometry;
  const length = stage.rows * xAxis.cells;
  const [height, width] = [phaseCells(y, stage.yPhase), phaseCells(xAxis, stage.xPhase)];
  const step = xAxis.stride * inChannels;
  target.fill(0);
  for (let r = 0; r < stage.rows; r++) {
    const image = Math.floor((stage.firstRow + r) / y.cells);
    const cellY = stage.firstRow + r - image * y.cells;
    if (image < 0 || image >= batch || cellY >= height) continue;
    const row = image * y.inputSize + cellY * y.stride + stage.yPhase;
    let source = (row * xAxis.inputSize + stage.xPhase) * inChannels;
    const start = r * xAxis.cells;
    for (let cell = start; cell < start + width; cell++, source += step) {
      for (let c = 0, to = cell; c < inChannels; c++, to += length) target[to] = x[source + c] as number;
    }
  }
}

/** Fills `b`, [cells, outChannels]: `dy` on the block's grid, zero in the cells that no output owns. */
function spreadGradient(
  backend: WasmBackend,
  geometry: Geometry,
  block: Block,
  dy: TensorInfo,
  b: TensorInfo,
): void {
  const { y, x, outChannels } = geometry;
  const heap = heapFloats(backend);
  const from = elementOffset(backend, dy);
  const rowFloats = x.outputSize * outChannels;
  let to = elementOffset(backend, b);
  for (let row = block.firstRow; row < block.firstRow + block.rows; row++) {
    const image = Math.floor(row / y.cells);
    const cellY = row - image * y.cells;
    const end = to + x.cells * outChannels;
    if (cellY < y.outputSize) {
      const source = from + (image * y.outputSize + cellY) * rowFloats;
      heap.copyWithin(to, source, source + rowFloats);
      to += rowFloats;
    }
    heap.fill(0, to, end);
    to = end;
  }
}
