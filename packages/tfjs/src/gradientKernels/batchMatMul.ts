import { type BatchMatMulAttrs, type KernelConfig, type TensorInfo, util } from '@tensorflow/tfjs-core';
import {
  asWasmBackend,
  attributes,
  elementOffset,
  heapFloats,
  input,
  type KernelParams,
  makeFloats,
  runConfig,
  runWasm,
  share,
  type WasmBackend,
} from './wasmBackend.ts';

/** Multiply-adds below which the copies around one XNNPACK product cost more than the stock loop (measured). */
const WORTHWHILE = 1 << 14;

/**
 * A replacement for the wasm backend's `BatchMatMul`. The stock kernel runs on XNNPACK only for a batch of one without
 * transposes; every gradient of a matrix product has a transpose and falls to a scalar loop, about 20 times slower. Here
 * operands are transposed first, and a batch (attention) is a sequence of single products.
 *
 * @param stock - the backend's own kernel: does each product, and everything too small to gain or with batch axes that
 *   broadcast.
 * @returns the kernel: `a` [...batch, m, k] and `b` [...batch, k, n], float32, either stored transposed, to
 *   [...batch, m, n], owned by the caller.
 */
export function batchMatMul(stock: KernelConfig | undefined): (params: KernelParams) => TensorInfo {
  return (params) => {
    const { transposeA, transposeB } = attributes<BatchMatMulAttrs>(params);
    const [a, b] = [input(params, 'a'), input(params, 'b')];
    const batch = util.sizeFromShape(a.shape.slice(0, -2));
    const single = batch === 1 && !transposeA && !transposeB;
    if (single || !worthwhile(a, b, batch, transposeB)) return runConfig(stock, 'BatchMatMul', params);
    const backend = asWasmBackend(params.backend);
    const left = asMatrices(backend, a, batch, transposeA);
    const right = asMatrices(backend, b, batch, transposeB);
    const multiply = (x: TensorInfo, y: TensorInfo): TensorInfo =>
      runConfig(stock, 'BatchMatMul', {
        backend,
        inputs: { a: x, b: y },
        attrs: { transposeA: false, transposeB: false },
      });
    const out = batch === 1 ? multiply(left, right) : multiplyEach(backend, left, right, multiply);
    for (const { dataId } of [left, right]) backend.disposeData(dataId);
    return { ...out, shape: [...a.shape.slice(0, -2), left.shape[1] as number, right.shape[2] as number] };
  };
}

function worthwhile(a: TensorInfo, b: TensorInfo, batch: number, transposeB: boolean): boolean {
  if (a.dtype !== 'float32' || b.dtype !== 'float32' || batch === 0) return false;
  if (!util.arraysEqual(a.shape.slice(0, -2), b.shape.slice(0, -2))) return false;
  const columns = b.shape.at(transposeB ? -2 : -1) as number;
  return (util.sizeFromShape(a.shape) / batch) * columns >= WORTHWHILE;
}

/** `x` as [batch, rows, columns] without transpose; the caller owns the handle. */
function asMatrices(backend: WasmBackend, x: TensorInfo, batch: number, transpose: boolean): TensorInfo {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const matrices = share(backend, x, [batch, rows, columns]);
  if (!transpose) return matrices;
  const transposed = runWasm('Transpose', backend, { x: matrices }, { perm: [0, 2, 1] });
  backend.disposeData(matrices.dataId);
  return transposed;
}

/** The products of each pair of matrices, as [batch, m, n]. */
function multiplyEach(
  backend: WasmBackend,
  left: TensorInfo,
  right: TensorInfo,
  multiply: (x: TensorInfo, y: TensorInfo) => TensorInfo,
): TensorInfo {
  const [batch, m] = left.shape as [number, number, number];
  const n = right.shape[2] as number;
  const out = makeFloats(backend, [batch, m, n]);
  for (let i = 0; i < batch; i++) {
    const [x, y] = [matrixAt(backend, left, i), matrixAt(backend, right, i)];
    const product = multiply(x, y);
    const [from, to] = [elementOffset(backend, product), elementOffset(backend, out) + i * m * n];
    heapFloats(backend).copyWithin(to, from, from + m * n);
    for (const { dataId } of [x, y, product]) backend.disposeData(dataId);
  }
  return out;
}

/** A copy of matrix `i`, in a tensor of its own: XNNPACK caches its packed operand by tensor id. */
function matrixAt(backend: WasmBackend, matrices: TensorInfo, i: number): TensorInfo {
  const [, rows, columns] = matrices.shape as [number, number, number];
  const matrix = makeFloats(backend, [1, rows, columns]);
  const from = elementOffset(backend, matrices) + i * rows * columns;
  heapFloats(backend).copyWithin(elementOffset(backend, matrix), from, from + rows * columns);
  return matrix;
}
